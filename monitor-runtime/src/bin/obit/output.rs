//! Lines for people and for programs.

use std::io::{self, Write};

use monitor_runtime::{Down, DownReason, ExitReason, SessionEnd};
use serde::Serialize;

use crate::reasons::JobEnd;

/// One line on standard output, at once.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// One JSON object on a line of standard output.
pub(crate) fn say_json(value: &impl Serialize) -> io::Result<()> {
    say(&serde_json::to_string(value)?)
}

/// A `Down` for programs. `docs/CLI.md` describes every field.
#[derive(Debug, Serialize)]
pub(crate) struct DownLine {
    target: String,
    monitor: String,
    #[serde(flatten)]
    reason: Reason,
    /// The same for a person.
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "reason", rename_all = "lowercase")]
enum Reason {
    Exit {
        exit: &'static str,
        #[serde(flatten)]
        job: Option<JobEnd>,
    },
    NoProc,
    NoConnection {
        cause: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        silent_ms: Option<u64>,
    },
    Unknown,
}

impl DownLine {
    pub(crate) fn new(down: &Down) -> Self {
        DownLine {
            target: down.target.to_string(),
            monitor: down.monitor.to_string(),
            reason: Reason::of(&down.reason),
            text: down.reason.to_string(),
        }
    }
}

impl Reason {
    fn of(reason: &DownReason) -> Self {
        match reason {
            DownReason::Exit(reason) => Reason::Exit { exit: kind(reason), job: JobEnd::of_reason(reason) },
            DownReason::NoProc => Reason::NoProc,
            DownReason::NoConnection(end) => {
                Reason::NoConnection { cause: format!("{:?}", end.kind), silent_ms: silent_ms(*end) }
            }
            _ => Reason::Unknown,
        }
    }
}

const fn kind(reason: &ExitReason) -> &'static str {
    match reason {
        ExitReason::Normal => "normal",
        ExitReason::Shutdown => "shutdown",
        ExitReason::Killed => "killed",
        ExitReason::Panicked(_) => "panicked",
        _ => "other",
    }
}

fn silent_ms(end: SessionEnd) -> Option<u64> {
    end.silent_for().map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX))
}
