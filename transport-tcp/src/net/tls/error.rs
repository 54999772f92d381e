//! The reasons why a node cannot use its TLS configuration.

use std::{io, path::PathBuf};

use refs::NodeName;
use thiserror::Error;

use crate::net::error::tls::NoDnsName;

/// Why files are not a valid [`Tls`](super::Tls), or why a node cannot use it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// Users other than the owner of the key file can open it.
    #[error(
        "the key in {} is open to others, its mode is {mode:04o}: run `chmod 600 {}`, and make a new key and \
         certificate if another user may have read it", path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The permission bits of its mode.
        mode: u32,
    },
    /// The content is not PEM, or not of the expected kind.
    #[error("the {what} is not what it should be: {problem}; it must be PEM")]
    Pem {
        /// Which of the three: the CA, the certificate or the key.
        what: &'static str,
        /// The fault in it.
        problem: String,
    },
    /// The key does not belong to the certificate.
    #[error("the certificate is of another key: give the key that it was issued for")]
    KeyMismatch,
    /// TLS rejects the certificates or the key.
    #[error("cannot use the certificates or the key: {reason}")]
    Unusable {
        /// The reason.
        reason: String,
    },
    /// A certificate cannot contain the name of the node, or of a peer.
    #[error("{name} cannot stand in a certificate: {problem}")]
    Name {
        /// The node's name.
        name: NodeName,
        /// The reason, and how to correct it.
        problem: &'static str,
    },
    /// Every peer would refuse the node's certificate.
    #[error("every peer would refuse this node: {reason}")]
    Refused {
        /// The reason, and how to correct it.
        reason: String,
    },
}

impl From<NoDnsName> for TlsError {
    fn from(NoDnsName { name, problem }: NoDnsName) -> Self {
        TlsError::Name { name, problem }
    }
}
