//! `mixed-heartbeats`

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::cluster::{Cluster, heartbeat::Heartbeat, process::Process};

/// One node pings every 100 ms and allows for 500 ms of silence, the other pings every 2.5 s. A
/// constant stream of messages goes from the one to the other, for many times those 500 ms, and
/// then back. Neither node reports the other as silent.
pub(super) fn mixed_heartbeats(cluster: &Cluster<'_>) -> Result<()> {
    let start = |label, heartbeat| cluster.node_with(label, |launch| launch.heartbeat = heartbeat);
    let (fast, wan) = (start("a", Heartbeat::FAST)?, start("b", Heartbeat::WAN)?);
    fast.meet(&wan)?;
    let (at_fast, at_wan) = (fast.watcher()?, wan.watcher()?);
    let monitors = [at_fast.monitor(&at_wan)?, at_wan.monitor(&at_fast)?];
    cluster.at_rest()?;
    let lasting = Heartbeat::FAST.timeout.mul_f64(cluster.scaled(12, 6) as f64);
    let mut messages = stream(&at_fast, &at_wan, lasting)?;
    messages += stream(&at_wan, &at_fast, lasting)?;
    cluster.figure("messages", messages);
    monitors.iter().try_for_each(|monitor| monitor.expect_silence("both nodes were there all the time"))
}

/// Sends messages all the time, and returns how many when all of them have arrived.
fn stream(from: &Process, to: &Process, lasting: Duration) -> Result<u64> {
    const PAUSE: Duration = Duration::from_millis(10);
    let (began, mut last) = (Instant::now(), 0);
    while began.elapsed() < lasting {
        last = from.send(to.pid(), 10)?;
        thread::sleep(PAUSE);
    }
    to.expect_message(from, last)?;
    Ok(last)
}
