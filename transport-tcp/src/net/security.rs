//! The protection of connections: TLS if it is configured, otherwise none.

use std::net::TcpStream;

use refs::NodeName;
use smol::Async;

use super::{error::ConnectError, stream::Stream};

/// The answer of a node without TLS to a peer that begins with TLS: a TLS record with the fatal
/// alert that this protocol version is not supported.
pub(crate) const NO_TLS_HERE: &[u8] = &[0x15, 3, 3, 0, 2, 2, 70];

/// The protection of a node's connections.
#[derive(Clone, Copy)]
pub(crate) struct Security<'a> {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<&'a super::tls::Tls>,
    #[cfg(not(feature = "tls"))]
    pub(crate) plain: std::marker::PhantomData<&'a ()>,
}

impl Security<'_> {
    /// Secures a connection that the local node has opened. With TLS the peer's certificate is
    /// valid for `to`. No frame of Obit has been sent yet.
    pub(crate) async fn dial(self, to: &NodeName, tcp: Async<TcpStream>) -> Result<Stream, ConnectError> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            return super::tls::dial(tls, to, tcp).await;
        }
        let _ = to;
        Ok(Stream::plain(tcp))
    }

    /// Secures a connection that a peer has opened.
    pub(crate) async fn accept(self, tcp: Async<TcpStream>) -> Result<Stream, ConnectError> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            return super::tls::accept(tls, tcp).await;
        }
        Ok(Stream::plain(tcp))
    }
}
