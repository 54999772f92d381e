//! `obit why`: the `Down`s that a running node has reported, and the evidence for each.

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
  obit why                                 the last 20 Downs
  obit why job1@a@10.0.0.7:7001            the Downs for this process
  obit why --last 1 job1@a@10.0.0.7:7001   the last Down for it
  obit why partisan:ref:b@host:0000000000008c21:0.1    the Down of this monitor

It asks the node of the *watcher*, which must still be running: the history of a node ends with it, so an `obit watch` that \
has exited cannot be asked. The lines of `obit watch --json` have the reference of each monitor; docs/CLI.md has the fields \
of --json.

Exit code: 0; 1 if the node has reported no Down for it, or if no node answers; 2 if it is neither a monitor nor a target.";

/// The options of `obit why`.
#[derive(Args)]
pub(crate) struct Options {
    /// A monitor or a target; by default all of them.
    #[arg(value_name = "REF|TARGET", value_parser = monitor_or_target)]
    of: Option<String>,
    /// Maximum number of `Down`s to show, from 0, the newest first; by default 20, or all if a
    /// monitor or a target is named. A node keeps 4,096.
    #[arg(long, value_name = "NUMBER")]
    last: Option<usize>,
    #[command(flatten)]
    asking: Asking,
}

/// Number of `Down`s shown if neither a monitor nor a target is named.
const DEFAULT_LAST: usize = 20;

pub(crate) fn run(options: &Options) -> Result {
    let Response::Downs(mut downs) = options.asking.ask(&Request::Downs(options.of.clone()))? else {
        return Err(other_answer());
    };
    match &options.of {
        Some(of) if downs.is_empty() => {
            return Err(Failure::new(format!(
                "this node has reported nothing of {of}, or more than 4,096 other `Down`s since: ask the node of the watcher, while \
                 it runs; `obit why` without a name shows the last ones"
            )));
        }
        Some(_) => downs.truncate(options.last.unwrap_or(usize::MAX)),
        None => downs.truncate(options.last.unwrap_or(DEFAULT_LAST)),
    }
    if options.asking.json {
        downs.iter().try_for_each(say_json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if downs.is_empty() {
        note("this node has reported no end so far");
    }
    // A `Down` that repeats, as for a target of `obit watch --wait`, is printed once.
    downs.chunk_by(is_alike).try_for_each(say_why)?;
    Ok(ExitCode::SUCCESS)
}

/// Parses a monitor or a target, and returns it in the form in which a node writes it.
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

/// Prints the `Down`, the node that decided it, and the evidence. Of several equal `Down`s it
/// prints the newest, which is the first.
fn say_why(alike: &[PastDownLine]) -> Result<()> {
    let [down, ..] = alike else { return Ok(()) };
    let node = match &down.incarnation {
        Some(incarnation) => format!("{} (incarnation {incarnation})", down.node),
        None => down.node.clone(),
    };
    let silent = down.silent_ms.map(Duration::from_millis);
    let (decided, heard) = match down.source.as_str() {
        "target-node" => {
            (format!("{node}, the node of the target"), "with this notice: the process has ended".to_owned())
        }
        "session-end" => (
            format!("this node, when its session with {node} ended"),
            match silent {
                Some(silent) => {
                    format!("{:.1}s before: the process may still be running", silent.as_secs_f64())
                }
                None => "until the session ended: the process may still be running".to_owned(),
            },
        ),
        _ => (
            format!("this node or {node}: there was no usable session"),
            "never: the state of the process is unknown".to_owned(),
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
