//! A node before its start: its name and its configuration.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use peer_service::{ChannelName, NodeName, NodeSpec, Spawner};
use refs::{Incarnation, NodeId};
#[cfg(feature = "tls")]
use transport_tcp::Tls;
use transport_tcp::{Heartbeat, Secret, StartError, TcpConfig, TcpTransport};

/// See the [module](self). Its setters are those of the configuration.
#[derive(Clone, Debug)]
pub struct Setup {
    pub name: NodeName,
    pub secret: Option<Secret>,
    pub tcp: TcpConfig,
}

macro_rules! setters {
    ($($setting:ident($value:ty);)*) => {$(
        pub fn $setting(self, value: $value) -> Self {
            Setup { tcp: self.tcp.$setting(value), ..self }
        }
    )*};
}

impl Setup {
    pub fn new(name: &str) -> Self {
        Setup { name: name.parse().unwrap(), secret: None, tcp: TcpConfig::new() }
    }

    pub async fn start(self, incarnation: u64, spawner: Spawner) -> Result<Arc<TcpTransport>, StartError> {
        let node = NodeId::new(self.name, Incarnation::new(incarnation).unwrap());
        let config = self.secret.into_iter().fold(self.tcp, TcpConfig::secret);
        TcpTransport::start(node, config, spawner).await
    }

    pub fn secret(self, secret: Secret) -> Self {
        Setup { secret: Some(secret), ..self }
    }

    pub fn also_accept(self, secret: Secret) -> Self {
        Setup { tcp: self.tcp.also_accept([secret]), ..self }
    }

    pub fn peer(self, peer: NodeSpec) -> Self {
        self.peers([peer])
    }

    pub fn peers(self, peers: impl IntoIterator<Item = NodeSpec>) -> Self {
        Setup { tcp: self.tcp.peers(peers), ..self }
    }

    pub fn peers_dns(self, name: NodeName) -> Self {
        Setup { tcp: self.tcp.peers_dns([name]), ..self }
    }

    pub fn peers_file(self, path: impl Into<PathBuf>) -> Self {
        Setup { tcp: self.tcp.peers_file(path), ..self }
    }

    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        Setup { tcp: self.tcp.cluster(cluster), ..self }
    }

    pub fn channels(self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        Setup { tcp: self.tcp.channels(channels), ..self }
    }

    #[cfg(feature = "tls")]
    pub fn tls(self, tls: Tls) -> Self {
        Setup { tcp: self.tcp.tls(tls), ..self }
    }

    setters! {
        listen(SocketAddr);
        hidden(bool);
        peers_interval(Duration);
        heartbeat(Heartbeat);
        setup_timeout(Duration);
        low_latency(bool);
        max_frame(usize);
        max_message_queue(usize);
        max_signal_queue(usize);
        max_pending(usize);
        max_pending_per_address(usize);
        insecure_allow_remote(bool);
    }
}
