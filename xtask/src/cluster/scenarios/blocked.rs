//! `blocked-process`

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cluster::{Cluster, heartbeat::Heartbeat, process::NORMAL, protocol::Exit};

/// Number of processes that may block without a delay for others.
const BLOCKED: usize = 64;

/// Many processes of a node block their thread for far longer than a peer may be silent. The node
/// is not given up, other processes of it end and are reported, and the blocked ones end as usual
/// afterwards.
pub(super) fn blocked_process(cluster: &Cluster<'_>) -> Result<()> {
    let brisk = |label| cluster.node_with(label, |launch| launch.heartbeat = Heartbeat::BRISK);
    let (a, b) = (brisk("a")?, brisk("b")?);
    let watcher = a.watcher()?;
    let blocked = b.spawn_many(BLOCKED)?;
    let monitors = blocked.iter().map(|process| watcher.monitor(process)).collect::<Result<Vec<_>>>()?;
    cluster.at_rest()?;

    let time = Duration::from_secs(cluster.scaled(10, 5) as u64);
    blocked.iter().try_for_each(|process| process.block(time))?;
    let end = Instant::now() + time;
    let mut others = 0;
    while Instant::now() < end {
        let worker = b.spawn()?;
        let monitor = watcher.monitor(&worker)?;
        cluster.at_rest()?;
        worker.exit(Exit::Normal)?;
        monitor.expect_down(NORMAL)?;
        others += 1;
    }
    cluster.figure("ends_beside_blocked_processes", others);
    blocked.iter().try_for_each(|process| process.exit(Exit::Normal))?;
    monitors.iter().try_for_each(|monitor| monitor.expect_down(NORMAL).map(drop))?;
    cluster.at_rest()
}
