//! `exit-reasons`

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{Cluster, process::Wanted, protocol::Exit};

/// The maximum length of a custom exit reason.
const LONGEST: usize = 64 * 1024;

/// Tasks and threads end in all possible ways, monitored from their own node and from another, by a
/// process and by a handle.
pub(super) fn exit_reasons(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let (near, far) = (b.watcher()?, a.watcher()?);
    let reasons = [
        Exit::Normal,
        Exit::Shutdown,
        Exit::Other("out of cheese".to_owned()),
        Exit::Other("é".repeat(LONGEST / 2)),
        Exit::Panicked("index 7 is out of range".to_owned()),
    ];
    cluster.progress().plan(2 * (reasons.len() + 1), "ways to end");
    for on_a_thread in [false, true] {
        let watched = || {
            let worker = if on_a_thread { b.spawn_thread()? } else { b.spawn()? };
            let monitors = [near.monitor(&worker)?, far.monitor(&worker)?, a.watch(worker.pid())?];
            cluster.at_rest()?;
            anyhow::Ok((worker, monitors))
        };
        for reason in &reasons {
            let (worker, monitors) = watched()?;
            worker.exit(reason.clone())?;
            for monitor in &monitors {
                monitor.expect_down(match reason {
                    // A guard detects that its thread unwinds, but cannot read the panic message.
                    Exit::Panicked(_) if on_a_thread => Wanted::Panicked,
                    reason => Wanted::Exit(reason.clone()),
                })?;
            }
            cluster.progress().step();
        }
        let (worker, monitors) = watched()?;
        ensure(worker.kill()?, || "kill reported a running process as ended".to_owned())?;
        for monitor in &monitors {
            monitor.expect_down(Wanted::Exit(Exit::Killed))?;
        }
        ensure(!worker.kill()?, || "kill reported an ended process as running".to_owned())?;
        cluster.progress().step();
    }
    Ok(())
}
