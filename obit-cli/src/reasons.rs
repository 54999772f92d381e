//! How a command ended, as the exit reason of its process: `obit run` writes it and `obit watch`
//! parses it.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use monitor_runtime::ExitReason;
use serde::Serialize;

/// How a command ended that did not exit with status 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobEnd {
    /// The command exited with this status, which is not zero.
    Status(u8),
    /// This signal ended the command.
    Signal(u8),
}

const STATUS: &str = "status ";
const SIGNAL: &str = "signal ";

impl JobEnd {
    /// The exit reason of a command: `Normal` for status 0, else `status 7` or `signal 9
    /// (SIGKILL)`. It is `Shutdown` if a signal asked the command to end, and the command ended by
    /// that signal or with the status with which shells report it.
    pub(crate) fn reason(status: ExitStatus, asked_to_end: Option<i32>) -> ExitReason {
        if asked_to_end.is_some_and(|signal| i32::from(JobEnd::exit_code(status)) == 128 + signal) {
            return ExitReason::Shutdown;
        }
        let text = match JobEnd::of_status(status) {
            None => return ExitReason::Normal,
            Some(JobEnd::Status(status)) => format!("{STATUS}{status}"),
            Some(JobEnd::Signal(signal)) => match name(signal) {
                Some(name) => format!("{SIGNAL}{signal} ({name})"),
                None => format!("{SIGNAL}{signal}"),
            },
        };
        ExitReason::other(text)
    }

    /// Parses an exit reason; returns `None` if it is not the reason of a command.
    pub(crate) fn of_reason(reason: &ExitReason) -> Option<Self> {
        let ExitReason::Other(bytes) = reason else { return None };
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(status) = text.strip_prefix(STATUS) {
            return status.parse().ok().map(JobEnd::Status);
        }
        let signal = text.strip_prefix(SIGNAL)?.split(' ').next()?;
        signal.parse().ok().map(JobEnd::Signal)
    }

    /// The exit code for a status, as in shells: 128 plus the signal if a signal ended the command.
    pub(crate) fn exit_code(status: ExitStatus) -> u8 {
        match JobEnd::of_status(status) {
            None => 0,
            Some(JobEnd::Status(status)) => status,
            Some(JobEnd::Signal(signal)) => 128 | signal,
        }
    }

    fn of_status(status: ExitStatus) -> Option<Self> {
        // Neither is cut: a status has eight bits, and a signal seven.
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        match (status.code(), status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) => Some(JobEnd::Status(byte(code))),
            (None, signal) => Some(JobEnd::Signal(byte(signal.unwrap_or_default()))),
        }
    }
}

/// The name of a signal whose number is the same on every Unix.
const fn name(signal: u8) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_command_is_parsed_back() {
        let result = |wait_status| {
            let status = ExitStatus::from_raw(wait_status);
            let reason = JobEnd::reason(status, None);
            (reason.to_string(), JobEnd::of_reason(&reason), JobEnd::exit_code(status))
        };
        assert_eq!(result(0), ("normal".to_owned(), None, 0));
        assert_eq!(result(7 << 8), ("status 7".to_owned(), Some(JobEnd::Status(7)), 7));
        assert_eq!(result(9), ("signal 9 (SIGKILL)".to_owned(), Some(JobEnd::Signal(9)), 137));
        assert_eq!(result(64), ("signal 64".to_owned(), Some(JobEnd::Signal(64)), 192));
    }

    #[test]
    fn a_command_that_stops_as_it_was_asked_to_is_shut_down() {
        let reason =
            |wait_status, asked| JobEnd::reason(ExitStatus::from_raw(wait_status), Some(asked)).to_string();
        assert_eq!(reason(15, 15), "shutdown");
        assert_eq!(reason(143 << 8, 15), "shutdown", "as a shell reports it");
        assert_eq!(reason(0, 15), "normal");
        assert_eq!(reason(9, 15), "signal 9 (SIGKILL)");
        assert_eq!(reason(1 << 8, 15), "status 1");
    }

    #[test]
    fn other_reasons_are_not_parsed_as_ends_of_commands() {
        let of = |text: &str| JobEnd::of_reason(&ExitReason::other(text));
        assert_eq!(of("out of paper"), None);
        assert_eq!(of("status 700"), None);
        assert_eq!(of("signal"), None);
        assert_eq!(JobEnd::of_reason(&ExitReason::panicked("status 7")), None);
    }
}
