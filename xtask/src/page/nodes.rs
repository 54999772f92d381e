//! The nodes that the page shows: programs of the command `obit`, as a user would start them.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout},
};

use anyhow::{Result, bail};
use harness::{
    children::{Children, Running},
    command::obit_command,
    conditions::{SOON, poll},
    ports::Ports,
};

/// The process name with which a peer tries to inject markup into the page.
pub(super) const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// The watching node, whose page the checks read, and the jobs that it watches.
pub(super) struct Nodes {
    children: Children,
    obit: PathBuf,
    ports: Ports,
    /// A job that stays, a job that will fail, a job that will be killed with its node, and the
    /// hostile job.
    pub(super) stays: Job,
    pub(super) fails: Job,
    pub(super) killed: Job,
    pub(super) hostile: Job,
    pub(super) watcher: Running,
    _streams: Streams,
    /// A node without peers, so that no peer gives it up when it is frozen.
    pub(super) lone: Running,
    _lone_streams: Streams,
}

/// The pipes that a program holds: it would end without them.
pub(super) type Streams = (ChildStdin, ChildStdout);

/// A job, which runs until its standard input is closed.
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) node: String,
    pub(super) running: Running,
    streams: Option<Streams>,
}

impl Job {
    /// Lets it end by itself.
    pub(super) fn finish(&mut self) {
        drop(self.streams.take());
    }

    fn target(&self) -> String {
        format!("{}@{}", self.name, self.node)
    }
}

/// The nodes' ports within the block; the last three serve pages.
const WATCHER: usize = 0;
const LONE: usize = 9;
const PAGE: usize = 10;
const PAGE_OF_JOB: usize = 11;
const PAGE_OF_LONE: usize = 12;

impl Nodes {
    pub(super) fn start(children: &Children, obit: &Path) -> Result<Self> {
        let ports = Ports::take()?;
        let job =
            |label: &str, at, name, script: &str| job(children, obit, &ports, (label, at), name, script);
        let stays = job("worker", 1, "importer", "cat >/dev/null")?;
        let fails = job("batch", 2, "nightly-report", "cat >/dev/null; exit 7")?;
        let killed = job("edge", 3, "uploader", "cat >/dev/null")?;
        let hostile = job("evil", 4, HOSTILE, "cat >/dev/null")?;
        let jobs = [&stays, &fails, &killed, &hostile].map(Job::target);
        let (watcher, _streams) = watch(children, obit, &ports, &jobs)?;
        let (lone, _lone_streams) = lone(children, obit, &ports)?;
        Ok(Nodes {
            children: children.clone(),
            obit: obit.to_owned(),
            ports,
            stays,
            fails,
            killed,
            hostile,
            watcher,
            _streams,
            lone,
            _lone_streams,
        })
    }

    /// The address of the watching node's page.
    pub(super) fn page(&self) -> String {
        url(&self.ports, PAGE)
    }

    /// The address of a watched node's page.
    pub(super) fn page_of_job(&self) -> String {
        url(&self.ports, PAGE_OF_JOB)
    }

    /// The address of the page of the node without peers.
    pub(super) fn page_of_lone(&self) -> String {
        url(&self.ports, PAGE_OF_LONE)
    }

    /// Starts a watcher with that many monitors on the job that stays, until the returned value is
    /// dropped.
    pub(super) fn crowd(&self, monitors: usize) -> Result<(Running, Streams)> {
        let mut command = obit_command(&self.obit);
        command.arg("watch").args(vec![self.stays.target(); monitors]);
        let (running, stdin, stdout) = self.children.start(&mut command, None)?;
        Ok((running, (stdin, stdout)))
    }

    pub(super) fn watcher_name(&self) -> String {
        node_name(&self.ports, "watcher", WATCHER)
    }

    /// Restarts the watching node after it was killed: it watches the remaining jobs.
    pub(super) fn restart_watcher(&mut self) -> Result<()> {
        (self.watcher, self._streams) =
            watch(&self.children, &self.obit, &self.ports, &[self.stays.target()])?;
        Ok(())
    }
}

fn url(ports: &Ports, at: usize) -> String {
    format!("http://127.0.0.1:{}/", ports.port(at))
}

fn node_name(ports: &Ports, label: &str, at: usize) -> String {
    format!("{label}@127.0.0.1:{}", ports.port(at))
}

fn job(
    children: &Children,
    obit: &Path,
    ports: &Ports,
    (label, at): (&str, usize),
    name: &'static str,
    script: &str,
) -> Result<Job> {
    let node = node_name(ports, label, at);
    let mut command = obit_command(obit);
    command.args(["run", "--node", &node, "--name", name]);
    if label == "worker" {
        command.args(["--http", &ports.port(PAGE_OF_JOB).to_string()]);
    }
    command.args(["--", "sh", "-c", script]);
    let (running, stdin, stdout) = children.start(&mut command, None)?;
    listens(ports.port(at))?;
    Ok(Job { name, node, running, streams: Some((stdin, stdout)) })
}

fn watch(children: &Children, obit: &Path, ports: &Ports, targets: &[String]) -> Result<(Running, Streams)> {
    let mut command = obit_command(obit);
    command.args([
        "watch",
        "--node",
        &node_name(ports, "watcher", WATCHER),
        "--hidden=false",
        "--wait",
        "60",
    ]);
    command.args(["--http", &ports.port(PAGE).to_string()]).args(targets);
    let (running, stdin, stdout) = children.start(&mut command, None)?;
    listens(ports.port(PAGE))?;
    Ok((running, (stdin, stdout)))
}

fn lone(children: &Children, obit: &Path, ports: &Ports) -> Result<(Running, Streams)> {
    let mut command = obit_command(obit);
    command.args(["agent", "--node", &node_name(ports, "lone", LONE)]);
    command.args(["--http", &ports.port(PAGE_OF_LONE).to_string()]);
    let (running, stdin, stdout) = children.start(&mut command, None)?;
    listens(ports.port(PAGE_OF_LONE))?;
    Ok((running, (stdin, stdout)))
}

fn listens(port: u16) -> Result<()> {
    let there = || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    match poll(SOON, there)? {
        Some(_) => Ok(()),
        None => bail!("no process listens on port {port}"),
    }
}
