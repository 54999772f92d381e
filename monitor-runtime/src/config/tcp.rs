//! Settings of a node over TCP.

use std::{net::SocketAddr, time::Duration};

use refs::{ChannelName, IntoRef, NodeSpec};

use super::Config;
#[cfg(feature = "tls")]
use crate::tcp::Tls;
use crate::tcp::{Heartbeat, Preset, Secret, TcpConfig};

/// Settings for [`Node::start`](crate::Node::start).
/// [`Node::with_service`](crate::Node::with_service) ignores them.
impl Config {
    /// The secret that the nodes of the cluster share, and whose possession they prove to each
    /// other. Without it, and without TLS, a node listens and dials on loopback addresses only.
    #[must_use]
    #[doc(alias = "setcookie")]
    pub fn secret(self, secret: Secret) -> Self {
        self.tcp(|tcp| tcp.secret(secret))
    }

    /// Encrypts all connections, and binds the name of every node to its certificate. All nodes of
    /// the cluster need it. Off by default. [`Tls`] describes how to make the certificates.
    ///
    /// ```no_run
    /// # use monitor_runtime::{Config, Tls};
    /// let config = Config::new("billing@db1.example:7001")
    ///     .tls(Tls::from_pem_files("ca.pem", "node.pem", "node.key")?)
    ///     .peers(["audit@db2.example:7001", "web@db3.example=10.0.0.9:7001"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    #[doc(alias = "inet_tls_dist")]
    pub fn tls(self, tls: Tls) -> Self {
        self.tcp(|tcp| tcp.tls(tls))
    }

    /// Secrets that are also accepted from peers, for the time in which the cluster changes its
    /// secret. At most 8, none by default. [`TcpConfig::also_accept`] describes how to do that in
    /// three rounds of restarts.
    #[must_use]
    pub fn also_accept(self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.tcp(|tcp| tcp.also_accept(secrets))
    }

    /// The name of the cluster, at most 64 bytes. Nodes of different clusters do not connect. Empty
    /// by default.
    #[must_use]
    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        self.tcp(|tcp| tcp.cluster(cluster))
    }

    /// The address to listen on. By default the host and port of the node's name.
    #[must_use]
    pub fn listen(self, address: SocketAddr) -> Self {
        self.tcp(|tcp| tcp.listen(address))
    }

    /// Nodes to connect to at start, and to redial whenever their connection is lost. Also the
    /// addresses of these nodes.
    ///
    /// If the set of nodes changes, use [`TcpConfig::peers_file`] or [`TcpConfig::peers_dns`]:
    ///
    /// ```
    /// # use monitor_runtime::Config;
    /// let config = Config::new("app@10.0.0.7:7001");
    /// let dns = "app@obit.prod.svc.cluster.local:7001".parse()?;
    /// let config = config.tcp(|tcp| tcp.peers_file("peers.txt").peers_dns([dns]));
    /// # Ok::<(), monitor_runtime::ParseError>(())
    /// ```
    #[must_use]
    #[doc(alias = "epmd")]
    pub fn peers(mut self, peers: impl IntoIterator<Item = impl IntoRef<NodeSpec>>) -> Self {
        let peers = self.parsed("peers", peers);
        self.tcp(|tcp| tcp.peers(peers))
    }

    /// Channels beside the default one, at most seven: see [`TcpConfig::channels`] and
    /// [`Node::channel`](crate::Node::channel).
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = impl IntoRef<ChannelName>>) -> Self {
        let channels = self.parsed("channels", channels);
        self.tcp(|tcp| tcp.channels(channels))
    }

    /// Whether the node is hidden: its sessions are reported only to subscriptions that include
    /// hidden nodes. False by default.
    #[must_use]
    pub fn hidden(self, hidden: bool) -> Self {
        self.tcp(|tcp| tcp.hidden(hidden))
    }

    /// The heartbeat, in place of that of the [preset](Config::preset). The node sends a ping after
    /// `interval` without sending or without receiving anything, and ends a session after `timeout`
    /// without receiving anything. 1 s and 5 s by default. The interval is at least 1 ms, the
    /// timeout at least two intervals. An interval of 100 years or more turns pings off; a timeout
    /// of 100 years or more means that silence never ends a session. The nodes of a cluster may
    /// have different settings. Unless [`Config::setup_timeout`] is called, `timeout` is also the
    /// setup timeout, limited to 1 s to 15 s.
    #[must_use]
    #[doc(alias = "net_ticktime")]
    pub fn heartbeat(self, interval: Duration, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat::new(interval, timeout)))
    }

    /// The times that depend on the kind of network, such as the heartbeat. [`Preset`] lists them.
    /// A time that is set wins over the preset, whichever is called first. [`Preset::Normal`] by
    /// default.
    #[must_use]
    pub fn preset(self, preset: Preset) -> Self {
        self.tcp(|tcp| tcp.preset(preset))
    }

    /// The same as [`Config::preset`] with [`Preset::Fast`]: a heartbeat of 100 ms and 500 ms, and
    /// more. For one rack, on machines that are not overloaded.
    #[must_use]
    pub fn fast(self) -> Self {
        self.tcp(|tcp| tcp.preset(Preset::Fast))
    }

    /// The same as [`Config::preset`] with [`Preset::Wan`]: a heartbeat of 2.5 s and 15 s, and
    /// more. For connections between sites.
    #[must_use]
    pub fn wan(self) -> Self {
        self.tcp(|tcp| tcp.preset(Preset::Wan))
    }

    /// Whether a session polls its connection for 100 us after received data, before the node's
    /// thread sleeps: see [`TcpConfig::low_latency`]. False by default.
    #[must_use]
    pub fn low_latency(self, spin: bool) -> Self {
        self.tcp(|tcp| tcp.low_latency(spin))
    }

    /// Maximum time for lookup, connection and handshake together. The default depends on the
    /// preset or heartbeat: 5 s, 1 s with [`Config::fast`], 15 s with [`Config::wan`]. At least 1
    /// ms; 100 years or more mean no limit.
    #[must_use]
    #[doc(alias = "net_setuptime")]
    pub fn setup_timeout(self, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.setup_timeout(timeout))
    }

    /// Whether the node listens and dials on addresses other than loopback without a secret or TLS.
    /// Every host that can reach them can then join the cluster. False by default.
    #[must_use]
    pub fn insecure_allow_remote(self, allow: bool) -> Self {
        self.tcp(|tcp| tcp.insecure_allow_remote(allow))
    }

    /// Changes any other setting of the TCP transport.
    ///
    /// ```
    /// # use monitor_runtime::Config;
    /// let config = Config::new("a@127.0.0.1:7001").tcp(|tcp| tcp.max_pending(32));
    /// # Ok::<(), monitor_runtime::ParseError>(())
    /// ```
    #[must_use]
    pub fn tcp(mut self, set: impl FnOnce(TcpConfig) -> TcpConfig) -> Self {
        self.tcp = set(self.tcp);
        self
    }

    /// The values of a setting. If a text is no `T`, none, and the start reports the first such
    /// text.
    fn parsed<T>(
        &mut self,
        setting: &'static str,
        texts: impl IntoIterator<Item = impl IntoRef<T>>,
    ) -> Vec<T> {
        self.invalid.remove(setting);
        let values: Result<Vec<T>, _> = texts.into_iter().map(IntoRef::into_ref).collect();
        values.unwrap_or_else(|error| {
            self.invalid.insert(setting, error);
            Vec::new()
        })
    }
}
