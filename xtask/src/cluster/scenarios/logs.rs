//! `blocked-log`, `dead-log-reader` and `plain-subscriber`

use std::{io::PipeReader, path::Path};

use anyhow::Result;
use harness::{
    build,
    command::{LogReader, Program, obit_command},
    conditions::ensure,
};

use super::strangers::knock;
use crate::cluster::{
    Cluster,
    process::{NORMAL, Wanted},
    protocol::Exit,
};

/// The standard error of `obit run` is a full pipe that is not read. Its node stays alive for the
/// watchers of the command, and it ends with the command, and on SIGTERM.
pub(super) fn blocked_log(cluster: &Cluster<'_>) -> Result<()> {
    jobs_are_watched(cluster, LogReader::Blocked)
}

/// The reader of the log of `obit run` has exited: every write fails.
pub(super) fn dead_log_reader(cluster: &Cluster<'_>) -> Result<()> {
    jobs_are_watched(cluster, LogReader::Gone)
}

/// A program that logs with a plain `tracing_subscriber::fmt`, which writes where it logs and
/// panics if that fails, has lost the reader of its log. Its monitors end all the same, and with
/// true reasons; so do those on it.
pub(super) fn plain_subscriber(cluster: &Cluster<'_>) -> Result<()> {
    let a = cluster.node_with("a", |launch| launch.log_reader = Some(LogReader::Leaving))?;
    a.end_log_reader();
    let b = cluster.node("b")?;
    let (here, there) = (a.spawn()?, b.spawn()?);
    let first = here.monitor(&there)?;
    let of_here = there.monitor(&here)?;
    cluster.at_rest()?;
    there.exit(Exit::Normal)?;
    first.expect_down(NORMAL)?;
    of_here.expect_silence("its watcher has ended")?;
    let there = b.spawn()?;
    let second = here.monitor(&there)?;
    cluster.at_rest()?;
    cluster.kill(&b);
    second.expect_down(Wanted::NoConnection(&["Closed"]))?;
    a.watch(there.pid())?.expect_down(Wanted::NoConnection(&["Refused"]))?;
    Ok(())
}

/// The default level, at which an unauthenticated peer causes warnings, and the most verbose level.
const LEVELS: [&str; 2] = ["warn", "trace"];

fn jobs_are_watched(cluster: &Cluster<'_>, reader: LogReader) -> Result<()> {
    let obit = build::obit(false)?;
    cluster.progress().plan(2 * LEVELS.len(), "jobs");
    for level in LEVELS {
        for by_signal in [false, true] {
            let mut job = Job::start(cluster, &obit, reader, level)?;
            job.provoke(cluster)?;
            // Made after the log is blocked.
            let mut watch = job.watch(cluster, &obit)?;
            job.provoke(cluster)?;
            if by_signal {
                job.program.running.terminate()?;
            } else {
                job.program.close_input();
            }
            let line = watch.line()?;
            // Other scenarios check the reason of a command that ends on a signal.
            let is_true = if by_signal { r#""reason":"exit""# } else { r#""exit":"normal""# };
            ensure(line.contains(is_true), || {
                format!("{reader:?}, {level}: expected {is_true}, got {line}")
            })?;
            watch.end()?;
            let status = job.program.end()?;
            ensure(by_signal || status.success(), || {
                format!("{reader:?}, {level}: obit ended with {status}")
            })?;
            cluster.progress().step();
        }
    }
    Ok(())
}

/// An `obit run` whose command ends with its standard input.
struct Job {
    program: Program,
    _reader: Option<PipeReader>,
}

impl Job {
    fn start(cluster: &Cluster<'_>, obit: &Path, reader: LogReader, level: &str) -> Result<Self> {
        let mut command = obit_command(obit);
        let (log, _reader) = reader.pipe()?;
        command.args(["run", "--node", &cluster.name("b"), "--preset", "fast", "--log", level]);
        command.args(["--name", "job", "--", "sh", "-c", "echo started; exec cat"]).stderr(log);
        let mut program = cluster.program("b", command)?;
        // The command starts once the node listens.
        program.line()?;
        Ok(Job { program, _reader })
    }

    /// Has unauthenticated peers send input that the node logs. Each waits until the node closes
    /// the connection, which it does as long as it is alive.
    fn provoke(&self, cluster: &Cluster<'_>) -> Result<()> {
        let knock = || knock(cluster.address("b"), b"GET / HTTP/1.1\r\n\r\n");
        cluster.at("c", || (0..5).try_for_each(|_| knock()))?
    }

    /// Watches the command. When this returns, the monitor is there.
    fn watch(&self, cluster: &Cluster<'_>, obit: &Path) -> Result<Program> {
        let mut command = obit_command(obit);
        let target = |name: &str| format!("{name}@{}", cluster.name("b"));
        command.args(["watch", "--json", "--preset", "fast", &target("job"), &target("nobody")]);
        let mut watch = cluster.program("c", command)?;
        // Two monitors arrive in order: the answer to the second says that the first is there.
        let line = watch.line()?;
        ensure(line.contains(r#""reason":"noproc""#), || {
            format!("expected `noproc` for the missing name, got {line}")
        })?;
        Ok(watch)
    }
}
