//! `wrapper`

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use anyhow::{Context, Result, bail};
use harness::{
    build,
    children::{Children, Running},
    conditions::{SOON, ensure},
};

use crate::cluster::Cluster;

/// Runs `obit run` in the usual places of wrappers, and ends it in the usual ways. Each time the
/// watchers receive the fate of its command, and the command ends or continues, according to the
/// options.
pub(super) fn wrapper(cluster: &Cluster<'_>) -> Result<()> {
    let stage = Stage { children: cluster.children, obit: build::obit(false)?, port: cluster.ports.port(0) };
    let stories: [fn(&Stage<'_>) -> Result<()>; 5] =
        [killed_alone, killed_with_its_command, stopped_with_a_group, process_1, ignored_children];
    cluster.progress().plan(stories.len(), "stories");
    for story in stories {
        story(&stage)?;
        cluster.progress().step();
    }
    Ok(())
}

/// SIGKILL to the wrapper alone: its command continues, and no notice claims that it ended.
fn killed_alone(stage: &Stage<'_>) -> Result<()> {
    let mut job = stage.run(&[], &[], "cat")?;
    let watch = stage.watch()?;
    job.running.kill();
    watch.expect("job", "cannot be reached: no connection: ")?;
    job.write("still there")?;
    job.lines.expect("still there")
}

/// The same with `--die-with-obit`: the command is gone too.
fn killed_with_its_command(stage: &Stage<'_>) -> Result<()> {
    let job = stage.run(&[], &["--die-with-obit"], "exec cat")?;
    let watch = stage.watch()?;
    job.running.kill();
    watch.expect("job", "cannot be reached: no connection: ")?;
    job.lines.expect_end()
}

/// SIGTERM to a wrapper with `--group`: no process of the group is left, and watchers receive an
/// orderly stop.
fn stopped_with_a_group(stage: &Stage<'_>) -> Result<()> {
    let job = stage.run(&[], &["--group"], "sleep 1000 & wait")?;
    let watch = stage.watch()?;
    job.running.terminate()?;
    watch.expect("job", "is gone: exit: shutdown")?;
    // The process in the background held it open, too.
    job.lines.expect_end()
}

/// As process 1 it reaps a process whose parent has ended, and keeps the status of its own command.
fn process_1(stage: &Stage<'_>) -> Result<()> {
    const UNSHARE: [&str; 7] =
        ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new(UNSHARE[0]).args(&UNSHARE[1..]).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        // This part of the scenario cannot run here, for example in a container without these
        // permissions.
        return Ok(());
    }
    let script = "read line; orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!'); \
        for turn in $(seq 500); do [ -e /proc/$orphan ] || exit 7; sleep 0.02; done; exit 1";
    let mut job = stage.run(&UNSHARE, &[], script)?;
    let watch = stage.watch()?;
    job.write("go")?;
    watch.expect("job", "is gone: exit: status 7")
}

/// A parent that ignores SIGCHLD hides no status.
fn ignored_children(stage: &Stage<'_>) -> Result<()> {
    let mut job = stage.run(&["env", "--ignore-signal=CHLD"], &[], "read line; exit 7")?;
    let watch = stage.watch()?;
    job.write("go")?;
    watch.expect("job", "is gone: exit: status 7")
}

struct Stage<'a> {
    children: &'a Children,
    obit: PathBuf,
    port: u16,
}

struct Job {
    running: Running,
    stdin: ChildStdin,
    lines: Lines,
}

struct Watch<'a> {
    stage: &'a Stage<'a>,
    lines: Lines,
    _running: Running,
    _stdin: ChildStdin,
}

impl Stage<'_> {
    fn node(&self) -> String {
        format!("w@127.0.0.1:{}", self.port)
    }

    /// Starts a wrapper by way of another program, if one is named; returns once its command runs.
    fn run(&self, by: &[&str], options: &[&str], script: &str) -> Result<Job> {
        let obit = self.obit.to_string_lossy();
        let script = format!("echo ready; {script}");
        let node = self.node();
        let own = [&*obit, "run", "--node", &node, "--name", "job"];
        let (running, stdin, stdout) =
            self.start(by.iter().chain(&own).chain(options).chain(&["--", "sh", "-c", &script]))?;
        let lines = Lines::of(stdout);
        lines.expect("ready")?;
        Ok(Job { running, stdin, lines })
    }

    /// Watches the command; returns once the monitor has arrived.
    fn watch(&self) -> Result<Watch<'_>> {
        let (obit, node) = (self.obit.to_string_lossy(), self.node());
        let targets = ["job", "nobody"].map(|name| format!("{name}@{node}"));
        let (_running, _stdin, stdout) = self.start(&[&*obit, "watch", &targets[0], &targets[1]])?;
        let watch = Watch { stage: self, lines: Lines::of(stdout), _running, _stdin };
        // Monitors of one watcher arrive in order.
        watch.expect("nobody", "is not there: ")?;
        Ok(watch)
    }

    fn start<'a>(
        &self,
        words: impl IntoIterator<Item = &'a &'a str>,
    ) -> Result<(Running, ChildStdin, ChildStdout)> {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().map_or(Path::new(""), |word| Path::new(word)));
        for variable in std::env::vars_os().map(|(variable, _)| variable) {
            if variable.to_string_lossy().starts_with("OBIT_") {
                command.env_remove(variable);
            }
        }
        command.args(words).env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        self.children.start(&mut command, None)
    }
}

impl Job {
    fn write(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").context("the command reads nothing")
    }
}

impl Watch<'_> {
    /// Waits for the next line, which must report this event of that process.
    fn expect(&self, process: &str, what: &str) -> Result<()> {
        self.lines.expect(&format!("{process}@{} {what}", self.stage.node()))
    }
}

/// The lines that a program writes.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stdout: ChildStdout) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(lines)
    }

    /// Waits for the next line, which must begin like this.
    fn expect(&self, beginning: &str) -> Result<()> {
        match self.0.recv_timeout(SOON) {
            Ok(line) => {
                ensure(line.starts_with(beginning), || format!("expected «{beginning}…», not «{line}»"))
            }
            Err(error) => bail!("expected «{beginning}…»: {error}"),
        }
    }

    /// Waits until nothing can write another line.
    fn expect_end(&self) -> Result<()> {
        match self.0.recv_timeout(SOON) {
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("a process that should have ended keeps its output open")
            }
            Ok(line) => bail!("expected an end, not «{line}»"),
        }
    }
}
