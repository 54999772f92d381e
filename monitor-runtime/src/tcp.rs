//! The only file that names the transport over TCP.

use std::{net::SocketAddr, sync::Arc};

use peer_service::{PeerService, Spawner};
use refs::NodeId;
use transport_tcp::TcpTransport;

pub use transport_tcp::{
    Heartbeat, PeersFileError, Preset, Secret, SecretError, StartError as TcpStartError, TcpConfig,
};
#[cfg(feature = "tls")]
pub use transport_tcp::{Tls, TlsError};

/// Starts the transport of that node. Returns it, and the address on which it listens.
///
/// # Errors
/// A setting is out of its limits, or the transport cannot listen on its address.
pub(crate) async fn start(
    node: NodeId,
    config: TcpConfig,
    spawner: Spawner,
) -> Result<(Arc<dyn PeerService>, SocketAddr), TcpStartError> {
    let transport = TcpTransport::start(node, config, spawner).await?;
    let address = transport.local_addr();
    Ok((transport, address))
}
