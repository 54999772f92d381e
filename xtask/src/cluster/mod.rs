//! `cargo xtask test-cluster`: real processes, real TCP, real faults, and a verdict.
//!
//! The parts, from the outside in: [`runner`] runs the [`scenarios`] one after the other, each on a
//! [`Cluster`] of its own, and has the [`oracle`] check all transcripts; [`report`] prints the
//! results. A cluster is made of [`node`]s, which are [children](harness::children) of this
//! program, and each has a [`transcript`]. The nodes share 127.0.0.1, or each runs on a host of a
//! [network](harness::net) of their own, in which [`wires`] injects faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;
use harness::{
    build,
    children::Children,
    command::Program,
    conditions::{SOON, poll},
    net::{self, Network, namespace::Namespace},
    ports::Ports,
};
use serde_json::Value;

use self::{
    node::{Launch, Node},
    oracle::NodeRun,
    report::Progress,
    runner::Outcome,
};

pub(crate) mod heartbeat;
pub(crate) mod node;
mod oracle;
mod proc_stats;
pub(crate) mod process;
mod report;
mod runner;
mod scenarios;
pub(crate) mod transcript;
mod wires;

pub(crate) use node_protocol as protocol;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask test-cluster                          every scenario, with five nodes
  cargo xtask test-cluster --quick                  the same with fewer rounds
  cargo xtask test-cluster --scenario freeze --scenario churn --keep-logs
  cargo xtask test-cluster --seed 7 --json verdict.json
  cargo xtask test-cluster --json | jq .failed
  sudo -E cargo xtask test-cluster --netns          every node in a network namespace of its own, and faults of the network

Exit code: 0 if every scenario passed, 1 if one failed, 130 if interrupted.";

/// The options of `test-cluster`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Run only this scenario; may be given several times.
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenarios::names())]
    scenarios: Vec<String>,
    /// List the scenarios and what each shows, and run none.
    #[arg(long)]
    list: bool,
    /// Number of nodes of a cluster.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=26))]
    nodes: u64,
    /// Seed of everything random in the scenarios [default: a new one, which is printed].
    #[arg(long)]
    seed: Option<u64>,
    /// Run fewer rounds: for a check before each commit.
    #[arg(long)]
    quick: bool,
    /// Write the verdict as JSON: to the file, or without one to standard output, where nothing
    /// else is written then.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Give every node a network namespace of its own, and run the scenarios that pull cables, too:
    /// needs root, `ip`, `tc` and `nft`. Without those, the scenarios that need them are skipped.
    #[arg(long)]
    netns: bool,
    /// Keep the transcripts of scenarios that passed, too.
    #[arg(long)]
    keep_logs: bool,
    /// Build the nodes with optimizations.
    #[arg(long)]
    release: bool,
}

/// Returns the missing requirement for network namespaces; `None` if nothing is missing.
pub(crate) fn missing() -> Option<String> {
    net::available().err().map(|why| format!("{why:#}"))
}

/// Runs the selected scenarios, and prints the results.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        report::list(scenarios::ALL);
        return Ok(ExitCode::SUCCESS);
    }
    report::keep_stdout_for_json(options.json.as_deref() == Some(Path::new("-")));
    let children = Children::default();
    children.end_on_interrupt()?;
    let program = build::tool("test-node", options.release)?;
    let verdicts = runner::run(options, &children, &program)?;
    report::table(&verdicts);
    if let Some(file) = &options.json {
        report::json(&verdicts, file)?;
    }
    report::last_line(&verdicts);
    Ok(match children.interrupted() {
        true => ExitCode::from(130),
        false if verdicts.iter().all(|verdict| verdict.outcome != Outcome::Failed) => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The nodes of one scenario, and the faults that the scenario injected.
pub(crate) struct Cluster<'a> {
    children: &'a Children,
    ports: &'a Ports,
    /// Of its own, if there is one; else the nodes share 127.0.0.1.
    net: Option<Network>,
    /// The defaults for a node; its name and log are filled in.
    launch: Launch,
    logs: PathBuf,
    size: usize,
    quick: bool,
    seed: u64,
    progress: Progress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Every run of every node, in the order of their start.
    runs: Vec<Node>,
    /// The names of the nodes with a fault that can end sessions.
    hurt: BTreeSet<String>,
    figures: BTreeMap<String, Value>,
}

impl Cluster<'_> {
    /// The node with that label: one lower-case letter. It is started if it is not alive.
    pub(crate) fn node(&self, label: &str) -> Result<Node> {
        let name = self.name(label);
        let alive = self.state().runs.iter().find(|node| node.name() == name && node.is_alive()).cloned();
        match alive {
            Some(node) => Ok(node),
            None => self.node_with(label, |_| ()),
        }
    }

    /// A node that is started in another way than the others.
    pub(crate) fn node_with(&self, label: &str, change: impl FnOnce(&mut Launch)) -> Result<Node> {
        let mut launch = Launch { name: self.name(label), home: self.home(label)?, ..self.launch.clone() };
        change(&mut launch);
        self.start(launch)
    }

    /// As many nodes as were asked for on the command line.
    pub(crate) fn all(&self) -> Result<Vec<Node>> {
        self.labels().iter().map(|label| self.node(label)).collect()
    }

    /// The labels of [`Cluster::all`].
    pub(crate) fn labels(&self) -> Vec<String> {
        (b'a'..=b'z').take(self.size).map(|letter| char::from(letter).to_string()).collect()
    }

    /// The full name of the node with that label, whether or not it was ever started.
    pub(crate) fn name(&self, label: &str) -> String {
        format!("{label}@{}", self.address(label))
    }

    /// Returns the address on which the node with that label listens.
    pub(crate) fn address(&self, label: &str) -> SocketAddr {
        match self.net {
            Some(_) => net::node_address(index(label)),
            None => SocketAddr::from(([127, 0, 0, 1], self.ports.port(index(label)))),
        }
    }

    /// Returns the host on which the node with that label runs; `None` if the nodes share
    /// 127.0.0.1.
    pub(crate) fn home(&self, label: &str) -> Result<Option<Arc<Namespace>>> {
        let net = self.net.as_ref();
        net.map(|net| Ok(net.host(index(label))?.namespace().clone())).transpose()
    }

    /// Runs a closure in the network of a node with that label: its connections reach what that
    /// node could reach.
    pub(crate) fn at<T: Send>(&self, label: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
        match self.home(label)? {
            Some(home) => home.run(work),
            None => Ok(work()),
        }
    }

    fn start(&self, launch: Launch) -> Result<Node> {
        let run = self.state().runs.iter().filter(|node| node.name() == launch.name).count() + 1;
        let label = launch.name.split('@').next().unwrap_or_default();
        let log = self.logs.join(format!("{label}-{run}"));
        let node = Node::start(self.children, Launch { log, ..launch })?;
        self.state().runs.push(node.clone());
        Ok(node)
    }

    /// Starts a program of the command `obit` where a node with that label would run, with the
    /// secret of the cluster.
    pub(crate) fn program(&self, label: &str, mut command: std::process::Command) -> Result<Program> {
        command.env("OBIT_SECRET", &self.launch.secret);
        Program::start(self.children, command, self.home(label)?.as_deref())
    }

    // Faults of a node. Each is recorded: without a recorded fault, no session may end.

    /// SIGKILL.
    pub(crate) fn kill(&self, node: &Node) {
        self.hurt(node);
        node.kill();
    }

    /// The node leaves in good order; its program continues and still accepts commands.
    pub(crate) fn stop(&self, node: &Node) -> Result<()> {
        self.hurt(node);
        node.stop()
    }

    /// Starts the node again under the same name, on the same port; kills the old run if it is
    /// alive.
    pub(crate) fn restart(&self, node: &Node) -> Result<Node> {
        self.kill(node);
        self.start(node.launch().clone())
    }

    /// SIGSTOP; returns a moment when it still ran.
    pub(crate) fn freeze(&self, node: &Node) -> Result<Instant> {
        self.hurt(node);
        let before = Instant::now();
        node.freeze()?;
        node.await_frozen(SOON)?;
        Ok(before)
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self, node: &Node) -> Result<()> {
        node.thaw()
    }

    /// One node ends its session with the other.
    pub(crate) fn disconnect(&self, node: &Node, from: &Node) -> Result<()> {
        self.hurt(node);
        node.done(protocol::Command::Disconnect { node: from.name().to_owned() })
    }

    pub(crate) fn hurt(&self, node: &Node) {
        self.state().hurt.insert(node.name().to_owned());
    }

    /// Waits until the cluster is idle: the tables of every running node hold exactly the monitors
    /// that are active according to the transcripts, at both ends, and no notice is outstanding.
    ///
    /// After this, every monitor has reached the node of its target, so its `Down` reports the next
    /// end of the target.
    pub(crate) fn at_rest(&self) -> Result<()> {
        let mut differences = Vec::new();
        let rest = poll(SOON, || {
            let nodes = self.state().runs.clone();
            let mut tables = BTreeMap::new();
            for node in nodes.iter().filter(|node| node.is_alive()) {
                tables.insert(node.name().to_owned(), node.tables()?);
            }
            let runs: Vec<_> = nodes.iter().map(NodeRun::of).collect();
            differences = oracle::unsettled(&runs, &tables);
            Ok(differences.is_empty().then_some(()))
        })?;
        match rest {
            Some(()) => Ok(()),
            None => bail!("the cluster did not become idle within {SOON:?}: {}", differences.join("; ")),
        }
    }

    // Parameters and results of the scenario.

    /// A smaller number with `--quick`.
    pub(crate) fn scaled(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The seed of this run.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Shows the progress of the scenario.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A number worth keeping: it goes into the JSON report.
    pub(crate) fn figure(&self, name: &str, value: impl Into<Value>) {
        self.state().figures.insert(name.to_owned(), value.into());
    }

    /// How long something took, in seconds, to the millisecond.
    pub(crate) fn figure_seconds(&self, name: &str, took: Duration) {
        self.figure(name, took.as_millis() as f64 / 1000.0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of a label: one lower-case letter.
fn index(label: &str) -> usize {
    label.bytes().next().map_or(0, |letter| usize::from(letter.saturating_sub(b'a')))
}
