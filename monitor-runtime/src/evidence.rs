//! A `Down` in words that programs can tell apart, for whoever collects them: logs, and answers about the past.

use std::time::Duration;

use monitor_core::{Down, DownReason};

/// At which level every `Down` is told to subscribers.
pub(crate) const DOWN: tracing::Level = tracing::Level::DEBUG;

/// Tells subscribers of `tracing`: for a person in `reason` and `source`, for programs in the other fields.
///
/// Each `Down` that a monitor tells is one event, unless the queue to the subscriber is full. Those of one session come in the
/// order in which the monitors fired. The event and the receiver do not wait for each other: either may come first.
pub(crate) fn tell(down: &Down) {
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
