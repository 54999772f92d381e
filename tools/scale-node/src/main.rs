//! One node of hundreds, driven by lines: `cargo xtask scale` starts them, each as a process of its
//! own.
//!
//! It prints `ready` once it listens, then reads verbs from standard input and answers each by one
//! line: empty, or `error` and a text. It ends with its standard input.
//!
//! | verb | does | answers |
//! |---|---|---|
//! | `nodes N` | nothing | as soon as it is connected to exactly so many nodes |
//! | `watch NAME ...` | monitors one process of each of these nodes, which connects to them if need be | at once |
//!
//! Options: `--name NAME` (required); `--peers FILE`, the nodes to connect to at start and for
//! ever, one in a line; `--max-pending N`, for how many handshakes at once the node has room;
//! `--setup-timeout SECONDS`, how long one may take; `--heartbeat INTERVAL/TIMEOUT` in
//! milliseconds; without them as the library says.

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
    Config, Event, Mailbox, MonitorSet, Name, Node, NodeName, NodeSpec, NodesOptions, RegName,
};

/// What everything here fails with: a text for a person.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The name of the process that others monitor.
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
    member.register(MEMBER.parse()?)?;
    let neighbours = Neighbours::count(&node)?;
    let mut monitors = node.monitor_set()?;
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let obeyed = match words.next() {
            Some("nodes") => neighbours.tell_at(words.next()),
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
        monitors.add(Name { name: name.clone(), node: node.parse()? })?;
    }
    Ok(say("")?)
}

/// How many nodes are up, and at which number that is told.
#[derive(Clone, Default)]
struct Neighbours(Arc<Mutex<Count>>);

#[derive(Default)]
struct Count {
    up: usize,
    awaited: Option<usize>,
}

impl Neighbours {
    /// Counts from now on, in a process of the node.
    fn count(node: &Node) -> Result<Self> {
        let neighbours = Neighbours::default();
        let counting = neighbours.clone();
        node.spawn(|mailbox| async move { Ok(counting.follow(mailbox).await?) })?;
        Ok(neighbours)
    }

    async fn follow(self, mut mailbox: Mailbox) -> std::result::Result<(), monitor_runtime::MonitorError> {
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

    fn tell_at(&self, number: Option<&str>) -> Result {
        let number = number.ok_or("a number is missing")?.parse()?;
        self.change(|count| count.awaited = Some(number));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Count)) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        if count.awaited == Some(count.up) {
            count.awaited = None;
            // Nobody hears it only if whoever started this program is gone, and then it ends.
            let _ = say("");
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The configuration that the command line describes.
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
        // They may all come from one address: whatever is dialled from this machine does.
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
