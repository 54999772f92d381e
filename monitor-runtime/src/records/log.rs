//! Every event that this crate logs.
//!
//! A subscriber is code of the program that may block or panic, so no task of a node calls it: each
//! function here hands its event to [`telemetry`], which never waits. An event whose level no
//! subscriber takes costs one atomic load.

use std::time::Duration;

use monitor_core::Down;
use peer_service::PeerInfo;
use refs::{NodeId, NodeName, Pid, SessionEnd};
use supervision::{Loss, Panic, TaskKind, telemetry};
use tracing::Level;

use crate::records::down_log::{self, DOWN};

/// Monitors have fired. `session` is the session whose input fired them, if there is one.
pub(crate) fn downs(downs: Vec<Down>, session: Option<&PeerInfo>) {
    let session = session.map(|info| (info.node.clone(), info.session));
    telemetry::event(DOWN, move || {
        let span = session.map(|(peer, session)| tracing::info_span!("session", %peer, %session));
        let _entered = span.as_ref().map(tracing::Span::enter);
        downs.iter().for_each(down_log::log);
    });
}

pub(crate) fn dial_failed(peer: &NodeName, end: SessionEnd) {
    let peer = peer.clone();
    telemetry::event(Level::DEBUG, move || tracing::debug!(%peer, %end, "could not connect"));
}

pub(crate) fn session_ended(info: &PeerInfo, end: SessionEnd) {
    let (peer, session) = (info.node.clone(), info.session);
    telemetry::event(Level::DEBUG, move || tracing::debug!(%peer, %session, %end, "the session has ended"));
}

pub(crate) fn session_over(info: &PeerInfo) {
    let (peer, session) = (info.node.clone(), info.session);
    telemetry::event(
        Level::DEBUG,
        move || tracing::debug!(%peer, %session, "the task of the session has ended"),
    );
}

pub(crate) fn protocol_broken(info: &PeerInfo) {
    let (peer, session) = (info.node.clone(), info.session);
    telemetry::event(Level::WARN, move || tracing::warn!(%peer, %session, "the peer broke the protocol"));
}

pub(crate) fn stop_timed_out(node: &NodeId) {
    let node = node.clone();
    telemetry::event(Level::WARN, move || {
        tracing::warn!(%node, "shutdown timed out before all sessions and processes had ended");
    });
}

/// `accept` failed at the control socket or the HTTP port; `kind` says which. `times` is the number
/// of failures since the last warning.
#[cfg(all(feature = "control", unix))]
pub(crate) fn client_not_accepted(error: std::io::Error, kind: &'static str, times: u64) {
    telemetry::event(Level::WARN, move || {
        tracing::warn!(%error, kind, times, "cannot accept a client of the control socket or HTTP port");
    });
}

#[cfg(all(feature = "http", unix))]
pub(crate) fn http_client_failed(error: &dyn std::fmt::Display) {
    let error = error.to_string();
    telemetry::event(
        Level::DEBUG,
        move || tracing::debug!(%error, "the connection of an HTTP client failed"),
    );
}

/// A background task ended before its work was done. This is a bug of Obit or of the executor that
/// runs it.
pub(crate) fn task_failed(node: &NodeId, kind: TaskKind, loss: &Loss) {
    let TaskKind { name: task, consequence } = kind;
    let (node, reason) = (node.clone(), loss.to_string());
    telemetry::event(Level::ERROR, move || {
        tracing::error!(%node, task, %reason, "a background task of the node failed: {consequence}");
    });
}

pub(crate) fn node_failed(node: &NodeId, panic: &Panic) {
    let (node, reason) = (node.clone(), panic.text().to_owned());
    telemetry::event(Level::ERROR, move || {
        tracing::error!(
            %node,
            %reason,
            "the node failed: a panic left its tables half changed. All its connections are closed, and all its \
             monitors have ended. Restart it, and report this as a bug"
        );
    });
}

/// A process has blocked its thread for `blocked_for`.
pub(crate) fn process_blocks(pid: &Pid, blocked_for: Duration) {
    let pid = pid.clone();
    telemetry::event(Level::WARN, move || {
        tracing::warn!(
            %pid,
            ?blocked_for,
            "a process blocks its thread; move blocking work to a thread of its own, as by `smol::unblock` or \
             `tokio::task::spawn_blocking`"
        );
    });
}
