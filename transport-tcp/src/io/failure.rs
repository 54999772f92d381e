//! The reasons why a connection did not become a session, and their counters.

use peer_service::EndKind;
use thiserror::Error;

use crate::{
    counters::Counters,
    net::error::ConnectError,
    proto::{
        handshake::HandshakeError,
        peers::{pairing::Refusal, table::DialFailure},
    },
};

/// See the [module](self).
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Connect(ConnectError),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl<E: Into<ConnectError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Connect(error.into())
    }
}

impl Failure {
    /// Another connection with the peer has replaced this one.
    pub(crate) const DROPPED: Failure = Failure::Handshake(HandshakeError::Dropped);
    pub(crate) const TIMEOUT: Failure = Failure::Connect(ConnectError::Timeout);

    /// The kind of end to report at the node that dialed.
    pub(crate) fn end_kind(&self) -> EndKind {
        match self {
            Failure::Connect(error) => error.end_kind(),
            Failure::Handshake(error) => error.end_kind(),
        }
    }

    /// The outcome of the dial for the table of peers.
    pub(crate) fn of_dial(&self) -> DialFailure {
        match self {
            Failure::Connect(error) => DialFailure::Failed(error.end_kind()),
            Failure::Handshake(error) => error.of_dial(),
        }
    }

    /// Whether the failure persists until an operator acts.
    pub(crate) fn needs_operator(&self) -> bool {
        matches!(
            self.end_kind(),
            EndKind::AuthFailed | EndKind::Version | EndKind::DuplicateName | EndKind::Quota
        )
    }

    /// Counts the failure at the node that accepted.
    pub(crate) fn count(&self, counters: &Counters) {
        match self {
            Failure::Connect(error) => match error {
                ConnectError::Io(_) | ConnectError::Closed => counters.handshakes_cut.add(),
                ConnectError::Timeout => counters.refused_slow.add(),
                #[cfg(feature = "tls")]
                ConnectError::Tls(_) => counters.refused_tls.add(),
                ConnectError::Unresolved(_) | ConnectError::Unsecured => {}
            },
            Failure::Handshake(error) => match error {
                HandshakeError::Version(..) => counters.refused_version.add(),
                HandshakeError::Cluster => counters.refused_cluster.add(),
                HandshakeError::WrongName | HandshakeError::OwnName => counters.refused_name.add(),
                HandshakeError::Unproved => counters.refused_proof.add(),
                HandshakeError::SpeaksTls => counters.refused_tls.add(),
                HandshakeError::Refused(Refusal::Simultaneous) => counters.refused_simultaneous.add(),
                HandshakeError::Refused(Refusal::DuplicateName) => counters.refused_duplicate.add(),
                HandshakeError::Refused(Refusal::Superseded) => counters.refused_superseded.add(),
                HandshakeError::Refused(Refusal::StandsAlready) => counters.refused_standing.add(),
                HandshakeError::Wire(_) | HandshakeError::Malformed(_) | HandshakeError::Rejected(_) => {
                    counters.refused_malformed.add();
                }
                HandshakeError::Dropped => counters.refused_late.add(),
            },
        }
    }

    /// Counts the failure at the node that dialed.
    pub(crate) fn count_dial(&self, counters: &Counters) {
        counters.dials_failed.add();
        match self {
            Failure::Connect(error) => match error {
                #[cfg(feature = "tls")]
                ConnectError::Tls(_) => counters.dials_tls.add(),
                ConnectError::Timeout => counters.dials_slow.add(),
                ConnectError::Unresolved(_) | ConnectError::Unsecured => counters.dials_nowhere.add(),
                ConnectError::Io(_) | ConnectError::Closed => {}
            },
            Failure::Handshake(error) => match error {
                HandshakeError::Unproved => counters.dials_unproved.add(),
                HandshakeError::SpeaksTls => counters.dials_tls.add(),
                HandshakeError::Refused(_) | HandshakeError::Rejected(_) => counters.dials_refused.add(),
                _ => {}
            },
        }
    }
}
