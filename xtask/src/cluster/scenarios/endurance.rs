//! `restarts`, `half-frozen` and `clocks-apart`

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use harness::conditions::ensure;

use super::mesh::{Loss, Mesh};
use crate::cluster::{
    Cluster,
    heartbeat::Heartbeat,
    node::Node,
    process::{NORMAL, Wanted},
    protocol::Exit,
};

/// One node is killed and started again, over and over. Each incarnation causes one node up and one
/// node down, and the watching node uses no more memory or descriptors afterwards.
pub(super) fn restarts(cluster: &Cluster<'_>) -> Result<()> {
    let (a, c) = (cluster.node("a")?, cluster.node("c")?);
    let mut b = cluster.node("b")?;
    let (watcher, bystander) = (a.watcher()?, c.spawn()?);
    let undisturbed = watcher.monitor(&bystander)?;
    a.meet(&b)?;
    cluster.at_rest()?;
    let descriptors = a.descriptors()?;
    let restarts = cluster.scaled(50, 10);
    cluster.progress().plan(restarts, "restarts");
    let mut slowest = Duration::ZERO;
    for restart in 1..=restarts {
        let monitor = watcher.monitor(&b.spawn()?)?;
        cluster.at_rest()?;
        b = cluster.restart(&b)?;
        let ready = Instant::now();
        monitor.expect_down(Wanted::NoConnection(&["Closed"]))?;
        watcher.await_node_downs(&b, restart)?;
        a.meet(&b)?;
        slowest = slowest.max(ready.elapsed());
        cluster.progress().step();
    }
    cluster.figure("restarts", restarts);
    cluster.figure_seconds("slowest_return_seconds", slowest);
    undisturbed.expect_silence("its target is running")?;
    bystander.exit(Exit::Normal)?;
    undisturbed.expect_down(NORMAL)?;
    a.await_tables("what two sessions need", |tables| (tables.active, tables.sessions) == (0, 2))?;
    a.await_descriptors(descriptors)
}

/// Half of the nodes are stopped at the same time, and continue together. The other nodes have
/// reported them as down; the stopped nodes report no other stopped node as down.
pub(super) fn half_frozen(cluster: &Cluster<'_>) -> Result<()> {
    const SIZE: usize = 4;
    let mut mesh = Mesh::new(cluster, SIZE, Heartbeat::BRISK)?;
    let awake = |node: &usize| *node < SIZE / 2;
    let asleep: Vec<Node> = mesh.nodes[SIZE / 2..].to_vec();
    let since = asleep.iter().map(|node| cluster.freeze(node)).collect::<Result<Vec<_>>>()?;
    let mut slowest = Duration::ZERO;
    let apart: Vec<_> = mesh.pairs().filter(|(one, other)| awake(one) != awake(other)).collect();
    for &(one, other) in &apart {
        slowest = slowest.max(mesh.expect_told((one, other), since[other - SIZE / 2], Loss::Silence)?);
    }
    asleep.iter().try_for_each(|node| cluster.thaw(node))?;
    for &(one, other) in &apart {
        // They learn it because the others have closed the sessions.
        mesh.expect_told((other, one), since[other - SIZE / 2], Loss::Reset)?;
    }
    let together: Vec<_> = mesh.pairs().filter(|pair| !apart.contains(pair)).collect();
    // Long enough for the timeout of a stopped node.
    thread::sleep(Heartbeat::BRISK.timeout + Heartbeat::BRISK.interval);
    mesh.expect_kept(&together)?;
    cluster.figure_seconds("slowest_detection_seconds", slowest);
    mesh.join(&apart)?;
    mesh.finish()
}

/// The monotonic clocks of two nodes are ten days and a year ahead of the third's, as on machines
/// that were started at other times. No node is reported as down too early, or too late.
///
/// The wall clock is the same for all nodes of a machine, and is not set here; no crate of Obit
/// reads it, which `tidy` checks.
pub(super) fn clocks_apart(cluster: &Cluster<'_>) -> Result<()> {
    const DAY: u64 = 24 * 60 * 60;
    let start = |label, ahead: u64| {
        cluster.node_with(label, |launch| {
            launch.heartbeat = Heartbeat::BRISK;
            if ahead > 0 {
                let seconds = ahead.to_string();
                let by = ["unshare", "--time", "--monotonic", &seconds, "--boottime", &seconds, "--"];
                launch.by = by.map(str::to_owned).to_vec();
            }
        })
    };
    let nodes = vec![start("a", 0)?, start("b", 10 * DAY)?, start("c", 365 * DAY)?];
    let clocks = nodes.iter().map(clock).collect::<Result<Vec<_>>>()?;
    ensure(clocks[0] != clocks[1] && clocks[1] != clocks[2], || {
        format!("the nodes were to have clocks of their own, but have {clocks:?}; that needs Linux 6.3")
    })?;
    let mut mesh = Mesh::of(cluster, nodes, Heartbeat::BRISK)?;
    thread::sleep(2 * Heartbeat::BRISK.timeout);
    mesh.expect_all_kept()?;
    let mut slowest = Duration::ZERO;
    for victim in 0..cluster.scaled(mesh.nodes.len(), 2) {
        let cut_off: Vec<_> = mesh.pairs().filter(|&(one, other)| [one, other].contains(&victim)).collect();
        let node = mesh.nodes[victim].clone();
        let pulled = cluster.pull(&node)?;
        slowest = slowest.max(mesh.expect_lost(&cut_off, pulled, Loss::Silence)?);
        cluster.plug(&node)?;
        mesh.join(&cut_off)?;
    }
    cluster.figure_seconds("slowest_detection_seconds", slowest);
    mesh.finish()
}

/// The clock of a node.
fn clock(node: &Node) -> Result<String> {
    let path = format!("/proc/{}/ns/time", node.process_id());
    Ok(fs::read_link(&path).with_context(|| format!("cannot read {path}"))?.display().to_string())
}
