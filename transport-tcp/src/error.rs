//! The reasons why a transport does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why a `TcpTransport` does not start: the field of the configuration, and how to correct it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name has no port to listen on.
    #[error("listen: the name {name} has no port; give it one (label@host:port) or set `listen`")]
    NoPort {
        /// The node's name.
        name: refs::NodeName,
    },
    /// The host of the node's name resolves to no address.
    #[error("listen: cannot resolve the host of {name}: {cause}; set `listen` to an address of this machine")]
    Resolve {
        /// The node's name.
        name: refs::NodeName,
        /// The resolver's error.
        cause: io::Error,
    },
    /// The node cannot listen on the address.
    #[error("listen: cannot listen on {address}: {cause}; choose an address of this machine and a free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        cause: io::Error,
    },
    /// There is neither a secret nor TLS, and other machines can connect.
    #[error(
        "secret: without one every program that reaches {address} could join; set `secret` or `tls`, listen on a loopback \
         address, or set `insecure_allow_remote` if the network itself keeps strangers out"
    )]
    NoSecret {
        /// The address.
        address: SocketAddr,
    },
    /// The TLS configuration cannot be used.
    #[cfg(feature = "tls")]
    #[error("tls: {0}")]
    Tls(#[from] crate::net::tls::TlsError),
    /// The file of peers cannot be used.
    #[error("peers_file: {}: {cause}", path.display())]
    PeersFile {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        cause: PeersFileError,
    },
    /// A field is outside of its range.
    #[error("{field}: {problem}")]
    Field {
        /// The field of [`TcpConfig`](crate::TcpConfig).
        field: &'static str,
        /// The fault, and the allowed range.
        problem: &'static str,
    },
}

/// Why the [file of peers](crate::TcpConfig::peers_file) cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeersFileError {
    /// The file cannot be read, or is not UTF-8 text.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The file is longer than the maximum.
    #[error("has more than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: u64,
    },
    /// A line is not a valid node.
    #[error("line {line}: {cause}")]
    Line {
        /// The line number, counted from 1.
        line: usize,
        /// The fault in it. Its offset counts from the first non-blank byte of the line.
        cause: refs::ParseError,
    },
}

/// Why a value is not a valid [`Secret`](crate::Secret).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret is too short: it could be guessed.
    #[error(
        "a secret has at least 32 bytes, this one has {len}; `obit keygen FILE` or `cargo xtask keygen FILE` makes one"
    )]
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// The secret is longer than the maximum.
    #[error("a secret has at most 4096 bytes, this one has {len} or more")]
    TooLong {
        /// Its length in bytes, or the number of bytes that were read.
        len: usize,
    },
    /// The file cannot be read.
    #[error("cannot read the secret from {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// Users other than the file's owner can open it.
    #[error(
        "the secret in {} is open to others, its mode is {mode:04o}: run `chmod 600 {}`, and make a new secret \
         if another user may have read it", path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The permission bits of its mode.
        mode: u32,
    },
    /// The environment variable is not set.
    #[error("cannot read the secret from the environment variable {variable}: it is not set")]
    Env {
        /// The variable.
        variable: String,
    },
}
