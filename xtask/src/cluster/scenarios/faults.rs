//! `kill-9`, `restart` and `leave`

use std::time::Instant;

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    node::Node,
    process::{NORMAL, Wanted, expect_downs},
    protocol::{Command, CommandAnswer, Exit, NodeKind, Subscription},
};

/// The reasons that other nodes may report when the process of a node has ended.
const CLOSED: &[&str] = &["Closed"];
const GONE: Wanted = Wanted::NoConnection(CLOSED);

/// All nodes monitor each other, and one is killed. Every monitor on it ends, and all others stay.
pub(super) fn kill_9(cluster: &Cluster<'_>) -> Result<()> {
    let nodes = cluster.all()?;
    let (victim, others) = nodes.split_last().expect("a cluster has at least three nodes");
    let workers: Vec<_> = nodes.iter().map(Node::spawn).collect::<Result<_>>()?;
    let lost_worker = workers.last().expect("one a node");
    let mut lost = Vec::new();
    let mut kept = Vec::new();
    let mut watchers = Vec::new();
    for node in others {
        let watcher = node.watcher()?;
        for worker in &workers {
            let monitors = [watcher.monitor(worker)?, node.watch(worker.pid())?];
            if worker.pid() == lost_worker.pid() { lost.extend(monitors) } else { kept.extend(monitors) }
        }
        for other in nodes.iter().filter(|other| other.name() != node.name()) {
            watcher.expect_node_up(other)?;
        }
        watchers.push(watcher);
    }
    cluster.at_rest()?;
    let start = Instant::now();
    cluster.kill(victim);
    for monitor in &lost {
        monitor.expect_down(GONE)?;
    }
    for watcher in &watchers {
        watcher.expect_node_down(victim, CLOSED)?;
    }
    cluster.figure_seconds("all_told_seconds", start.elapsed());
    // Every watcher still sees every other worker, and only those.
    for worker in &workers[..workers.len() - 1] {
        worker.exit(Exit::Shutdown)?;
    }
    kept.iter().try_for_each(|monitor| monitor.expect_down(Wanted::Exit(Exit::Shutdown)).map(drop))
}

/// A node is killed and started again under its name and port, a few times.
pub(super) fn restart(cluster: &Cluster<'_>) -> Result<()> {
    let a = cluster.node("a")?;
    let mut b = cluster.node("b")?;
    let watcher = a.watcher()?;
    let restarts = cluster.scaled(5, 2);
    cluster.progress().plan(restarts, "restarts");
    for _ in 0..restarts {
        let old = b.spawn()?;
        old.register("job")?;
        let monitors = [watcher.monitor(&old)?, watcher.monitor_name("job", &b)?, a.watch(old.pid())?];
        watcher.expect_node_up(&b)?;
        cluster.at_rest()?;

        let new_b = cluster.restart(&b)?;
        ensure(new_b.incarnation() != b.incarnation(), || {
            "the restarted node has the same incarnation".to_owned()
        })?;
        for monitor in &monitors {
            monitor.expect_down(GONE)?;
        }
        // The first process of the new incarnation has the serial of the old one, but is a
        // different process.
        let new = new_b.spawn()?;
        watcher.monitor(&old)?.expect_down(Wanted::NoProc)?;
        a.watch(old.pid())?.expect_down(Wanted::NoProc)?;
        watcher.monitor_name("job", &new_b)?.expect_down(Wanted::NoProc)?;
        watcher.expect_node_up(&new_b)?;
        let fresh = watcher.monitor(&new)?;
        watcher.send(old.pid(), 1)?;
        cluster.at_rest()?;
        new.exit(Exit::Normal)?;
        fresh.expect_down(NORMAL)?;
        b = new_b;
        cluster.progress().step();
    }
    let seen: Vec<_> = watcher.node_events();
    ensure(seen.len() == 2 * restarts + 1, || {
        format!("expected up and down {restarts} times, then up; seen {seen:?}")
    })
}

/// Processes exit and their node leaves at once: every exit arrives, and every other monitor
/// reports that the node left.
pub(super) fn leave(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let count = cluster.scaled(2_000, 500);
    let watcher = a.watcher()?;
    let (exiting, staying) = (b.spawn_many(count)?, b.spawn_many(10)?);
    let targets: Vec<_> = exiting.iter().map(|worker| worker.pid().to_owned()).collect();
    let mut monitors: Vec<_> =
        watcher.monitor_many(&targets)?.into_iter().map(|monitor| (monitor, NORMAL)).collect();
    for worker in &staying {
        monitors.push((watcher.monitor(worker)?, Wanted::NoConnection(&["Left"])));
    }
    // A thread continues when the node has stopped, unlike the tasks of the node, and receives its
    // notices.
    let leaver = b.spawn_thread()?;
    leaver.monitor_nodes(Subscription { nodes: NodeKind::All, reasons: true })?;
    let target = a.spawn()?;
    let of_leaver = leaver.monitor(&target)?;
    leaver.expect_node_up(&a)?;

    // Once a node has reported an exit, its departure must not overtake this report.
    let near =
        b.spawn()?.monitor_many(&targets)?.into_iter().map(|monitor| (monitor, NORMAL)).collect::<Vec<_>>();
    b.done(Command::Exit { processes: targets, how: Exit::Normal })?;
    expect_downs(&b, &near, || ())?;
    let start = Instant::now();
    cluster.stop(&b)?;
    cluster.figure_seconds("stop_seconds", start.elapsed());
    expect_downs(&a, &monitors, || ())?;
    watcher.expect_node_down(&b, &["Left"])?;
    of_leaver.expect_down(Wanted::NoConnection(&["LocalShutdown"]))?;
    leaver.expect_node_down(&a, &["LocalShutdown"])?;
    a.await_tables("no session", |tables| tables.sessions == 0)?;

    // A stopped node refuses all calls.
    let late = Command::Watch { targets: vec![target.pid().to_owned()], tag: 0, never: false, set: false };
    for command in
        [late, Command::Spawn { count: 1, thread: false }, Command::Connect { node: a.name().to_owned() }]
    {
        let answer = b.try_ask(command.clone())?;
        ensure(matches!(&answer, CommandAnswer::Error(_)), || {
            format!("a stopped node answers {answer:?} to {command:?}")
        })?;
    }
    Ok(())
}
