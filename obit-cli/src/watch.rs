//! `obit watch`: waits until processes have ended.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use clap::Args;
use monitor_runtime::{
    Down, DownReason, ExitReason, MonitorSet, Node, NodeSpec, ParseError, RegName, Target,
};

use crate::{
    config::{self, Role},
    cut::shown_reason,
    failure::{ExitCode, Result},
    limits::block_on,
    options::NodeOptions,
    output::{DownLine, note, say, say_json, write_apart},
    signals,
    supervisor::{Interrupt, Interrupts, StopPolicy, supervise},
    times,
};

mod watcher;

use watcher::Watcher;

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit watch job1@a@127.0.0.1:7001 && echo 'job1 is done'
  obit watch --secret-file cluster.key \\
      backup@a@10.0.0.7:7001 web@b@10.0.0.8:7001
  obit watch --wait 60 job1@a@10.0.0.7:7001        the process need not run yet
  obit watch --timeout 3600 job1@a@10.0.0.7:7001   no longer than an hour
  obit watch --any web@a@10.0.0.7:7001 web@b@10.0.0.8:7001
  obit watch --json --preset fast job1@a@rack7=10.0.0.7:7001

Exit code, once all have ended (of several the highest; with --any that of the first):
  0  all ended normally (status 0, or asked to stop)
  3  a process ended otherwise: another status, a signal, a panic
  4  a process did not exist: its node said so
  5  a process could not be reached: whether it still runs is unknown
  6  --timeout expired before all had ended
Before that: 1 if it cannot watch, 2 for a wrong command line, 128 + N if signal N ended it.";

/// The options of `obit watch`.
#[derive(Args)]
pub(crate) struct Options {
    /// The processes to watch: a registered name and its node, with the address of the node if its
    /// name has none; or the URI of a pid. The first `@` ends the registered name.
    #[arg(required = true, value_name = "NAME@NODE[=ADDRESS]")]
    targets: Vec<Watched>,
    /// Wait up to this many seconds for targets to appear, from 0 to 1000000000: until then neither
    /// a missing process nor an unreachable node counts as an end. Standard error shows the targets
    /// that are missing, and why.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = times::seconds)]
    wait: Duration,
    /// Watch for at most this many seconds, from 0 to 1000000000, and exit with 6 if not all have
    /// ended by then.
    #[arg(long, value_name = "SECONDS", value_parser = times::seconds)]
    timeout: Option<Duration>,
    /// Exit when the first process has ended, with the exit code for it.
    #[arg(long)]
    any: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeOptions,
}

/// A target, and its node with the addresses to try.
#[derive(Clone, Debug)]
struct Watched {
    target: Target,
    node: Option<NodeSpec>,
}

impl FromStr for Watched {
    type Err = ParseError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseError> {
        match text.split_once('@') {
            Some((name, node)) if !text.starts_with("partisan:") => {
                let name: RegName = name.parse()?;
                let node: NodeSpec = node.parse()?;
                Ok(Watched { target: name.at(node.name().clone()).into(), node: Some(node) })
            }
            _ => Ok(Watched { target: text.parse()?, node: None }),
        }
    }
}

/// Watches all targets until each has ended, and prints each end as it arrives.
pub(crate) fn run(options: Options) -> ! {
    let timeout = options.timeout.map(|timeout| (timeout, Verdict::NotYet.code()));
    let policy = StopPolicy { timeout, ..StopPolicy::with_grace(STOP_TIMEOUT) };
    supervise(policy, |interrupts| watch(options, &interrupts))
}

/// Maximum time for a stop. It is short, since no peer needs a watcher to close its sessions.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

fn watch(options: Options, interrupts: &Interrupts) -> Result {
    block_on(async {
        let prepared = config::prepare(options.node, Role::Visitor)?;
        let started = prepared.start().await?;
        let node = &started.node;
        let mut watcher = Watcher::new(monitor(node, &options.targets)?, options.wait);
        let mode = PrintMode { any: options.any, json: options.json };
        let printed = async { Ok(print_downs(&mut watcher, mode).await) };
        let interrupted = async { Err(interrupts.next().await) };
        let code = match smol::future::or(printed, interrupted).await {
            Ok(worst) => worst?.code(),
            Err(Interrupt::Signal(signal)) => signals::exit_code(signal),
            Err(Interrupt::TimeIsUp) => {
                note(&format!("the time is up: {} not known to have ended", watcher.left()));
                Verdict::NotYet.code()
            }
        };
        node.stop().await;
        Ok(code)
    })
}

fn monitor(node: &Node, targets: &[Watched]) -> Result<MonitorSet> {
    let mut set = node.monitor_set();
    for watched in targets {
        // A node whose name contains its address needs no other: the monitor itself dials it.
        if let Some(spec) = watched.node.as_ref().filter(|spec| !spec.addresses().is_empty()) {
            node.connect(spec)?;
        }
        set.monitor(watched.target.clone())?;
    }
    Ok(set)
}

/// The exit code for one end, or the worst of several; ordered from success to unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Well = 0,
    Otherwise = 3,
    NotThere = 4,
    NotKnown = 5,
    NotYet = 6,
}

/// When to stop printing, and in which format to print.
#[derive(Clone, Copy)]
struct PrintMode {
    any: bool,
    json: bool,
}

/// Prints every `Down` as it arrives; returns the worst verdict.
async fn print_downs(watcher: &mut Watcher, mode: PrintMode) -> Result<Verdict> {
    let began = Instant::now();
    let mut worst = Verdict::Well;
    loop {
        let Some(down) = watcher.next().await? else { return Ok(worst) };
        worst = worst.max(Verdict::of(&down.reason));
        let after = began.elapsed();
        write_apart(move || match mode.json {
            true => say_json(&DownLine::new(&down, after)),
            false => say(&Line(&down).to_string()),
        })
        .await?;
        if mode.any {
            return Ok(worst);
        }
    }
}

impl Verdict {
    const fn code(self) -> ExitCode {
        ExitCode(self as u8)
    }

    const fn of(reason: &DownReason) -> Self {
        match reason {
            DownReason::Exit(ExitReason::Normal | ExitReason::Shutdown) => Verdict::Well,
            DownReason::Exit(_) => Verdict::Otherwise,
            DownReason::NoProc => Verdict::NotThere,
            _ => Verdict::NotKnown,
        }
    }
}

/// A `Down` as a line of text, with only the beginning of a long reason.
struct Line<'a>(&'a Down);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Down { target, reason, reason_was_cut, .. } = self.0;
        let text = shown_reason(reason, *reason_was_cut);
        match reason {
            DownReason::NoConnection(_) => write!(f, "{target} cannot be reached: {text}"),
            DownReason::NoProc => write!(f, "{target} is not there: {text}"),
            _ => write!(f, "{target} is gone: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_was_cut_is_marked_in_a_line() {
        let target = "job1@a@local".parse().unwrap();
        let monitor = "partisan:ref:b@local:0000000000008c21:0.1".parse().unwrap();
        let mut down = Down::new(monitor, target, DownReason::Exit(ExitReason::panicked("oh")));
        assert_eq!(Line(&down).to_string(), "job1@a@local is gone: exit: panicked: oh");
        down.reason_was_cut = true;
        assert_eq!(Line(&down).to_string(), "job1@a@local is gone: exit: panicked: oh… (cut)");
    }
}
