//! `obit watch`: waits until processes are gone.

use std::{
    fmt,
    future::pending,
    pin::pin,
    process::ExitCode,
    str::FromStr,
    time::{Duration, Instant},
};

use clap::Args;
use futures::future::{Either, select};
use monitor_runtime::{
    Down, DownReason, ExitReason, MonitorSet, Node, NodeSpec, ParseError, RegName, Target,
};

use smol::Timer;

use crate::{
    config::{self, Role},
    failure::Result,
    options::NodeOptions,
    output::{DownLine, say, say_json},
    signals::{self, Incoming},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit watch job1@a@127.0.0.1:7001 && echo 'job1 is done'
  obit watch --secret-file cluster.key backup@a@10.0.0.7:7001 web@b@10.0.0.8:7001
  obit watch --wait 60 job1@a@10.0.0.7:7001             it need not run yet
  obit watch --json --preset fast job1@a@rack7=10.0.0.7:7001

Exit code, once all are gone (of several ends the highest):
  0  all ended normally (status 0, or asked to stop)
  3  one ended otherwise: another status, a signal, a panic
  4  one was not there: no such process, said by its node
  5  one cannot be reached any more, or could not: nobody knows what has become of it
Before that: 1 if it cannot watch, 2 for a wrong command line, 128 + N if signal N ended it.";

/// What `watch` is given.
#[derive(Args)]
pub(crate) struct Options {
    /// Whom to watch: a registered name and its node, with an address to try if its name is none; or the URI of a pid.
    /// The first `@` splits: a registered name has none.
    #[arg(required = true, value_name = "NAME@NODE[=ADDRESS]")]
    targets: Vec<Watched>,
    /// Give whoever is not there yet so many seconds to appear: until then neither a missing process nor a node that
    /// cannot be reached is an end.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
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
pub(crate) fn run(options: Options) -> Result {
    smol::block_on(async {
        let prepared = config::prepare(options.node, Role::Visitor)?;
        let mut signals = Incoming::ending()?;
        let started = prepared.start().await?;
        let node = &started.node;
        let set = monitor(node, &options.targets)?;
        let patience = Duration::from_secs(options.wait.into());
        let watching =
            pin!(tell(Watching { set, absent: Vec::new(), until: Instant::now() + patience }, options.json));
        let code = match select(watching, pin!(signals.next())).await {
            Either::Left((worst, _)) => ExitCode::from(worst? as u8),
            Either::Right((signal, _)) => signals::exit_code(signal?),
        };
        node.stop().await;
        Ok(code)
    })
}

fn monitor(node: &Node, targets: &[Watched]) -> Result<MonitorSet> {
    let mut set = node.monitor_set()?;
    for watched in targets {
        if let Some(spec) = &watched.node {
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
}

/// What is watched, and who is still waited for.
struct Watching {
    set: MonitorSet,
    /// Those that were not there, and are asked for again.
    absent: Vec<Target>,
    until: Instant,
}

/// How long it takes until who is absent is asked for again.
const PAUSE: Duration = Duration::from_millis(250);

impl Watching {
    /// The next end; none once all have ended.
    async fn next(&mut self) -> Result<Option<Down>> {
        while !(self.set.is_empty() && self.absent.is_empty()) {
            match self.down_or_pause().await {
                Some(down) if self.may_still_appear(&down) => self.absent.push(down.target),
                Some(down) => return Ok(Some(down)),
                None => {
                    for target in self.absent.drain(..) {
                        self.set.add(target)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// What was told; or nothing, when it is time to ask again for those that are absent.
    async fn down_or_pause(&mut self) -> Option<Down> {
        let Watching { set, absent, .. } = self;
        let down = async { if set.is_empty() { pending().await } else { set.next().await } };
        let pause = async {
            if absent.is_empty() {
                pending::<()>().await;
            }
            Timer::after(PAUSE).await;
            None
        };
        smol::future::or(down, pause).await
    }

    fn may_still_appear(&self, down: &Down) -> bool {
        let absent = match &down.reason {
            DownReason::NoProc => true,
            DownReason::NoConnection(end) => !end.kind.was_session(),
            _ => false,
        };
        absent && Instant::now() < self.until
    }
}

/// Prints every `Down` as it comes; returns the worst.
async fn tell(mut watching: Watching, json: bool) -> Result<Verdict> {
    let mut worst = Verdict::Well;
    while let Some(down) = watching.next().await? {
        worst = worst.max(Verdict::of(&down.reason));
        if json { say_json(&DownLine::new(&down))? } else { say(&Line(&down).to_string())? }
    }
    Ok(worst)
}

impl Verdict {
    const fn of(reason: &DownReason) -> Self {
        match reason {
            DownReason::Exit(ExitReason::Normal | ExitReason::Shutdown) => Verdict::Well,
            DownReason::Exit(_) => Verdict::Otherwise,
            DownReason::NoProc => Verdict::NotThere,
            _ => Verdict::NotKnown,
        }
    }
}

/// A `Down` for people.
struct Line<'a>(&'a Down);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Down { target, reason, .. } = self.0;
        match reason {
            DownReason::NoConnection(_) => write!(f, "{target} cannot be reached: {reason}"),
            _ => write!(f, "{target} is gone: {reason}"),
        }
    }
}
