//! Why a transport does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why a `TcpTransport` does not start: the field of the configuration, and what to
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
    /// There is neither a secret nor TLS, and others than this machine can connect.
    #[error(
        "secret: without one every program that reaches {address} could join; set `secret` or `tls`, listen on a loopback \
         address, or set `insecure_allow_remote` if the network itself keeps strangers out"
    )]
    NoSecret {
        /// The address.
        address: SocketAddr,
    },
    /// TLS cannot be used as it is configured.
    #[cfg(feature = "tls")]
    #[error("tls: {0}")]
    Tls(#[from] crate::net::tls::TlsError),
    /// The file of peers cannot be used.
    #[error("peers_file: {}: {cause}", path.display())]
    PeersFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: PeersFileError,
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

/// Why the [file of peers](crate::TcpConfig::peers_file) cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeersFileError {
    /// It cannot be read, or is no text.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It is longer than makes sense.
    #[error("has more than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: u64,
    },
    /// One of its lines is no node.
    #[error("line {line}: {cause}")]
    Line {
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it. Its offset counts from the first byte of the line that is not
        /// blank.
        cause: refs::ParseError,
    },
}

/// Why something is not a [`Secret`](crate::Secret).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It could be guessed.
    #[error(
        "a secret has at least 32 bytes, this one has {len}; `obit keygen FILE` or `cargo xtask keygen FILE` makes one"
    )]
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
    /// Others than the file's owner can open it.
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
