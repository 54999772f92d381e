//! `order`

use std::time::Instant;

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    process::NORMAL,
    protocol::{Exit, Output},
    transcript::LineContent,
};

/// A process sends thousands of messages and exits: its watcher sees node-up, every message in
/// order, the Down, and, after the node was killed, node-down. So does a watcher on the local node,
/// without node events.
pub(super) fn order(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let count = cluster.scaled(20_000, 2_000);
    let (far, near) = (a.watcher()?, b.watcher()?);
    let worker = b.spawn()?;
    let monitors = [far.monitor(&worker)?, near.monitor(&worker)?];
    cluster.at_rest()?;
    let start = Instant::now();
    for watcher in [&far, &near] {
        let last = worker.send(watcher.pid(), count)?;
        ensure(last == count as u64, || format!("{count} messages were to be sent, the last was {last}"))?;
    }
    worker.exit(Exit::Normal)?;
    for monitor in &monitors {
        monitor.expect_down(NORMAL)?;
    }
    cluster.figure_seconds("messages_seconds", start.elapsed());

    // The monitor of a process arrives before a message that was sent later: the process exits at
    // that message, so the monitor cannot miss the exit.
    let other = b.spawn()?;
    let first = far.monitor(&other)?;
    far.send(other.pid(), 1)?;
    other.expect_message(&far, 1)?;
    other.exit(Exit::Normal)?;
    first.expect_down(NORMAL)?;

    cluster.kill(&b);
    far.expect_node_down(&b, &["Closed"])?;
    let notices: Vec<_> = a
        .transcript()
        .entries()
        .iter()
        .filter_map(|entry| match &entry.content {
            LineContent::Output(Output::NodeUp { to, .. }) if to == far.pid() => Some("node-up"),
            LineContent::Output(Output::Message { to, from: Some(from), .. })
                if to == far.pid() && from == worker.pid() =>
            {
                Some("message")
            }
            LineContent::Output(Output::Down { to, .. }) if to == far.pid() => Some("down"),
            LineContent::Output(Output::NodeDown { to, .. }) if to == far.pid() => Some("node-down"),
            _ => None,
        })
        .collect();
    let mut wanted = vec!["node-up"];
    wanted.extend(std::iter::repeat_n("message", count));
    wanted.extend(["down", "down", "node-down"]);
    ensure(notices == wanted, || {
        format!("expected node-up, {count} messages, two Downs, node-down; came {}", squeeze(&notices))
    })
}

/// `a×3, b, a×2`
fn squeeze(words: &[&str]) -> String {
    let runs = words.chunk_by(|one, next| one == next);
    runs.map(|run| format!("{}×{}", run[0], run.len())).collect::<Vec<_>>().join(", ")
}
