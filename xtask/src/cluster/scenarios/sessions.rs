//! `simultaneous-dial` and `on-demand`

use std::{sync::Barrier, thread};

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    node::{Node, end_all},
    process::{NORMAL, Process, Wanted},
    protocol::{Exit, NodeKind},
};

/// All nodes dial all others at the same moment, in a few rounds. Of every two dials one wins, and
/// no node reports the other: one session a pair, one node-up a side, no node-down.
pub(super) fn simultaneous_dial(cluster: &Cluster<'_>) -> Result<()> {
    let rounds = cluster.scaled(5, 2);
    cluster.progress().plan(rounds, "rounds");
    for _ in 0..rounds {
        let nodes = cluster.all()?;
        let watchers: Vec<_> = nodes.iter().map(Node::watcher).collect::<Result<_>>()?;
        dial_at_once(&nodes)?;
        for (watcher, other) in pairs(&watchers, &nodes) {
            watcher.expect_node_up(other)?;
        }
        // Every session carries a monitor both ways and an exit back, which proves that it works.
        for (watcher, other) in pairs(&watchers, &nodes) {
            let worker = other.spawn()?;
            let monitor = watcher.monitor(&worker)?;
            other.await_tables("the monitor to have arrived", |tables| tables.incoming == 1)?;
            worker.exit(Exit::Normal)?;
            monitor.expect_down(NORMAL)?;
        }
        for watcher in &watchers {
            let up = watcher.node().nodes(NodeKind::All)?.len();
            let events = watcher.node_events();
            ensure(up == nodes.len() - 1 && events.len() == nodes.len() - 1, || {
                format!("{} has {up} nodes up after these events: {events:?}", watcher.node().name())
            })?;
        }
        end_all(&nodes);
        cluster.progress().step();
    }
    cluster.figure("pairs", rounds * cluster.labels().len() * (cluster.labels().len() - 1) / 2);
    Ok(())
}

fn dial_at_once(nodes: &[Node]) -> Result<()> {
    let barrier = Barrier::new(nodes.len());
    thread::scope(|scope| {
        let dial = |node: &Node| {
            barrier.wait();
            nodes.iter().filter(|other| other.name() != node.name()).try_for_each(|other| node.connect(other))
        };
        let dials: Vec<_> = nodes.iter().map(|node| scope.spawn(move || dial(node))).collect();
        dials.into_iter().try_for_each(|dial| dial.join().expect("dialling does not panic"))
    })
}

fn pairs<'a>(watchers: &'a [Process], nodes: &'a [Node]) -> impl Iterator<Item = (&'a Process, &'a Node)> {
    let of = move |watcher: &'a Process| {
        let others = nodes.iter().filter(|other| other.name() != watcher.node().name());
        others.map(move |other| (watcher, other))
    };
    watchers.iter().flat_map(of)
}

/// Two nodes that know each other's names are not connected before the first request.
pub(super) fn on_demand(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let watcher = a.watcher()?;
    let worker = b.spawn()?;
    expect_sessions(&[&a, &b], 0)?;
    // A monitor that may not connect fires at once, and makes no connection.
    for target in [worker.pid().to_owned(), format!("job@{}", b.name())] {
        watcher.monitor_with(&target, 5, true)?.expect_down(Wanted::NoConnection(&["NotConnected"]))?;
    }
    watcher.monitor_node(b.name(), true)?;
    watcher.expect_monitored_down(b.name(), "NotConnected")?;
    // A local target needs no connection.
    let own = a.spawn()?;
    let local = watcher.monitor_with(own.pid(), 6, true)?;
    own.exit(Exit::Normal)?;
    local.expect_down(NORMAL)?;
    expect_sessions(&[&a, &b], 0)?;

    // The first monitor connects, and waits for the connection. A monitor that was removed in the
    // meantime is never sent.
    let monitor = watcher.monitor(&worker)?;
    watcher.expect_node_up(&b)?;
    b.await_tables("the monitor to have arrived", |tables| tables.incoming == 1)?;
    expect_sessions(&[&a, &b], 1)?;
    let again = watcher.monitor_with(worker.pid(), 7, true)?;
    cluster.at_rest()?;
    worker.exit(Exit::Normal)?;
    monitor.expect_down(NORMAL)?;
    again.expect_down(NORMAL)?;

    // No node listens there: the monitor gets one Down, and there is no connection.
    let absent = cluster.name("c");
    watcher.monitor_target(&format!("job@{absent}"))?.expect_down(Wanted::NoConnection(&["Refused"]))?;
    expect_sessions(&[&a, &b], 1)
}

fn expect_sessions(nodes: &[&Node], wanted: u64) -> Result<()> {
    for node in nodes {
        let got = node.tables()?.sessions;
        ensure(got == wanted, || format!("{} has {got} sessions, expected {wanted}", node.name()))?;
    }
    Ok(())
}
