//! `descriptors`, `floods` and `half-open`

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::conditions::ensure;

use super::{
    mesh::Mesh,
    strangers::{Hello, call, count, counted},
};
use crate::cluster::{Cluster, heartbeat::Heartbeat, process::NORMAL};

/// The host that sends the floods.
const STRANGER: &str = "z";

/// A node has no free descriptor while unauthenticated peers connect to it. It keeps its sessions,
/// does not spin, and accepts new peers once it has descriptors again.
pub(super) fn descriptors(cluster: &Cluster<'_>) -> Result<()> {
    const ROOM: usize = 8;
    let mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let poor = mesh.nodes[1].clone();
    let limit = poor.limit_descriptors(poor.descriptors()? + ROOM)?;
    let before = poor.tables()?;
    let address = cluster.address("b");
    let callers = cluster.at(STRANGER, || call(address, 5 * ROOM))??;
    counted(&poor, "a lack of descriptors", &before, &["accept_errors"])?;
    let errors = || anyhow::Ok(count(&poor.tables()?, "accept_errors"));
    let (early, window) = (errors()?, Duration::from_secs(1));
    thread::sleep(window);
    let more = errors()? - early;
    ensure(more < 1_000, || format!("the listener failed {more} times within {window:?}: it spins"))?;
    cluster.figure("accept_errors_per_second", more);
    // Existing sessions need no further descriptor.
    for monitor in mesh.traffic(100)? {
        monitor.expect_down(NORMAL)?;
    }
    drop(callers);
    let newcomer = cluster.node("c")?;
    newcomer.meet(&poor)?;
    cluster.stop(&newcomer)?;
    poor.limit_descriptors(limit)?;
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// Silent and very slow clients, more than a node accepts from one address. The node closes their
/// connections in time; its sessions continue, and afterwards new peers connect.
pub(super) fn floods(cluster: &Cluster<'_>) -> Result<()> {
    const EACH: usize = 30;
    const MORE: usize = 40;
    let mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let target = mesh.nodes[1].clone();
    let (address, before) = (cluster.address("b"), target.tables()?);
    let hello = Hello::of("mallory@127.0.0.1:9", target.name()).frame();
    let start = Instant::now();
    cluster.at(STRANGER, || -> Result<()> {
        let silent = call(address, EACH)?;
        let mut slow = call(address, EACH)?;
        // These exceed the limit of one address; the node closes them at once.
        let beyond = call(address, MORE)?;
        counted(&target, "too many callers", &before, &["refused_busy_address"])?;
        for byte in &hello {
            slow.retain_mut(|caller| caller.write_all(&[*byte]).is_ok());
            if slow.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(200));
        }
        ensure(slow.is_empty(), || {
            format!("{} callers were listened to for {:?}", slow.len(), start.elapsed())
        })?;
        drop((silent, beyond));
        Ok(())
    })??;
    counted(&target, "slow callers", &before, &["refused_slow"])?;
    cluster.figure("callers", 2 * EACH + MORE);
    let newcomer = cluster.node("c")?;
    newcomer.meet(&target)?;
    cluster.stop(&newcomer)?;
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// Clients that start a TCP handshake and never finish it. The node's kernel handles these; the
/// node sees none of them, and regular peers can still connect.
pub(super) fn half_open(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let target = mesh.nodes[1].clone();
    let address = cluster.address("b");
    // The client receives no answer, so its kernel neither completes nor aborts the handshake.
    cluster.deafen_stranger(STRANGER, &target)?;
    let begun = cluster.scaled(2_000, 500);
    let before = target.tables()?;
    cluster.at(STRANGER, || {
        for _ in 0..begun {
            let patience = Duration::from_millis(1);
            let connected = TcpStream::connect_timeout(&address, patience).is_ok();
            ensure(!connected, || "a stranger that hears nothing has connected".to_owned())?;
        }
        anyhow::Ok(())
    })??;
    let newcomer = cluster.node("c")?;
    newcomer.meet(&target)?;
    let accepted = count(&target.tables()?, "accepted") - count(&before, "accepted");
    // The connection of the new peer, and perhaps one that lost against its dial.
    ensure(accepted <= 2, || format!("the node has accepted {accepted} connections of one new peer"))?;
    cluster.figure("begun", begun);
    cluster.stop(&newcomer)?;
    mesh.expect_all_kept()?;
    mesh.finish()
}
