//! Describes a `Down` in fields that programs can read, for the log and for answers about past
//! `Down`s.

use std::time::Duration;

use monitor_core::{Down, DownReason};

/// Level at which every `Down` is logged.
pub(crate) const DOWN: tracing::Level = tracing::Level::DEBUG;

/// Logs a `Down`. The fields `reason` and `source` are for people, the other fields for programs.
///
/// Each `Down` that a monitor reports is one event, unless the queue to the subscriber is full. The
/// events of one session keep the order in which the monitors fired. Either the event or the `Down`
/// in the mailbox may come first.
pub(crate) fn log(down: &Down) {
    let Down { monitor, target, reason, reason_was_cut, tag, incarnation, .. } = down;
    let end = reason.session_end();
    tracing::event!(
        DOWN,
        %monitor,
        %target,
        %reason,
        reason_was_cut,
        source = %down.source(),
        kind = kind(reason),
        cause = end.map(|end| tracing::field::debug(end.kind)),
        silent_ms = reason.silent_for().map(milliseconds),
        incarnation = incarnation.map(tracing::field::display),
        tag,
        "down"
    );
}

/// `exit`, `noproc` or `noconnection`.
pub(crate) const fn kind(reason: &DownReason) -> &'static str {
    match reason {
        DownReason::Exit(_) => "exit",
        DownReason::NoProc => "noproc",
        _ => "noconnection",
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
