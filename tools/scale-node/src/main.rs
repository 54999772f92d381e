//! One of hundreds of nodes, controlled by lines: `cargo xtask scale` starts each as a process of
//! its own.
//!
//! It prints `ready` once it listens, then reads verbs from standard input and answers each by one
//! line: empty, or `error` and a text. It ends with its standard input.
//!
//! | verb | does | answers |
//! |---|---|---|
//! | `nodes N` | nothing | as soon as it is connected to exactly N nodes |
//! | `watch NAME ...` | monitors one process of each of these nodes, which connects to them if need be | at once |
//!
//! Options: `--name NAME` (required); `--peers FILE`, the nodes to stay connected to, one per line;
//! `--max-pending N`, the maximum number of concurrent handshakes; `--setup-timeout SECONDS`, the
//! maximum time of a handshake; `--heartbeat INTERVAL/TIMEOUT` in milliseconds. The defaults are
//! those of the library.

#![allow(clippy::print_stdout, reason = "standard output is what this program is for")]

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_runtime::{
    Config, Event, MonitorSet, Name, Node, NodeName, NodeSpec, NodesOptions, Process, RegName,
};

/// The result of most functions here. The error is a text for people.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The registered name of the process that other nodes monitor.
const MEMBER: &str = "member";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    let node = smol::block_on(Node::start(config(env::args().skip(1))?))?;
    let member = node.process()?;
    member.register(MEMBER)?;
    let counter = NodeCounter::count(&node)?;
    let mut monitors = node.monitor_set();
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let obeyed = match words.next() {
            Some("nodes") => counter.report_at(words.next()),
            Some("watch") => watch(&mut monitors, words),
            _ => Err("no such verb".into()),
        };
        if let Err(error) = obeyed {
            say(&format!("error {line}: {error}"))?;
        }
    }
    Ok(())
}

fn watch<'a>(monitors: &mut MonitorSet, nodes: impl Iterator<Item = &'a str>) -> Result {
    let name: RegName = MEMBER.parse()?;
    for node in nodes {
        monitors.monitor(Name { name: name.clone(), node: node.parse()? })?;
    }
    Ok(say("")?)
}

/// Counts the nodes that are up, and reports when a requested number is reached.
#[derive(Clone, Default)]
struct NodeCounter(Arc<Mutex<CounterState>>);

#[derive(Default)]
struct CounterState {
    up: usize,
    awaited: Option<usize>,
}

impl NodeCounter {
    /// Starts to count, in a process of the node.
    fn count(node: &Node) -> Result<Self> {
        let counter = NodeCounter::default();
        let counting = counter.clone();
        node.spawn(|mailbox| async move { Ok(counting.follow(mailbox).await?) })?;
        Ok(counter)
    }

    async fn follow(self, mut mailbox: Process) -> std::result::Result<(), monitor_runtime::MonitorError> {
        let up = mailbox.monitor_nodes(NodesOptions::new())?;
        self.change(|count| count.up = up.len());
        while let Some(event) = mailbox.recv().await {
            match event {
                Event::NodeUp(_) => self.change(|count| count.up += 1),
                Event::NodeDown(_) => self.change(|count| count.up -= 1),
                _ => {}
            }
        }
        Ok(())
    }

    fn report_at(&self, number: Option<&str>) -> Result {
        let number = number.ok_or("a number is missing")?.parse()?;
        self.change(|count| count.awaited = Some(number));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut CounterState)) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        if count.awaited == Some(count.up) {
            count.awaited = None;
            // This fails only if the parent is gone; then standard input ends, and this program
            // with it.
            let _ = say("");
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Parses the command line into a configuration.
fn config(mut arguments: impl Iterator<Item = String>) -> Result<Config> {
    let (mut name, mut peers, mut max_pending) = (None, Vec::new(), None);
    let (mut setup_timeout, mut heartbeat) = (None, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--name" => name = Some(value.parse::<NodeName>()?),
            "--peers" => peers = read_peers(&value)?,
            "--max-pending" => max_pending = Some(value.parse()?),
            "--setup-timeout" => setup_timeout = Some(Duration::from_secs(value.parse()?)),
            "--heartbeat" => heartbeat = Some(read_heartbeat(&value)?),
            _ => Err(format!("{argument} is no option; the head of the program lists them"))?,
        }
    }
    let config = Config::new(name.ok_or("--name is missing")?).peers(peers);
    let config = match max_pending {
        // All nodes on this machine may dial from one address.
        Some(most) => config.tcp(|tcp| tcp.max_pending(most).max_pending_per_address(most)),
        None => config,
    };
    let config = match setup_timeout {
        Some(timeout) => config.setup_timeout(timeout),
        None => config,
    };
    Ok(match heartbeat {
        Some((interval, timeout)) => config.heartbeat(interval, timeout),
        None => config,
    })
}

fn read_heartbeat(text: &str) -> Result<(Duration, Duration)> {
    let (interval, timeout) = text.split_once('/').ok_or(format!("{text}: not INTERVAL/TIMEOUT"))?;
    Ok((Duration::from_millis(interval.parse()?), Duration::from_millis(timeout.parse()?)))
}

fn read_peers(file: &str) -> Result<Vec<NodeSpec>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    text.lines().map(|line| line.parse().map_err(|error| format!("{file}: {line}: {error}").into())).collect()
}
