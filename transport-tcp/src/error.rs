//! Why a transport does not start.

use std::{env::VarError, io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why a [`TcpTransport`](crate::TcpTransport) does not start: the field of the configuration, and what to
/// do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no port to listen on.
    #[error("listen: the name {name} has no port; give it one (label@host:port) or set `listen`")]
    NoPort {
        /// The node's name.
        name: refs::NodeName,
    },
    /// The host of the node's name leads to no address.
    #[error("listen: cannot resolve the host of {name}: {cause}; set `listen` to an address of this machine")]
    Resolve {
        /// The node's name.
        name: refs::NodeName,
        /// What the resolver said.
        cause: io::Error,
    },
    /// The address cannot be listened on.
    #[error("listen: cannot listen on {address}: {cause}; choose an address of this machine and a free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        cause: io::Error,
    },
    /// There is no secret, and others than this machine can connect.
    #[error(
        "secret: without one anybody who reaches {address} could join; set `secret`, listen on a loopback address, \
         or set `insecure_allow_remote` if the network itself keeps strangers out"
    )]
    NoSecret {
        /// The address.
        address: SocketAddr,
    },
    /// A field is out of its limits.
    #[error("{field}: {problem}")]
    Field {
        /// The field of [`TcpConfig`](crate::TcpConfig).
        field: &'static str,
        /// What is wrong with it, and what is allowed.
        problem: &'static str,
    },
}

/// Why something is not a [`Secret`](crate::Secret).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It could be guessed.
    #[error("a secret has at least 32 bytes, this one has {len}; `openssl rand -hex 32` makes a good one")]
    TooShort {
        /// How many bytes it has.
        len: usize,
    },
    /// It is longer than makes sense.
    #[error("a secret has at most 4096 bytes, this one has {len} or more")]
    TooLong {
        /// How many bytes it has, or how many were read.
        len: usize,
    },
    /// The file cannot be read.
    #[error("cannot read the secret from {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The environment variable is not there, or no text.
    #[error("cannot read the secret from the environment variable {variable}: {cause}")]
    Env {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        cause: VarError,
    },
}
