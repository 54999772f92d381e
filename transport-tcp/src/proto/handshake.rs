//! The handshake: two nodes identify themselves and prove that they have the secret.
//!
//! ```text
//! initiator                                   acceptor
//! HELLO     versions, features, name, nonce ->
//!           <- CHALLENGE  version, features, name, nonce
//! PROOF     terms, proof                   ->            checked before anything is decided
//!           <- VERDICT    accepted | still there? | refused, proof
//! ANSWER    still there or not, proof      ->            only if asked; a second VERDICT follows
//! ```
//! With TLS and a secret, each proof is also bound to its TLS connection: see `proof::Binding`.
//!
//! Instead of CHALLENGE or VERDICT the acceptor may send REJECT, the only frame besides HELLO and
//! CHALLENGE without a proof: it ends the handshake and nothing else.
//!
//! | what | where |
//! |---|---|
//! | a whole handshake of either side, bytes in and bytes out | `outbound`, `inbound` |
//! | the checks and answers of each side, message by message | `initiator`, `acceptor` |
//! | further connections of a session | `attach` |
//! | the messages, and the frames around them | `messages`, `frames` |
//! | proofs that a node has the secret | `proof` |
//! | why a handshake failed | `error` |

pub(crate) mod acceptor;
pub(crate) mod attach;
pub(crate) mod error;
pub mod frames;
pub mod inbound;
pub(crate) mod initiator;
pub(crate) mod messages;
pub mod outbound;
pub(crate) mod proof;

use peer_service::{ChannelName, Features, NodeId};

use crate::{config::TcpConfig, proto::connection::fragment};
pub use error::HandshakeError;
use messages::Terms;
use proof::Keys;

/// The description of the local node that every peer receives.
#[derive(Debug)]
pub struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: String,
    pub(crate) hidden: bool,
    pub(crate) features: Features,
    pub(crate) max_frame: u32,
    /// Without the default one.
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) keys: Keys,
}

impl Identity {
    /// The identity of that node with that configuration.
    pub fn new(node: NodeId, config: &TcpConfig) -> Self {
        Identity {
            node,
            cluster: config.cluster.clone(),
            hidden: config.hidden,
            features: fragment::FRAGMENTS,
            max_frame: config.max_frame as u32,
            channels: config.channels.clone(),
            keys: Keys::new(config),
        }
    }

    /// The terms of the local node, for a peer with those features.
    fn terms(&self, features: Features, channels: Vec<ChannelName>) -> Terms {
        let max_frame = fragment::longest(self.max_frame as usize, features) as u32;
        Terms { hidden: self.hidden, max_frame, channels }
    }
}

/// The peer, and the agreement with it, once both have proved their identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer.
    pub node: NodeId,
    /// Whether the peer is hidden.
    pub hidden: bool,
    /// The features that both support.
    pub features: Features,
    /// Maximum length of a frame to the peer.
    pub max_frame: u32,
    /// The channels that both have besides the default one, in the initiator's order.
    pub channels: Vec<ChannelName>,
}

#[cfg(test)]
mod tests;
