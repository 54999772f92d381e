//! `freeze`

use std::time::Duration;

use anyhow::Result;

use crate::cluster::{
    Cluster,
    heartbeat::Heartbeat,
    process::{NORMAL, Wanted},
    protocol::Exit,
};

/// One of three nodes is stopped, and continues later. The others report it as silent within the
/// configured time; when it continues, it learns that its sessions have ended, and all nodes
/// reconnect.
pub(super) fn freeze(cluster: &Cluster<'_>) -> Result<()> {
    let fast = |label| cluster.node_with(label, |launch| launch.heartbeat = Heartbeat::FAST);
    let (a, b, c) = (fast("a")?, fast("b")?, fast("c")?);
    let watchers = [a.watcher()?, b.watcher()?];
    let frozen_watcher = c.watcher()?;
    let rounds = cluster.scaled(3, 1);
    cluster.progress().plan(rounds, "freezes");
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        let worker = c.spawn()?;
        let monitors = [watchers[0].monitor(&worker)?, watchers[1].monitor(&worker)?, a.watch(worker.pid())?];
        let local = a.spawn()?;
        let of_frozen = frozen_watcher.monitor(&local)?;
        cluster.at_rest()?;

        let stopped = cluster.freeze(&c)?;
        for monitor in &monitors {
            let reported_at = monitor.expect_down(Wanted::NoConnection(&["Timeout"]))?;
            slowest = slowest.max(Heartbeat::FAST.silence(stopped, reported_at)?);
        }
        for watcher in &watchers {
            watcher.await_node_downs(&c, round)?;
        }
        cluster.thaw(&c)?;
        // It learned this from the closed sessions, and reported no node as silent because of its
        // own pause.
        of_frozen.expect_down(Wanted::NoConnection(&["Closed"]))?;
        // Both sides monitor again, and receive a `Down` again.
        let again = [watchers[0].monitor(&worker)?, frozen_watcher.monitor(&local)?];
        cluster.at_rest()?;
        worker.exit(Exit::Normal)?;
        local.exit(Exit::Normal)?;
        again.iter().try_for_each(|monitor| monitor.expect_down(NORMAL).map(drop))?;
        cluster.progress().step();
    }
    cluster.figure_seconds("slowest_detection_seconds", slowest);
    Ok(())
}
