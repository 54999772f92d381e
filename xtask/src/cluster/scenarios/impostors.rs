//! `replay` and `duplicate-name`

use anyhow::Result;
use harness::conditions::ensure;

use super::{
    mesh::Mesh,
    strangers::{count, counted, knock},
};
use crate::cluster::{
    Cluster,
    heartbeat::Heartbeat,
    process::{Process, Wanted},
    protocol::Command,
};

/// An eavesdropper replays the handshake of a node, while that node's session is up and after it
/// has ended; another one reflects a node's own frames back to it. The node refuses both, and no
/// process receives a notice.
pub(super) fn replay(cluster: &Cluster<'_>) -> Result<()> {
    let nodes = vec![cluster.node("a")?, cluster.node("b")?];
    let eavesdropper = cluster.relay("y", "b")?;
    nodes[0].connect_through(&nodes[1], eavesdropper.address())?;
    let mesh = Mesh::of(cluster, nodes, Heartbeat::DEFAULT)?;
    let b = mesh.nodes[1].clone();
    let recorded = eavesdropper.recorded().into_iter().next().unwrap_or_default();
    ensure(recorded.len() > 100, || format!("only {} bytes of a handshake were recorded", recorded.len()))?;
    let say_again = || -> Result<()> {
        let before = b.tables()?;
        cluster.at("z", || knock(cluster.address("b"), &recorded))??;
        counted(&b, "a replayed handshake", &before, &["refused_proof"])?;
        ensure(count(&b.tables()?, "sessions") == count(&before, "sessions"), || {
            "a replayed handshake has started a session".to_owned()
        })
    };
    say_again()?;
    say_again()?;

    // The frames of b to c come back to b. There is no c.
    let mirror = cluster.relay("y", "b")?;
    let (nobody, before) = (cluster.name("c"), b.tables()?);
    b.done(Command::Connect { node: format!("{nobody}={}", mirror.address()) })?;
    counted(&b, "its own words", &before, &["refused_name"])?;
    counted(&b, "a dial that led to itself", &before, &["dials_failed"])?;
    mesh.expect_all_kept()?;
    expect_ups_only(&mesh.watchers)?;

    let (watcher, a) = (mesh.watchers[1].clone(), mesh.nodes[0].clone());
    cluster.kill(&a);
    watcher.expect_node_down(&a, &["Closed"])?;
    say_again()?;
    b.await_tables("no session", |tables| tables.sessions == 0).map(drop)
}

/// A second node takes the name of a running node. The second node is refused; the first one, and
/// its peers, report nothing.
pub(super) fn duplicate_name(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let b = mesh.nodes[1].clone();
    let (elsewhere, home) = (cluster.address("z"), cluster.home("z")?);
    let impostor = cluster.node_with("a", |launch| {
        launch.listen = Some(elsewhere);
        launch.home = home;
    })?;
    let attempts = cluster.scaled(5, 2);
    cluster.progress().plan(attempts, "attempts");
    for _ in 0..attempts {
        let before = b.tables()?;
        let nobody = format!("nobody@{}", b.name());
        impostor.watch(&nobody)?.expect_down(Wanted::NoConnection(&["DuplicateName"]))?;
        counted(&b, "a name that is taken", &before, &["refused_duplicate"])?;
        cluster.progress().step();
    }
    mesh.expect_all_kept()?;
    expect_ups_only(&mesh.watchers)?;
    // The oracle and the tables assume one node per name at a time.
    cluster.kill(&impostor);
    mesh.expect_all_kept()?;
    expect_ups_only(&mesh.watchers)?;
    mesh.finish()
}

/// Expects no node events except for the initial sessions, and those only at processes that
/// subscribed before.
fn expect_ups_only(watchers: &[Process]) -> Result<()> {
    for watcher in watchers {
        watcher.drain()?;
        let events = watcher.node_events();
        ensure(events.len() < watchers.len() && events.iter().all(|event| event.up), || {
            format!("{} was told of {events:?}", watcher.node().name())
        })?;
    }
    Ok(())
}
