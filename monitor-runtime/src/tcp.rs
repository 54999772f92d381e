//! A node over TCP: the only file that knows the transport.

use std::{net::SocketAddr, time::Duration};

use refs::{ChannelName, Incarnation, NodeSpec};
use transport_tcp::TcpTransport;

use crate::{
    config::Config,
    error::StartError,
    node::{Node, check_frames},
};

pub use transport_tcp::{
    Heartbeat, PeersFileError, Secret, SecretError, StartError as TcpStartError, TcpConfig,
};
#[cfg(feature = "tls")]
pub use transport_tcp::{Tls, TlsError};

/// Settings for [`Node::start`]. They mean nothing to [`Node::with_service`].
impl Config {
    /// What the nodes of the cluster share, and prove to each other. Without it, and without TLS, a node listens
    /// and dials on loopback addresses only.
    #[must_use]
    #[doc(alias = "setcookie")]
    pub fn secret(self, secret: Secret) -> Self {
        self.tcp(|tcp| tcp.secret(secret))
    }

    /// Encrypts all connections, and binds the name of every node to its certificate. All nodes need it. None by
    /// default. How to make the certificates is told at [`Tls`].
    ///
    /// ```no_run
    /// # use monitor_runtime::{Config, Tls};
    /// let config = Config::new("billing@db1.example:7001".parse()?)
    ///     .tls(Tls::from_pem_files("ca.pem", "node.pem", "node.key")?)
    ///     .peers(["audit@db2.example:7001".parse()?, "web@db3.example=10.0.0.9:7001".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    #[doc(alias = "inet_tls_dist")]
    pub fn tls(self, tls: Tls) -> Self {
        self.tcp(|tcp| tcp.tls(tls))
    }

    /// Another secret that is accepted from peers, while the cluster changes from one to the next. At most 8.
    /// How to do that in three rounds of restarts is told at [`TcpConfig::also_accept`].
    #[must_use]
    pub fn also_accept(self, secret: Secret) -> Self {
        self.tcp(|tcp| tcp.also_accept(secret))
    }

    /// Which cluster this is, at most 64 bytes: nodes of different clusters do not connect. Empty by default.
    #[must_use]
    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        self.tcp(|tcp| tcp.cluster(cluster))
    }

    /// Where to listen. By default what the host and port of the node's name lead to.
    #[must_use]
    pub fn listen(self, address: SocketAddr) -> Self {
        self.tcp(|tcp| tcp.listen(address))
    }

    /// Nodes to connect to at start, and again whenever they are lost; also, where they can be reached.
    ///
    /// If they come and go, set [`TcpConfig::peers_file`] or [`TcpConfig::peers_dns`]:
    ///
    /// ```
    /// # use monitor_runtime::Config;
    /// let config = Config::new("app@10.0.0.7:7001".parse()?);
    /// let dns = "app@obit.prod.svc.cluster.local:7001".parse()?;
    /// let config = config.tcp(|tcp| tcp.peers_file("peers.txt").peers_dns(dns));
    /// # Ok::<(), monitor_runtime::ParseError>(())
    /// ```
    #[must_use]
    #[doc(alias = "epmd")]
    pub fn peers(self, peers: impl IntoIterator<Item = NodeSpec>) -> Self {
        self.tcp(|tcp| tcp.peers(peers))
    }

    /// Channels beside the default one, at most seven: see [`TcpConfig::channels`] and [`Node::channel`].
    #[must_use]
    pub fn channels(self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.tcp(|tcp| tcp.channels(channels))
    }

    /// Whether the node is hidden: its sessions are told to those only who ask for hidden nodes. False by
    /// default.
    #[must_use]
    pub fn hidden(self, hidden: bool) -> Self {
        self.tcp(|tcp| tcp.hidden(hidden))
    }

    /// A ping is sent after `interval` without sending or without hearing anything; a session ends after `timeout`
    /// without hearing anything: at least two intervals. 1 s and 5 s by default. The interval is at least 1 ms. From 100 years
    /// on, the interval means that no more pings are sent, and the timeout that silence never ends a session. The nodes of a
    /// cluster need not agree.
    /// Unless [`Config::setup_timeout`] is called, it becomes `timeout`, too, within 1 s and 15 s.
    #[must_use]
    #[doc(alias = "net_ticktime")]
    pub fn heartbeat(self, interval: Duration, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat { interval, timeout }))
    }

    /// [`Config::heartbeat`] of 100 ms and 500 ms, and a [`Config::setup_timeout`] of 1 s unless that is called: for one
    /// rack, on machines that are not overloaded.
    #[must_use]
    pub fn fast(self) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat::fast()))
    }

    /// [`Config::heartbeat`] of 2.5 s and 15 s, and a [`Config::setup_timeout`] of 15 s unless that is called: for links
    /// between sites.
    #[must_use]
    pub fn wan(self) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat::wan()))
    }

    /// Whether a session is read again and again for 100 us after something has come, before its node's thread sleeps: see
    /// [`TcpConfig::low_latency`]. False by default.
    #[must_use]
    pub fn low_latency(self, spin: bool) -> Self {
        self.tcp(|tcp| tcp.low_latency(spin))
    }

    /// Maximum time for looking up, connecting and shaking hands together, whatever preset or heartbeat is set before or
    /// afterwards. By default that of the preset or heartbeat: 5 s, 1 s with [`Config::fast`], 15 s with [`Config::wan`]. At
    /// least 1 ms; without limit from 100 years on.
    #[must_use]
    #[doc(alias = "net_setuptime")]
    pub fn setup_timeout(self, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.setup_timeout(timeout))
    }

    /// Serves and dials addresses other than loopback without a secret or TLS: everybody who can reach them can
    /// join. False by default.
    #[must_use]
    pub fn insecure_allow_remote(self, allow: bool) -> Self {
        self.tcp(|tcp| tcp.insecure_allow_remote(allow))
    }

    /// Everything else that can be set for TCP. Settings of another node's name are [`StartError::Field`] at the start.
    ///
    /// ```
    /// # use monitor_runtime::Config;
    /// let config = Config::new("a@127.0.0.1:7001".parse()?).tcp(|tcp| tcp.max_pending(32));
    /// # Ok::<(), monitor_runtime::ParseError>(())
    /// ```
    #[must_use]
    pub fn tcp(mut self, set: impl FnOnce(TcpConfig) -> TcpConfig) -> Self {
        self.tcp = set(self.tcp);
        self
    }
}

impl Node {
    /// Starts a node over TCP, in a new life of it.
    ///
    /// Cancel-safe: dropped before it is done, it leaves no node and no listener behind.
    ///
    /// ```
    /// # use monitor_runtime::{Config, Node, Secret};
    /// # smol::block_on(async {
    /// let config = Config::new("a@127.0.0.1".parse()?).listen("127.0.0.1:0".parse()?).secret(Secret::generate());
    /// let node = Node::start(config).await?;
    /// # node.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StartError::Field`] if a field of [`Config`] is out of its limits; [`StartError::Tcp`] if one of [`TcpConfig`] is,
    /// or the address cannot be listened on; [`StartError::FramesTooSmall`] if [`TcpConfig::max_frame`] is too small for
    /// signals; [`StartError::Random`], [`StartError::Thread`]. Never [`StartError::WrongName`].
    #[doc(alias = "epmd")]
    #[doc(alias = "net_kernel")]
    pub async fn start(config: Config) -> Result<Node, StartError> {
        // Before there is a thread or a socket.
        config.check()?;
        config.tcp.check()?;
        check_frames(config.tcp.max_frame)?;
        let runner = config.runner()?;
        let incarnation = incarnation()?;
        let transport = TcpTransport::start(config.tcp.clone(), incarnation, runner.engine.clone()).await?;
        let address = transport.local_addr();
        Node::assemble(config, transport, runner, Some(address))
    }
}

fn incarnation() -> Result<Incarnation, StartError> {
    loop {
        // Zero is no incarnation, and comes once in 2^64 tries.
        if let Some(incarnation) = Incarnation::new(getrandom::u64().map_err(StartError::Random)?) {
            return Ok(incarnation);
        }
    }
}
