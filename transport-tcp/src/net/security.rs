//! How connections are protected: as they are, or with TLS where it is configured.

use std::net::TcpStream;

use refs::NodeName;
use smol::Async;

use crate::{config::TcpConfig, net::stream::Stream, proto::handshake::Failure};

/// What a node without TLS says to somebody who speaks it, in TLS: the fatal alert that this version of the
/// protocol is not spoken here.
pub(crate) const NO_TLS_HERE: &[u8] = &[0x15, 3, 3, 0, 2, 2, 70];

/// The way to the node of that name.
pub(crate) async fn dial(
    config: &TcpConfig,
    to: &NodeName,
    tcp: Async<TcpStream>,
) -> Result<Stream, Failure> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &config.tls {
        return crate::net::tls::dial(tls, to, tcp).await;
    }
    let _ = (config, to);
    Ok(Stream::plain(tcp))
}

/// The way to whoever has called.
pub(crate) async fn accept(config: &TcpConfig, tcp: Async<TcpStream>) -> Result<Stream, Failure> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &config.tls {
        return crate::net::tls::accept(tls, tcp).await;
    }
    let _ = config;
    Ok(Stream::plain(tcp))
}
