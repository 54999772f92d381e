//! `hostile`

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::{
    cluster::{
        Cluster, ensure,
        node::{Node, SOON},
        process::{NORMAL, Wanted},
        protocol::{Exit, Tables},
    },
    failure::{Context, Result, fail},
    keygen::fresh_secret,
};

/// Strangers knock at a node's port with everything but a good handshake. Each is turned away and counted, and the
/// two nodes that watch each other meanwhile notice nothing.
pub(super) fn hostile(cluster: &Cluster<'_>) -> Result {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let watchers = [a.watcher()?, b.watcher()?];
    let workers = [b.spawn()?, a.spawn()?];
    let monitors = [watchers[0].monitor(&workers[0])?, watchers[1].monitor(&workers[1])?];
    watchers[0].expect_node_up(&b)?;
    watchers[1].expect_node_up(&a)?;

    let attacks = attacks(cluster.seed());
    cluster.progress().plan(attacks.len() + 1, "attacks");
    let mut refused = refusals(&b.tables()?);
    for (what, bytes) in &attacks {
        knock(&b, what, bytes)?;
        refused = counted(&b, what, refused)?;
        cluster.progress().step();
    }
    // A node of the right program with the wrong secret. It may dial and be dialled.
    let stranger = fresh_secret()?;
    let eve = cluster.node_with("z", |launch| launch.secret = stranger)?;
    let nobody = |at: &Node| format!("nobody@{}", at.name());
    eve.watch(&nobody(&b))?.expect_down(Wanted::NoConnection(&["AuthFailed"]))?;
    refused = counted(&b, "a wrong secret", refused)?;
    a.watch(&nobody(&eve))?.expect_down(Wanted::NoConnection(&["AuthFailed"]))?;
    cluster.progress().step();
    cluster.figure("refused", refused);

    // Nobody else has noticed: one event each, and the monitors work.
    for (watcher, monitor) in watchers.iter().zip(&monitors) {
        watcher.drain()?;
        monitor.expect_silence("its target lives")?;
        let events = watcher.node_events();
        ensure(events.len() == 1, || format!("strangers caused node events: {events:?}"))?;
    }
    for (worker, monitor) in workers.iter().zip(&monitors) {
        worker.exit(Exit::Normal)?;
        monitor.expect_down(NORMAL)?;
    }
    Ok(())
}

/// What strangers send: a name, and the bytes.
fn attacks(seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let noise = (0..4096).map(|_| rng.u8(..)).collect();
    vec![
        ("nothing", Vec::new()),
        ("a web browser", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("noise", noise),
        ("zeros", vec![0; 4096]),
        ("a frame of 4 GiB", vec![0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]),
        ("a length without end", vec![0xff; 64]),
        ("half a frame", vec![0x80, 0x04, 1, 2, 3]),
    ]
}

/// Connects, sends, and waits until the node closes the connection.
fn knock(node: &Node, what: &str, bytes: &[u8]) -> Result {
    let address = node.name().split_once('@').map_or("", |(_, address)| address);
    let name = || format!("{what} thrown at {address}");
    let mut stream = TcpStream::connect(address).context(name)?;
    stream.set_read_timeout(Some(SOON)).context(name)?;
    // The node may have closed it before everything is sent: that is what it should do.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.take(1 << 20).read_to_end(&mut answer) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        Err(error) => fail!("{}: {error}; expected the node to close the connection within {SOON:?}", name()),
    }
}

/// Waits until the node has counted one more refusal than `before`; returns how many now.
fn counted(node: &Node, what: &str, before: u64) -> Result<u64> {
    let more = |tables: &Tables| refusals(tables) > before;
    node.await_tables(&format!("{what} to be counted (after {before} refusals)"), more)
        .map(|tables| refusals(&tables))
}

/// Connections that were turned away, whatever the reason.
fn refusals(tables: &Tables) -> u64 {
    tables.counters.iter().filter(|(name, _)| name.contains("refused")).map(|(_, count)| count).sum()
}
