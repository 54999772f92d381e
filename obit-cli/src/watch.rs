//! `obit watch`: waits until processes are gone.

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
    supervisor::{Interrupt, Interrupts, Manners, supervise},
    times,
};

mod watching;

use watching::Watching;

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit watch job1@a@127.0.0.1:7001 && echo 'job1 is done'
  obit watch --secret-file cluster.key \\
      backup@a@10.0.0.7:7001 web@b@10.0.0.8:7001
  obit watch --wait 60 job1@a@10.0.0.7:7001        it need not run yet
  obit watch --timeout 3600 job1@a@10.0.0.7:7001   no longer than an hour
  obit watch --any web@a@10.0.0.7:7001 web@b@10.0.0.8:7001
  obit watch --json --preset fast job1@a@rack7=10.0.0.7:7001

Exit code, once all are gone (of several ends the highest; with --any that of the first):
  0  all ended normally (status 0, or asked to stop)
  3  one ended otherwise: another status, a signal, a panic
  4  one was not there: no such process, said by its node
  5  one cannot be reached any more, or could not: nobody knows what has become of it
  6  the time of --timeout was up before all were gone
Before that: 1 if it cannot watch, 2 for a wrong command line, 128 + N if signal N ended it.";

/// What `watch` is given.
#[derive(Args)]
pub(crate) struct Options {
    /// Whom to watch: a registered name and its node, with an address to try if its name is none;
    /// or the URI of a pid. The first `@` splits: a registered name has none.
    #[arg(required = true, value_name = "NAME@NODE[=ADDRESS]")]
    targets: Vec<Watched>,
    /// Give whoever is not there yet so many seconds to appear, from 0 to 1000000000: until then
    /// neither a missing process nor a node that cannot be reached is an end. Whom it waits for,
    /// and why, is told on standard error.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = times::seconds)]
    wait: Duration,
    /// Watch for so many seconds at most, from 0 to 1000000000, and end with 6 if not all are gone
    /// by then.
    #[arg(long, value_name = "SECONDS", value_parser = times::seconds)]
    timeout: Option<Duration>,
    /// End with the first that is gone, and with its exit code.
    #[arg(long)]
    any: bool,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeOptions,
}

/// A target, and where its node may be reached.
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

/// Watches all targets until each has ended, and tells of each as it does.
pub(crate) fn run(options: Options) -> ! {
    let timeout = options.timeout.map(|timeout| (timeout, Verdict::NotYet.code()));
    let manners = Manners { timeout, ..Manners::with_grace(GOODBYE) };
    supervise(manners, |interrupts| watch(options, &interrupts))
}

/// How long it may take to leave when it is asked to end: nothing waits for its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

fn watch(options: Options, interrupts: &Interrupts) -> Result {
    block_on(async {
        let prepared = config::prepare(options.node, Role::Visitor)?;
        let started = prepared.start().await?;
        let node = &started.node;
        let mut watching = Watching::new(monitor(node, &options.targets)?, options.wait);
        let how = Telling { any: options.any, json: options.json };
        let told = async { Ok(tell(&mut watching, how).await) };
        let interrupted = async { Err(interrupts.next().await) };
        let code = match smol::future::or(told, interrupted).await {
            Ok(worst) => worst?.code(),
            Err(Interrupt::Signal(signal)) => signals::exit_code(signal),
            Err(Interrupt::TimeIsUp) => {
                note(&format!("the time is up: {} not known to be gone", watching.left()));
                Verdict::NotYet.code()
            }
        };
        node.stop().await;
        Ok(code)
    })
}

fn monitor(node: &Node, targets: &[Watched]) -> Result<MonitorSet> {
    let mut set = node.monitor_set()?;
    for watched in targets {
        // A name that leads there needs no address: the monitor alone dials it.
        if let Some(spec) = watched.node.as_ref().filter(|spec| !spec.addresses().is_empty()) {
            node.connect(spec)?;
        }
        set.add(watched.target.clone())?;
    }
    Ok(set)
}

/// What is left to be wished for, from nothing to everything: the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Well = 0,
    Otherwise = 3,
    NotThere = 4,
    NotKnown = 5,
    NotYet = 6,
}

/// When to stop, and how to print.
#[derive(Clone, Copy)]
struct Telling {
    any: bool,
    json: bool,
}

/// Prints every `Down` as it comes; returns the worst.
async fn tell(watching: &mut Watching, how: Telling) -> Result<Verdict> {
    let began = Instant::now();
    let mut worst = Verdict::Well;
    loop {
        let Some(down) = watching.next().await? else { return Ok(worst) };
        worst = worst.max(Verdict::of(&down.reason));
        let after = began.elapsed();
        write_apart(move || match how.json {
            true => say_json(&DownLine::new(&down, after)),
            false => say(&Line(&down).to_string()),
        })
        .await?;
        if how.any {
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

/// A `Down` for a person, with the beginning of a long reason.
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
        let monitor = "partisan:ref:b@local:8c21:0.1".parse().unwrap();
        let mut down = Down::new(monitor, target, DownReason::Exit(ExitReason::panicked("oh")));
        assert_eq!(Line(&down).to_string(), "job1@a@local is gone: exit: panicked: oh");
        down.reason_was_cut = true;
        assert_eq!(Line(&down).to_string(), "job1@a@local is gone: exit: panicked: oh… (cut)");
    }
}
