//! The settings of a node over TCP.

use std::{net::SocketAddr, time::Duration};

use refs::{ChannelName, IntoRef, NodeSpec};

use super::Config;
#[cfg(feature = "tls")]
use crate::tcp::Tls;
use crate::tcp::{Heartbeat, Secret, TcpConfig};

/// Settings for [`Node::start`](crate::Node::start). They mean nothing to
/// [`Node::with_service`](crate::Node::with_service).
impl Config {
    /// What the nodes of the cluster share, and prove to each other. Without it, and without TLS, a
    /// node listens and dials on loopback addresses only.
    #[must_use]
    #[doc(alias = "setcookie")]
    pub fn secret(self, secret: Secret) -> Self {
        self.tcp(|tcp| tcp.secret(secret))
    }

    /// Encrypts all connections, and binds the name of every node to its certificate. All nodes
    /// need it. None by default. How to make the certificates is told at [`Tls`].
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

    /// Another secret that is accepted from peers, while the cluster changes from one to the next.
    /// At most 8. How to do that in three rounds of restarts is told at [`TcpConfig::also_accept`].
    #[must_use]
    pub fn also_accept(self, secret: Secret) -> Self {
        self.tcp(|tcp| tcp.also_accept(secret))
    }

    /// Which cluster this is, at most 64 bytes: nodes of different clusters do not connect. Empty
    /// by default.
    #[must_use]
    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        self.tcp(|tcp| tcp.cluster(cluster))
    }

    /// Where to listen. By default what the host and port of the node's name lead to.
    #[must_use]
    pub fn listen(self, address: SocketAddr) -> Self {
        self.tcp(|tcp| tcp.listen(address))
    }

    /// Nodes to connect to at start, and again whenever they are lost; also, where they can be
    /// reached.
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
    pub fn peers(mut self, peers: impl IntoIterator<Item = impl IntoRef<NodeSpec>>) -> Self {
        let peers = self.parsed(peers);
        self.tcp(|tcp| tcp.peers(peers))
    }

    /// Channels beside the default one, at most seven: see [`TcpConfig::channels`] and
    /// [`Node::channel`](crate::Node::channel).
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = impl IntoRef<ChannelName>>) -> Self {
        let channels = self.parsed(channels);
        self.tcp(|tcp| tcp.channels(channels))
    }

    /// Whether the node is hidden: its sessions are told to those only who ask for hidden nodes.
    /// False by default.
    #[must_use]
    pub fn hidden(self, hidden: bool) -> Self {
        self.tcp(|tcp| tcp.hidden(hidden))
    }

    /// A ping is sent after `interval` without sending or without hearing anything; a session ends
    /// after `timeout` without hearing anything: at least two intervals. 1 s and 5 s by default.
    /// The interval is at least 1 ms. From 100 years on, the interval means that no more pings are
    /// sent, and the timeout that silence never ends a session. The nodes of a cluster need not
    /// agree. Unless [`Config::setup_timeout`] is called, it becomes `timeout`, too, within 1 s and
    /// 15 s.
    #[must_use]
    #[doc(alias = "net_ticktime")]
    pub fn heartbeat(self, interval: Duration, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat { interval, timeout }))
    }

    /// [`Config::heartbeat`] of 100 ms and 500 ms, and a [`Config::setup_timeout`] of 1 s unless
    /// that is called: for one rack, on machines that are not overloaded.
    #[must_use]
    pub fn fast(self) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat::fast()))
    }

    /// [`Config::heartbeat`] of 2.5 s and 15 s, and a [`Config::setup_timeout`] of 15 s unless that
    /// is called: for links between sites.
    #[must_use]
    pub fn wan(self) -> Self {
        self.tcp(|tcp| tcp.heartbeat(Heartbeat::wan()))
    }

    /// Whether a session is read again and again for 100 us after something has come, before its
    /// node's thread sleeps: see [`TcpConfig::low_latency`]. False by default.
    #[must_use]
    pub fn low_latency(self, spin: bool) -> Self {
        self.tcp(|tcp| tcp.low_latency(spin))
    }

    /// Maximum time for looking up, connecting and shaking hands together, whatever preset or
    /// heartbeat is set before or afterwards. By default that of the preset or heartbeat: 5 s, 1 s
    /// with [`Config::fast`], 15 s with [`Config::wan`]. At least 1 ms; without limit from 100
    /// years on.
    #[must_use]
    #[doc(alias = "net_setuptime")]
    pub fn setup_timeout(self, timeout: Duration) -> Self {
        self.tcp(|tcp| tcp.setup_timeout(timeout))
    }

    /// Serves and dials addresses other than loopback without a secret or TLS: everybody who can
    /// reach them can join. False by default.
    #[must_use]
    pub fn insecure_allow_remote(self, allow: bool) -> Self {
        self.tcp(|tcp| tcp.insecure_allow_remote(allow))
    }

    /// Everything else that can be set for TCP. Settings of another node's name are
    /// [`StartError::Field`](crate::StartError::Field) at the start.
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

    /// The values, without those that are no `T`. The start reports the first of these.
    fn parsed<T>(&mut self, texts: impl IntoIterator<Item = impl IntoRef<T>>) -> Vec<T> {
        let mut values = Vec::new();
        for text in texts {
            match text.into_ref() {
                Ok(value) => values.push(value),
                Err(error) => drop(self.invalid.get_or_insert(error)),
            }
        }
        values
    }
}
