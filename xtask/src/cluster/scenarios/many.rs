//! `many`

use std::time::Instant;

use anyhow::Result;

use crate::cluster::{
    Cluster,
    process::{NORMAL, Wanted, expect_downs},
    protocol::{Command, Exit},
};

/// One node watches thousands of processes on all others: through a mailbox, through handles, and
/// in a set. The processes of one node exit, those of another are lost with their node, and every
/// monitor has exactly one Down.
pub(super) fn many(cluster: &Cluster<'_>) -> Result<()> {
    let total = cluster.scaled(10_000, 1_000);
    let nodes = cluster.all()?;
    let (a, others) = nodes.split_first().expect("a cluster has at least three nodes");
    let doomed = others.last().expect("a cluster has at least three nodes");
    let watcher = a.watcher()?;
    cluster.progress().plan(total, "Downs");

    let start = Instant::now();
    let mut exiting = Vec::new();
    let mut monitors = Vec::new();
    for (i, node) in others.iter().enumerate() {
        // The first nodes take the remainder.
        let share = total / others.len() + usize::from(i < total % others.len());
        let workers = node.spawn_many(share)?;
        let pids: Vec<_> = workers.iter().map(|worker| worker.pid().to_owned()).collect();
        let (mailbox, rest) = pids.split_at(share / 3);
        let (handles, set) = rest.split_at(share / 3);
        let mut made = watcher.monitor_many(mailbox)?;
        made.extend(a.watch_many(handles, false)?);
        made.extend(a.watch_many(set, true)?);
        let wanted = if std::ptr::eq(node, doomed) {
            Wanted::NoConnection(&["Closed"])
        } else {
            exiting.push((node, pids));
            NORMAL
        };
        monitors.extend(made.into_iter().map(|monitor| (monitor, wanted.clone())));
    }
    for node in others {
        watcher.expect_node_up(node)?;
    }
    // A process must not exit before its monitors have arrived.
    cluster.at_rest()?;
    cluster.figure_seconds("monitors_made_seconds", start.elapsed());

    let start = Instant::now();
    for (node, processes) in exiting {
        node.done(Command::Exit { processes, how: Exit::Normal })?;
    }
    cluster.kill(doomed);
    expect_downs(a, &monitors, || cluster.progress().step())?;
    cluster.figure_seconds("downs_seconds", start.elapsed());
    cluster.figure("monitors", total);
    Ok(())
}
