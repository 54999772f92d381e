//! How a command ended, as the reason of its process: what `obit run` tells and `obit watch` reads.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use monitor_runtime::ExitReason;
use serde::Serialize;

/// How a command ended that ended otherwise than well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobEnd {
    /// It exited with this status, which is not zero.
    Status(u8),
    /// This signal ended it.
    Signal(u8),
}

const STATUS: &str = "status ";
const SIGNAL: &str = "signal ";

impl JobEnd {
    /// The exit reason of a command: `Normal` for status 0, else `status 7` or `signal 9
    /// (SIGKILL)`. It is `Shutdown` if the command ended by the signal by which it was asked to
    /// end, or with the status by which shells report that signal.
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
        ExitReason::other(text).expect("it is a few bytes long")
    }

    /// What a reason says of a command; none if it is not of one.
    pub(crate) fn of_reason(reason: &ExitReason) -> Option<Self> {
        let ExitReason::Other(bytes) = reason else { return None };
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(status) = text.strip_prefix(STATUS) {
            return status.parse().ok().map(JobEnd::Status);
        }
        let signal = text.strip_prefix(SIGNAL)?.split(' ').next()?;
        signal.parse().ok().map(JobEnd::Signal)
    }

    /// The exit code that passes a status on, as shells do it: 128 and the signal if one ended the
    /// command.
    pub(crate) fn exit_code(status: ExitStatus) -> u8 {
        match JobEnd::of_status(status) {
            None => 0,
            Some(JobEnd::Status(status)) => status,
            Some(JobEnd::Signal(signal)) => 128 | signal,
        }
    }

    fn of_status(status: ExitStatus) -> Option<Self> {
        // Both fit: a status has eight bits, and a signal seven.
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
    fn what_is_told_of_a_command_is_read_back() {
        let told = |wait_status| {
            let status = ExitStatus::from_raw(wait_status);
            let reason = JobEnd::reason(status, None);
            (reason.to_string(), JobEnd::of_reason(&reason), JobEnd::exit_code(status))
        };
        assert_eq!(told(0), ("normal".to_owned(), None, 0));
        assert_eq!(told(7 << 8), ("status 7".to_owned(), Some(JobEnd::Status(7)), 7));
        assert_eq!(told(9), ("signal 9 (SIGKILL)".to_owned(), Some(JobEnd::Signal(9)), 137));
        assert_eq!(told(64), ("signal 64".to_owned(), Some(JobEnd::Signal(64)), 192));
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
    fn reasons_of_others_are_no_ends_of_commands() {
        let of = |text: &str| JobEnd::of_reason(&ExitReason::other(text).unwrap());
        assert_eq!(of("out of paper"), None);
        assert_eq!(of("status 700"), None);
        assert_eq!(of("signal"), None);
        assert_eq!(JobEnd::of_reason(&ExitReason::panicked("status 7")), None);
    }
}
