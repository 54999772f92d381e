//! `by-name` and `noproc`

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    process::{NORMAL, Wanted},
    protocol::{Command, CommandAnswer, Exit},
};

/// A name is resolved when the request arrives: what happens to the name later changes nothing, and
/// it is free again before any process can receive the Down of its holder.
pub(super) fn by_name(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let (near, far) = (b.watcher()?, a.watcher()?);
    let worker = b.spawn()?;
    worker.register("job")?;
    let by_name = [far.monitor_name("job", &b)?, near.monitor_name("job", &b)?];
    let by_pid = far.monitor(&worker)?;

    let rival = b.spawn()?;
    let taken = b.try_ask(Command::Register { process: rival.pid().to_owned(), name: "job".to_owned() })?;
    ensure(matches!(taken, CommandAnswer::Error(_)), || format!("a name was registered twice: {taken:?}"))?;

    // The name moves; the monitors stay with the process they were bound to.
    cluster.at_rest()?;
    b.flags(Command::Unregister { name: "job".to_owned() })?;
    rival.register("job")?;
    let of_rival = far.monitor_name("job", &b)?;
    cluster.at_rest()?;
    worker.exit(Exit::Other("moved".to_owned()))?;
    for monitor in by_name.iter().chain([&by_pid]) {
        monitor.expect_down(Wanted::Exit(Exit::Other("moved".to_owned())))?;
    }
    of_rival.expect_silence("the new holder of the name is running")?;

    rival.exit(Exit::Normal)?;
    of_rival.expect_down(NORMAL)?;
    ensure(b.whereis("job")?.is_none(), || {
        "the name of a process whose Down was seen is still taken".to_owned()
    })?;
    let heir = b.spawn()?;
    heir.register("job")?;
    ensure(b.whereis("job")?.as_deref() == Some(heir.pid()), || {
        "whereis does not find the holder".to_owned()
    })?;
    let last = far.monitor_name("job", &b)?;
    cluster.at_rest()?;
    heir.exit(Exit::Shutdown)?;
    last.expect_down(Wanted::Exit(Exit::Shutdown)).map(drop)
}

/// A process that has ended, a name that no process holds: here and on another node, by process and
/// by handle.
pub(super) fn noproc(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let (near, far) = (b.watcher()?, a.watcher()?);
    let dead = b.spawn()?;
    let seen = near.monitor(&dead)?;
    dead.exit(Exit::Normal)?;
    seen.expect_down(NORMAL)?;
    let nobody = format!("nobody@{}", b.name());
    for target in [dead.pid(), &nobody] {
        far.monitor_target(target)?.expect_down(Wanted::NoProc)?;
        near.monitor_target(target)?.expect_down(Wanted::NoProc)?;
        a.watch(target)?.expect_down(Wanted::NoProc)?;
        far.monitor_with(target, 77, true)?.expect_down(Wanted::NoProc)?;
    }
    // The nodes stay connected: the end of a process is no fault of its node.
    ensure(a.tables()?.sessions == 1, || "the session ended although only processes were missing".to_owned())
}
