//! Why a node cannot speak TLS as it is configured.

use std::{io, path::PathBuf};

use refs::NodeName;
use thiserror::Error;

use super::name::NoDnsName;

/// Why files are no [`Tls`](super::Tls), or why a node cannot use it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Others than the owner of the key's file can open it.
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
    /// Something is no PEM, or holds something else.
    #[error("the {what} is not what it should be: {problem}; it must be PEM")]
    Pem {
        /// Which of the three.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The key does not belong to the certificate.
    #[error("the certificate is of another key: give the key that it was issued for")]
    KeyMismatch,
    /// No TLS can be made of it.
    #[error("cannot use the certificates or the key: {reason}")]
    Unusable {
        /// What is wrong.
        reason: String,
    },
    /// The node's name, or that of a peer, cannot stand in a certificate.
    #[error("{name} cannot stand in a certificate: {problem}")]
    Name {
        /// The node's name.
        name: NodeName,
        /// Why not, and what to do.
        problem: &'static str,
    },
    /// Every peer would refuse the node's certificate.
    #[error("every peer would refuse this node: {reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

impl From<NoDnsName> for TlsError {
    fn from(NoDnsName { name, problem }: NoDnsName) -> Self {
        TlsError::Name { name, problem }
    }
}
