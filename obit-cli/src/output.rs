//! Lines for people and for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use monitor_runtime::{Down, DownReason, ExitReason, SessionEnd, refs::Printable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::{
    failure::{Failure, Result},
    limits, log,
    reasons::JobEnd,
};

/// One line on standard output, at once.
pub(crate) fn say(line: &str) -> Result<()> {
    write(format!("{}\n", printable(line)).as_bytes())
}

/// One JSON object on a line of standard output.
pub(crate) fn say_json(value: &impl Serialize) -> Result<()> {
    // What is escaped here stands in texts only, where JSON has an escape of its own for it.
    let json = escaped(&serde_json::to_string(value)?, |letter| format!("\\u{:04x}", u32::from(letter)));
    write(format!("{json}\n").as_bytes())
}

/// Writes lines to standard output on a thread of its own, so that this task can be cancelled while
/// the reader of the output is slow. Cancelled, it writes on.
pub(crate) async fn write_apart(lines: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    // Not by `smol::unblock`, which would wait without end if the system gives no thread.
    let (sender, written) = smol::channel::bounded(1);
    limits::spawn("output", move || {
        // Cancelled, the task does not wait for the result.
        let _ = sender.try_send(lines());
    })?;
    written.recv().await?
}

/// Bytes for standard output, at once.
pub(crate) fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| not_written(&error))
}

/// The failure to write to standard output.
pub(crate) fn not_written(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    }
}

/// Lines on standard error for a person. Once a node logs they are part of the log, and never
/// block.
pub(crate) fn note(text: &str) {
    for line in text.lines().map(printable) {
        if !log::line(&line) {
            // A failure cannot be reported anywhere else.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// Whether standard error takes a line without blocking, now or soon.
pub(crate) fn takes_a_line_within(time: Duration) -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let timeout = Timespec::try_from(time).ok();
    poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

/// The text without what a terminal takes for a command: others have chosen names and reasons, and
/// may mean harm.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |letter| letter.escape_unicode().to_string())
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        if Printable::escapes(letter) {
            safe.push_str(&escape(letter));
        } else {
            safe.push(letter);
        }
        safe
    })
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
    /// Whether the reason has only its beginning.
    reason_was_cut: bool,
    /// Since the watching began.
    after_ms: u64,
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
    /// What was told so long after the watching had begun.
    pub(crate) fn new(down: &Down, after: Duration) -> Self {
        DownLine {
            target: down.target.to_string(),
            monitor: down.monitor.to_string(),
            reason: Reason::of(&down.reason),
            text: down.reason.to_string(),
            reason_was_cut: down.reason_was_cut,
            after_ms: milliseconds(after),
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
    end.silent_for().map(milliseconds)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(
            printable("web\x1b[2J\r\n\u{9b}1m \u{202e}é"),
            "web\\u{1b}[2J\\u{d}\\u{a}\\u{9b}1m \\u{202e}é"
        );
        assert_eq!(printable("job1@a@127.0.0.1:7001 – ünï"), "job1@a@127.0.0.1:7001 – ünï");
    }
}
