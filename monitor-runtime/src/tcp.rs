//! The only file that names the transport over TCP.

use std::{net::SocketAddr, sync::Arc};

use peer_service::{PeerService, Spawner};
use refs::Incarnation;
use transport_tcp::TcpTransport;

pub use transport_tcp::{
    Heartbeat, PeersFileError, Secret, SecretError, StartError as TcpStartError, TcpConfig,
};
#[cfg(feature = "tls")]
pub use transport_tcp::{Tls, TlsError};

/// Starts the transport. Returns it, and the address on which it listens.
///
/// # Errors
/// A setting is out of its limits, or the transport cannot listen on its address.
pub(crate) async fn start(
    config: TcpConfig,
    incarnation: Incarnation,
    spawner: Spawner,
) -> Result<(Arc<dyn PeerService>, SocketAddr), TcpStartError> {
    let transport = TcpTransport::start(config, incarnation, spawner).await?;
    let address = transport.local_addr();
    Ok((transport, address))
}
