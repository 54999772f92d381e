//! Every event that this crate logs.
//!
//! A subscriber is code of the program that may block or panic, so no task of the transport calls
//! it: each function here hands its event to [`telemetry`], which never waits. An event whose level
//! no subscriber enables costs one atomic load.

use std::{fmt::Display, io, net::SocketAddr, path::Path};

use peer_service::{EndKind, NodeId, NodeName, PeerInfo, SessionEnd};
use supervision::{Loss, TaskKind, telemetry};
use tracing::Level;

use crate::proto::peers::pairing::ConnId;

pub(crate) fn listening(node: &NodeId, local_addr: SocketAddr) {
    let node = node.clone();
    telemetry::event(Level::INFO, move || tracing::info!(%node, %local_addr, "listening"));
}

pub(crate) fn session_up(info: &PeerInfo) {
    let (peer, session) = (info.node.clone(), info.session);
    telemetry::event(Level::INFO, move || tracing::info!(%peer, %session, "session up"));
}

pub(crate) fn session_over(peer: &NodeName, conn: ConnId, end: SessionEnd) {
    let (peer, conn) = (peer.clone(), conn.0);
    telemetry::event(Level::INFO, move || tracing::info!(%peer, conn, %end, "session over"));
}

/// `times` is the number of failures since the last warning.
pub(crate) fn accept_failed(error: io::Error, times: u64) {
    telemetry::event(Level::WARN, move || tracing::warn!(%error, times, "cannot accept connections"));
}

/// An inbound connection was refused. This is a warning if an operator has to act; `times` is then
/// the number of refusals since the last warning.
pub(crate) fn inbound_refused(peer: io::Result<SocketAddr>, failure: &dyn Display, times: Option<u64>) {
    let level = if times.is_some() { Level::WARN } else { Level::DEBUG };
    if !telemetry::is_enabled(level) {
        return;
    }
    let peer = peer.map_or_else(|error| error.to_string(), |address| address.to_string());
    let failure = failure.to_string();
    telemetry::event(level, move || match times {
        Some(times) => tracing::warn!(%peer, %failure, times, "inbound connection refused"),
        None => tracing::debug!(%peer, %failure, "inbound connection refused"),
    });
}

/// An inbound connection that was not authenticated yet was closed to make room for another one.
pub(crate) fn inbound_evicted(peer: io::Result<SocketAddr>) {
    telemetry::event(Level::DEBUG, move || {
        tracing::debug!(?peer, "unauthenticated connection closed to make room for another");
    });
}

pub(crate) fn protocol_broken(peer: &NodeId, error: &dyn Display) {
    let (peer, error) = (peer.clone(), error.to_string());
    telemetry::event(Level::WARN, move || tracing::warn!(%peer, %error, "the peer broke the protocol"));
}

pub(crate) fn channel_protocol_broken(peer: &NodeId, kind: EndKind) {
    let peer = peer.clone();
    telemetry::event(Level::WARN, move || {
        tracing::warn!(%peer, ?kind, "the peer broke the protocol of channels");
    });
}

pub(crate) fn peers_file_unusable(file: &Path, problem: &str) {
    let (file, problem) = (file.to_owned(), problem.to_owned());
    telemetry::event(Level::WARN, move || {
        let file = file.display();
        tracing::warn!(%file, %problem, "cannot use the peers file; keeping the last valid list");
    });
}

pub(crate) fn peers_lookup_failed(name: &NodeName, error: io::Error) {
    let name = name.clone();
    telemetry::event(Level::WARN, move || {
        tracing::warn!(%name, %error, "cannot look up the peers in DNS; keeping the last answer");
    });
}

/// A dial failed. This is a warning if an operator has to act, and `debug` if the next dial may
/// succeed without one.
pub(crate) fn dial_failed(peer: &NodeName, address: Option<SocketAddr>, failure: &dyn Display, warn: bool) {
    let level = if warn { Level::WARN } else { Level::DEBUG };
    if !telemetry::is_enabled(level) {
        return;
    }
    let (peer, failure) = (peer.clone(), failure.to_string());
    telemetry::event(level, move || {
        let address = address.map(tracing::field::display);
        if warn {
            tracing::warn!(%peer, address, %failure, "dial failed");
        } else {
            tracing::debug!(%peer, address, %failure, "dial failed");
        }
    });
}

/// A background task ended before its work was done. This is a bug of Obit or of the executor that
/// runs it.
pub(crate) fn task_failed(kind: TaskKind, loss: &Loss) {
    let TaskKind { name: task, consequence } = kind;
    let reason = loss.to_string();
    telemetry::event(Level::ERROR, move || {
        tracing::error!(task, %reason, "a background task of the transport failed: {consequence}");
    });
}

/// A panic under the lock of the peer table. The transport starts no further session.
pub(crate) fn transport_failed(reason: &dyn Display) {
    let reason = reason.to_string();
    telemetry::event(Level::ERROR, move || {
        tracing::error!(%reason, "the transport failed and starts no further session; restart this node");
    });
}
