//! The reasons why a handshake fails.

use peer_service::EndKind;
use thiserror::Error;

use super::messages::Reject;
use crate::proto::{
    peers::{pairing::Refusal, table::DialFailure},
    wire::WireError,
};

/// Why a handshake failed.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The peer sent TLS, and this node is not configured for it.
    #[error("the other end speaks TLS, and this node does not; configure it on both ends")]
    SpeaksTls,
    /// The bytes are not a frame.
    #[error("not our protocol: {0}")]
    Wire(#[from] WireError),
    /// A frame is out of place, or its contents are malformed.
    #[error("not our protocol: {0}")]
    Malformed(&'static str),
    /// The peer supports those versions of the protocol, and this node supports none of them.
    #[error("no protocol version in common: the peer speaks {0} to {1}")]
    Version(u16, u16),
    /// The peer belongs to another cluster.
    #[error("the peer belongs to another cluster")]
    Cluster,
    /// The dialed node has another name, or was dialed under another name.
    #[error("this is not the node that was dialed")]
    WrongName,
    /// The peer has the name of the local node.
    #[error("the peer has the name of this node")]
    OwnName,
    /// The peer did not prove that it has the secret.
    #[error(
        "the peer did not prove that it knows the secret; with TLS also if something between the two terminates it"
    )]
    Unproved,
    /// The peer sent REJECT.
    #[error("the peer has rejected us: {0}")]
    Rejected(Reject),
    /// The table of peers, on either side, prefers another connection.
    #[error("the peer has refused us: {0}")]
    Refused(Refusal),
    /// The connection is no longer needed.
    #[error("another connection with this peer has taken its place")]
    Dropped,
}

impl HandshakeError {
    /// The kind of end to report at the node that dialed.
    pub fn end_kind(&self) -> EndKind {
        match self {
            HandshakeError::Dropped => EndKind::SetupTimeout,
            HandshakeError::Version(..) | HandshakeError::Rejected(Reject::Version { .. }) => {
                EndKind::Version
            }
            HandshakeError::OwnName | HandshakeError::Rejected(Reject::SameName) => EndKind::DuplicateName,
            HandshakeError::Refused(Refusal::DuplicateName) => EndKind::DuplicateName,
            HandshakeError::Refused(_) => EndKind::SetupTimeout,
            HandshakeError::Wire(_)
            | HandshakeError::Malformed(_)
            | HandshakeError::SpeaksTls
            | HandshakeError::Cluster
            | HandshakeError::WrongName
            | HandshakeError::Unproved
            | HandshakeError::Rejected(_) => EndKind::AuthFailed,
        }
    }

    /// The outcome of the dial for the table of peers.
    pub fn of_dial(&self) -> DialFailure {
        match self {
            HandshakeError::Dropped => DialFailure::Lost,
            HandshakeError::Refused(refusal) => DialFailure::from(*refusal),
            failure => DialFailure::Failed(failure.end_kind()),
        }
    }

    /// The message by which the acceptor rejects the initiator before it closes the connection, if
    /// there is one.
    pub(crate) fn reject(&self) -> Option<Reject> {
        match self {
            HandshakeError::Version(..) => Some(Reject::version()),
            HandshakeError::Cluster => Some(Reject::Cluster),
            HandshakeError::WrongName => Some(Reject::WrongName),
            HandshakeError::OwnName => Some(Reject::SameName),
            HandshakeError::Unproved => Some(Reject::Unproved),
            _ => None,
        }
    }
}
