//! One node of a benchmark, driven by lines: `cargo xtask bench` starts two of them, and two nodes
//! of Erlang/OTP that are driven by the same lines.
//!
//! Without `--peer` the program is the watched node: it prints `ready`, and carries out the
//! requests in messages of the other node. With `--peer` it is the watching node: it prints `ready`
//! once it is connected, then reads verbs from standard input and answers each with one line of
//! numbers, or with `error` and a text. Times are in nanoseconds; `watcher.rs` lists what each verb
//! does and measures. Both programs end when their standard input ends.
//!
//! Options: `--name NAME` (required), `--peer NAME`, `--heartbeat default|fast|wan`,
//! `--low-latency`, `--bulk` for a separate channel for bulk messages, and `--tokio`, with which a
//! multi-threaded runtime of tokio runs the processes.

#![allow(clippy::print_stdout, reason = "standard output is what this program is for")]

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
    process::ExitCode,
};

use monitor_runtime::{Config, Node, NodeName, TokioRuntime};

mod calls;
mod tally;
mod watched;
mod watcher;

/// The result of most functions here. The error is a text for people.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

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
    let options = Options::read(env::args().skip(1))?;
    // Kept for as long as the program runs.
    let tokio = if options.tokio { Some(tokio::runtime::Runtime::new()?) } else { None };
    let config = match &tokio {
        Some(tokio) => options.config.runtime(TokioRuntime::new(tokio.handle().clone())),
        None => options.config,
    };
    let node = smol::block_on(Node::start(config))?;
    match options.peer {
        None => watched::start(&node)?,
        Some(peer) => return serve(watcher::Watcher::connect(node, peer)?),
    }
    say("ready")?;
    // The node runs on threads of its own.
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

/// Answers verbs until the end of standard input.
fn serve(mut watcher: watcher::Watcher) -> Result {
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        match watcher.obey(&words) {
            Ok(numbers) => say(&numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))?,
            Err(error) => say(&format!("error {error}"))?,
        }
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The command line.
struct Options {
    config: Config,
    peer: Option<NodeName>,
    /// Whether tokio runs the processes.
    tokio: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let (mut name, mut peer, mut heartbeat) = (None, None, "default".to_owned());
        let (mut low_latency, mut bulk, mut tokio) = (false, None, false);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--low-latency" => {
                    low_latency = true;
                    continue;
                }
                "--tokio" => {
                    tokio = true;
                    continue;
                }
                "--bulk" => {
                    bulk = Some(watcher::BULK);
                    continue;
                }
                _ => {}
            }
            let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--name" => name = Some(value),
                "--peer" => peer = Some(value.parse()?),
                "--heartbeat" => heartbeat = value,
                _ => Err(format!("{argument} is no option; the head of the program lists them"))?,
            }
        }
        let config = Config::new(name.ok_or("--name is missing")?);
        let config = config.channels(bulk).low_latency(low_latency);
        let config = match heartbeat.as_str() {
            "default" => config,
            "fast" => config.fast(),
            "wan" => config.wan(),
            other => Err(format!("--heartbeat: {other} is none of default, fast, wan"))?,
        };
        Ok(Options { config, peer, tokio })
    }
}
