//! `exit-reasons`

use crate::{
    cluster::{
        Cluster, ensure,
        node::Node,
        process::{Process, Wanted},
        protocol::Exit,
    },
    failure::Result,
};

/// The longest reason of one's own that a process may have.
const LONGEST: usize = 64 * 1024;

/// Tasks and threads end in every way there is, watched from their own node and from another, by a process and
/// by a handle.
pub(super) fn exit_reasons(cluster: &Cluster<'_>) -> Result {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let (near, far) = (b.watcher()?, a.watcher()?);
    let reasons = [
        Exit::Normal,
        Exit::Shutdown,
        Exit::Other("out of cheese".to_owned()),
        Exit::Other("é".repeat(LONGEST / 2)),
        Exit::Panicked("index 7 is out of range".to_owned()),
    ];
    let kinds: [(fn(&Node) -> Result<Process>, fn(&Exit) -> Wanted); 2] = [
        (Node::spawn, |reason| Wanted::Exit(reason.clone())),
        // A guard sees that its thread unwinds, but not with what words.
        (Node::spawn_thread, |reason| match reason {
            Exit::Panicked(_) => Wanted::Panicked,
            reason => Wanted::Exit(reason.clone()),
        }),
    ];
    cluster.progress().plan(kinds.len() * (reasons.len() + 1), "ways to end");
    for (spawn, wanted) in kinds {
        for reason in &reasons {
            let worker = spawn(&b)?;
            let monitors = [near.monitor(&worker)?, far.monitor(&worker)?, a.watch(worker.pid())?];
            worker.exit(reason.clone())?;
            for monitor in &monitors {
                monitor.expect_down(wanted(reason))?;
            }
            cluster.progress().step();
        }
        let worker = spawn(&b)?;
        let monitors = [near.monitor(&worker)?, far.monitor(&worker)?, a.watch(worker.pid())?];
        ensure(worker.kill()?, || "kill said that a living process was dead".to_owned())?;
        for monitor in &monitors {
            monitor.expect_down(Wanted::Exit(Exit::Killed))?;
        }
        ensure(!worker.kill()?, || "kill said that a dead process was alive".to_owned())?;
        cluster.progress().step();
    }
    Ok(())
}
