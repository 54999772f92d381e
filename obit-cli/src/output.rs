//! Output for people and for programs.

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

/// Writes one line to standard output, and flushes it.
pub(crate) fn say(line: &str) -> Result<()> {
    write(format!("{}\n", printable(line)).as_bytes())
}

/// Writes one JSON object as a line to standard output.
pub(crate) fn say_json(value: &impl Serialize) -> Result<()> {
    // The escaped characters occur only inside of JSON strings, where `\u` escapes are valid.
    let json = escaped(&serde_json::to_string(value)?, |letter| format!("\\u{:04x}", u32::from(letter)));
    write(format!("{json}\n").as_bytes())
}

/// Runs the writer of some lines on a thread of its own, so that this future can be cancelled while
/// the reader of standard output is slow. The thread keeps writing after a cancellation.
pub(crate) async fn write_apart(lines: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    // `smol::unblock` would wait forever if the system cannot start a thread.
    let (sender, written) = smol::channel::bounded(1);
    limits::spawn("output", move || {
        // This fails if the future was cancelled.
        let _ = sender.try_send(lines());
    })?;
    written.recv().await?
}

/// Writes bytes to standard output, and flushes them.
pub(crate) fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| not_written(&error))
}

/// Makes the failure for an error of standard output.
pub(crate) fn not_written(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    }
}

/// Writes lines for people to standard error. Once the log is started they are part of it, and this
/// never blocks.
pub(crate) fn note(text: &str) {
    for line in text.lines().map(printable) {
        if !log::line(&line) {
            // A failure cannot be reported anywhere else.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// Whether standard error accepts a line without blocking within that time.
pub(crate) fn takes_a_line_within(time: Duration) -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let timeout = Timespec::try_from(time).ok();
    poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

/// Escapes the characters that control a terminal: other programs have chosen names and reasons,
/// and may be hostile.
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
    /// The reason as text for people.
    text: String,
    /// Whether the node has cut the reason.
    reason_was_cut: bool,
    /// Time since the watching began.
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
    /// The line for a `Down` that arrived this long after the watching began.
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
    fn control_characters_are_shown_as_escapes() {
        assert_eq!(
            printable("web\x1b[2J\r\n\u{9b}1m \u{202e}é"),
            "web\\u{1b}[2J\\u{d}\\u{a}\\u{9b}1m \\u{202e}é"
        );
        assert_eq!(printable("job1@a@127.0.0.1:7001 – ünï"), "job1@a@127.0.0.1:7001 – ünï");
    }
}
