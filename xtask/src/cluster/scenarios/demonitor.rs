//! `demonitor`

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    process::{Demonitor, NORMAL, Process},
    protocol::Exit,
};

const PLAIN: Demonitor = Demonitor { flush: false, info: false };
const FLUSH: Demonitor = Demonitor { flush: true, info: false };
const INFO: Demonitor = Demonitor { flush: false, info: true };
const FLUSH_INFO: Demonitor = Demonitor { flush: true, info: true };

/// Runs the same steps for a target on another node and for one on the local node.
pub(super) fn demonitor(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    cluster.progress().plan(2 * 4, "stories");
    for target_node in [&b, &a] {
        let watcher = a.watcher()?;
        let worker = || target_node.spawn();
        before_it_fires(cluster, &watcher, &worker()?)?;
        cluster.progress().step();
        after_it_fired(cluster, &watcher, &worker)?;
        cluster.progress().step();
        anothers(cluster, &watcher, &a.spawn()?, &worker()?)?;
        cluster.progress().step();
        handles(cluster, &watcher, &worker()?, &worker()?)?;
        cluster.progress().step();
    }
    Ok(())
}

/// A `Down` never arrives for an active monitor that was removed in any way, but for another
/// monitor of the same watcher on the same process.
fn before_it_fires(cluster: &Cluster<'_>, watcher: &Process, worker: &Process) -> Result<()> {
    let mut ended = Vec::new();
    for how in [PLAIN, FLUSH, INFO, FLUSH_INFO] {
        let monitor = watcher.monitor(worker)?;
        ensure(watcher.demonitor(&monitor, how)?, || format!("{how:?} of an active monitor gave false"))?;
        let again = watcher.demonitor(&monitor, how)?;
        ensure(again != how.info, || format!("{how:?} a second time gave {again}"))?;
        ended.push(monitor);
    }
    let kept = watcher.monitor(worker)?;
    cluster.at_rest()?;
    worker.exit(Exit::Normal)?;
    kept.expect_down(NORMAL)?;
    watcher.drain()?;
    ended.iter().try_for_each(|monitor| monitor.expect_silence("it was ended before it fired"))
}

/// The watcher receives nothing while four monitors fire. Without a flush the `Down` stays in the
/// mailbox, with a flush it is removed.
fn after_it_fired(
    cluster: &Cluster<'_>,
    watcher: &Process,
    worker: &dyn Fn() -> Result<Process>,
) -> Result<()> {
    let workers = [worker()?, worker()?, worker()?, worker()?];
    watcher.pause()?;
    let monitors: Vec<_> = workers.iter().map(|worker| watcher.monitor(worker)).collect::<Result<_>>()?;
    cluster.at_rest()?;
    workers.iter().try_for_each(|worker| worker.exit(Exit::Normal))?;
    watcher.node().await_tables("four Downs in the mailbox", |tables| tables.fired == 4)?;

    for (monitor, how) in monitors.iter().zip([PLAIN, INFO, FLUSH, FLUSH_INFO]) {
        let got = watcher.demonitor(monitor, how)?;
        ensure(got != how.info, || format!("{how:?} of a monitor that had fired gave {got}"))?;
    }
    watcher.node().await_tables("two Downs left in the mailbox", |tables| tables.fired == 2)?;
    watcher.resume()?;
    monitors[0].expect_down(NORMAL)?;
    monitors[1].expect_down(NORMAL)?;
    watcher.drain()?;
    monitors[2..].iter().try_for_each(|monitor| monitor.expect_silence("its Down was flushed"))
}

/// A process cannot end a monitor of another process.
fn anothers(cluster: &Cluster<'_>, watcher: &Process, meddler: &Process, worker: &Process) -> Result<()> {
    let monitor = watcher.monitor(worker)?;
    ensure(meddler.demonitor(&monitor, FLUSH)?, || "demonitor without info gave false".to_owned())?;
    ensure(!meddler.demonitor(&monitor, FLUSH_INFO)?, || {
        "another's monitor was reported as active".to_owned()
    })?;
    cluster.at_rest()?;
    worker.exit(Exit::Normal)?;
    monitor.expect_down(NORMAL).map(drop)
}

/// Dropping a handle ends its monitor on both sides, and so does demonitoring it.
fn handles(cluster: &Cluster<'_>, watcher: &Process, worker: &Process, other: &Process) -> Result<()> {
    let here = watcher.node();
    let dropped = here.watch(worker.pid())?;
    let ended = here.watch(worker.pid())?;
    let set = here.watch_many(&[worker.pid()], true)?;
    let sure = watcher.monitor(worker)?;
    here.drop_handle(&dropped)?;
    ensure(here.demonitor_handle(&ended)?, || "an active handle was reported as ended".to_owned())?;
    ensure(here.demonitor_handle(&set[0])?, || "an active member of a set was reported as ended".to_owned())?;
    // In an idle cluster, the other side has removed them, too.
    cluster.at_rest()?;
    worker.exit(Exit::Normal)?;
    sure.expect_down(NORMAL)?;
    for silent in [&dropped, &ended, &set[0]] {
        silent.expect_silence("its handle was ended")?;
    }
    let late = here.watch(other.pid())?;
    cluster.at_rest()?;
    other.exit(Exit::Normal)?;
    late.expect_down(NORMAL)?;
    ensure(!here.demonitor_handle(&late)?, || "a handle that had fired was reported as active".to_owned())
}
