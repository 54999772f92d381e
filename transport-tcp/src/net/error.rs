//! Errors of connecting to a node, before anything of Obit's protocol was sent.

use std::io;

use peer_service::EndKind;
use thiserror::Error;

#[cfg(feature = "tls")]
use self::tls::Problem;
use crate::platform::is_out_of_descriptors;

#[cfg(feature = "tls")]
pub(crate) mod tls;

/// See the [module](self).
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the connection failed: {0}")]
    Io(io::Error),
    #[error("no address: {0}")]
    Unresolved(io::Error),
    #[error("without a secret or TLS only loopback addresses are dialed")]
    Unsecured,
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(#[from] Problem),
    #[error("the peer closed the connection")]
    Closed,
    #[error("not finished in time")]
    Timeout,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        #[cfg(feature = "tls")]
        let error = match error.downcast() {
            Ok(problem) => return ConnectError::Tls(problem),
            Err(error) => error,
        };
        ConnectError::Io(error)
    }
}

impl ConnectError {
    /// The kind of end to report at the node that dialed.
    pub(crate) fn end_kind(&self) -> EndKind {
        use io::ErrorKind;
        match self {
            ConnectError::Io(error) | ConnectError::Unresolved(error) if is_out_of_descriptors(error) => {
                EndKind::Quota
            }
            ConnectError::Io(error) => match error.kind() {
                ErrorKind::TimedOut => EndKind::SetupTimeout,
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => EndKind::Refused,
                _ => EndKind::Unreachable,
            },
            ConnectError::Closed => EndKind::Refused,
            ConnectError::Unresolved(_) => EndKind::Unreachable,
            ConnectError::Timeout => EndKind::SetupTimeout,
            #[cfg(feature = "tls")]
            ConnectError::Tls(_) => EndKind::AuthFailed,
            ConnectError::Unsecured => EndKind::AuthFailed,
        }
    }

    /// Whether the peer's certificate does not contain the name that the peer claims.
    pub(crate) fn is_wrong_name(&self) -> bool {
        #[cfg(feature = "tls")]
        return matches!(self, ConnectError::Tls(Problem::WrongName { .. } | Problem::Name(_)));
        #[cfg(not(feature = "tls"))]
        return false;
    }
}
