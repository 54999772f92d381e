//! `obit why`: what a node that runs has told its watchers, and on what evidence.

use std::time::Duration;

use clap::Args;
use monitor_runtime::{
    MonitorRef, Target,
    control::{PastDownLine, Request, Response},
};

use crate::{
    ask::{Asking, other_answer},
    cut::shown_reason,
    failure::{ExitCode, Failure, Result},
    output::{note, say, say_json},
    times::span,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit why                                 the last 20 that were told
  obit why job1@a@10.0.0.7:7001            what was told of this process
  obit why --last 1 job1@a@10.0.0.7:7001   the last of it
  obit why partisan:ref:b@host:8c21:0.1    what this monitor told

It asks the node of the *watcher*, which has to run still: one that has ended, as `obit watch` does once all are gone, has \
taken with it what it knew. The reference of a monitor is in the lines of `obit watch --json`; docs/CLI.md has the fields \
of --json.

Exit code: 0; 1 if nothing was told of it, or if no node answers; 2 if it is neither a monitor nor a target.";

/// What `why` is given.
#[derive(Args)]
pub(crate) struct Options {
    /// A monitor, or what was monitored; by default whatever was told last.
    #[arg(value_name = "REF|TARGET", value_parser = monitor_or_target)]
    of: Option<String>,
    /// How many to show at most, any number from 0, the newest first; by default 20, or all of what
    /// is named. A node keeps 4,096.
    #[arg(long, value_name = "NUMBER")]
    last: Option<usize>,
    #[command(flatten)]
    asking: Asking,
}

/// How many are shown if nothing is named.
const LAST: usize = 20;

pub(crate) fn run(options: &Options) -> Result {
    let Response::Downs(mut downs) = options.asking.ask(&Request::Downs(options.of.clone()))? else {
        return Err(other_answer());
    };
    match &options.of {
        Some(of) if downs.is_empty() => {
            return Err(Failure::new(format!(
                "this node has told nothing of {of}, or more than 4,096 others since: ask the node of the watcher, while it runs; \
                 `obit why` without a name shows the last ones"
            )));
        }
        Some(_) => downs.truncate(options.last.unwrap_or(usize::MAX)),
        None => downs.truncate(options.last.unwrap_or(LAST)),
    }
    if options.asking.json {
        downs.iter().try_for_each(say_json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if downs.is_empty() {
        note("this node has told nobody of an end so far");
    }
    // What is told again and again, as of one who is waited for, is one entry.
    downs.chunk_by(is_alike).try_for_each(say_why)?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked for, as a node writes it.
fn monitor_or_target(text: &str) -> std::result::Result<String, String> {
    if text.starts_with("partisan:ref:") {
        return text
            .parse::<MonitorRef>()
            .map(|monitor| monitor.to_string())
            .map_err(|error| error.to_string());
    }
    text.parse::<Target>().map(|target| target.to_string()).map_err(|error| {
        format!("{error}; write a target, as in job1@a@10.0.0.7:7001, or the reference of a monitor, partisan:ref:…")
    })
}

fn is_alike(one: &PastDownLine, other: &PastDownLine) -> bool {
    let is_same_reason = one.text == other.text && one.reason_was_cut == other.reason_was_cut;
    let is_same_evidence = one.source == other.source && one.incarnation == other.incarnation;
    one.target == other.target && is_same_reason && is_same_evidence
}

/// What was told, who decided it, and on what evidence; of several that are alike the newest, which
/// is the first.
fn say_why(alike: &[PastDownLine]) -> Result<()> {
    let [down, ..] = alike else { return Ok(()) };
    let life = match &down.incarnation {
        Some(life) => format!("{} in its life {life}", down.node),
        None => down.node.clone(),
    };
    let silent = down.silent_ms.map(Duration::from_millis);
    let (decided, heard) = match down.source.as_str() {
        "target-node" => (
            format!("{life}, which bears the name and alone can know"),
            "by this very notice: it is true".to_owned(),
        ),
        "session-end" => (
            format!("this node, when its session with {life} ended"),
            match silent {
                Some(silent) => format!("{:.1}s before: the process may live on", silent.as_secs_f64()),
                None => "until the session ended: the process may live on".to_owned(),
            },
        ),
        _ => (
            format!("this node or {life}: there was no session that could be used"),
            "not at all: nothing is known of the process".to_owned(),
        ),
    };
    say(&down.target)?;
    say(&format!("  what     {}", shown_reason(&down.text, down.reason_was_cut)))?;
    say(&format!("  decided  by {decided}"))?;
    say(&format!("  heard    {heard}"))?;
    say(&format!("  when     {}", when(alike)))?;
    say(&format!("  monitor  {}", down.monitor))
}

fn when(alike: &[PastDownLine]) -> String {
    let ago = |down: Option<&PastDownLine>| {
        span(Duration::from_millis(down.map(|down| down.ago_ms).unwrap_or_default()))
    };
    match alike.len() {
        0 | 1 => format!("{} ago", ago(alike.first())),
        times => {
            format!("{times} times, the first {} ago, the last {} ago", ago(alike.last()), ago(alike.first()))
        }
    }
}
