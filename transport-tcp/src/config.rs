//! The configuration of a transport. Every field except the name has a default.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use refs::{ChannelName, NodeName, NodeSpec};

#[cfg(feature = "tls")]
use crate::net::tls::Tls;
use crate::{net::security::Security, secret::Secret};

mod ranges;

/// How often pings are sent, and after how much silence a session ends.
///
/// A peer that dies without its connection being closed is detected `timeout` after its death, give
/// or take an `interval` and a round trip. The two ends of a session need not have the same
/// settings: each end pings at its own interval, and the other end answers. A node answers a ping
/// when it reads it, so an end with a longer interval must still read often enough: a ping that it
/// leaves unread for the other end's timeout ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// A ping is sent when nothing else was sent, or nothing was received, for this long. 1 s by
    /// default, at least 1 ms. With 100 years or more only the first ping is sent.
    pub interval: Duration,
    /// The session ends when nothing was received for this long. 5 s by default, at least twice the
    /// interval. With 100 years or more silence never ends a session. The first bytes of a session
    /// may take [`setup_timeout`](TcpConfig::setup_timeout) longer: the peer may not have read yet
    /// that it was accepted.
    pub timeout: Duration,
}

impl Heartbeat {
    /// Interval 1 s, timeout 5 s, set-up timeout 5 s: the default.
    pub const fn normal() -> Self {
        Heartbeat { interval: Duration::from_secs(1), timeout: Duration::from_secs(5) }
    }

    /// Interval 100 ms, timeout 500 ms, set-up timeout 1 s: for one rack, on machines that are not
    /// overloaded.
    pub const fn fast() -> Self {
        Heartbeat { interval: Duration::from_millis(100), timeout: Duration::from_millis(500) }
    }

    /// Interval 2.5 s, timeout 15 s, set-up timeout 15 s: for connections between sites.
    pub const fn wan() -> Self {
        Heartbeat { interval: Duration::from_millis(2500), timeout: Duration::from_secs(15) }
    }

    /// The [`setup_timeout`](TcpConfig::setup_timeout) of a configuration with this heartbeat that
    /// sets none: the heartbeat's timeout, but at least 1 s and at most 15 s. A frozen peer is
    /// therefore detected about as soon during a dial as during a session.
    pub const fn setup_timeout(self) -> Duration {
        const LEAST: Duration = Duration::from_secs(1);
        const MOST: Duration = Duration::from_secs(15);
        if self.timeout.as_nanos() < LEAST.as_nanos() {
            LEAST
        } else if self.timeout.as_nanos() > MOST.as_nanos() {
            MOST
        } else {
            self.timeout
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat::normal()
    }
}

/// The configuration of a `TcpTransport`.
///
/// ```
/// # use transport_tcp::{Heartbeat, Secret, TcpConfig};
/// let config = TcpConfig::new("a@127.0.0.1:7001".parse()?)
///     .secret(Secret::generate())
///     .heartbeat(Heartbeat::fast())
///     .peer("b@127.0.0.1:7002".parse()?);
/// # Ok::<(), refs::ParseError>(())
/// ```
///
/// # Ranges
///
/// Each field states its valid values. [`TcpTransport::start`](crate::TcpTransport::start) checks
/// them before it opens anything, and refuses other values with
/// [`StartError::Field`](crate::StartError::Field), which names the field.
///
/// # Fixed limits
///
/// No field changes these:
///
/// | what | limit |
/// |---|---|
/// | between two dials of a peer of the address book | 50 ms after the first failure, doubled with each, up to 30 s; a random time between half of that and all of it |
/// | delay of a dial that a caller waits for, after a failure | at most 500 ms |
/// | before a node that was refused because its name is taken redials on its own | 30 s |
/// | duration of a session after which the redial delay starts again at 50 ms | 5 s |
/// | maximum number of addresses that one dial tries | 16, literal ones first |
/// | delay before a dial also tries the next address, while the earlier ones have not answered | 250 ms, or less if all addresses would not fit into [`setup_timeout`](Self::setup_timeout) |
/// | concurrent lookups of host names, in the whole program | 32, and one per name; each runs on its own thread |
/// | maximum time that a session closed with a goodbye waits for the peer to close its side | 1 s |
/// | how long an old session is probed when its peer connects again | 1 s, or the heartbeat's timeout if that is shorter |
/// | length of the system's accept queue | 4,096, or `net.core.somaxconn` if that is lower |
/// | length of a frame from an unauthenticated peer | 1 KiB |
/// | length of a fragment of a long frame | 64 KiB |
/// | unfinished long frames, per connection and direction | 64, of 64 MiB and 1 KiB together |
/// | with channels: senders whose used channels a session remembers | 65,536; beyond that it forgets all of them, and the next final frame of each sender waits for all channels |
/// | with channels: frames that wait for marks on other channels, and marks that wait for their frame | 1,048,576, the frames up to 64 MiB in total; beyond that the session ends |
/// | size of the file of peers, and of each TLS file | 1 MiB |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TcpConfig {
    /// The node's name.
    pub name: NodeName,
    /// The address to listen on. Default: the addresses to which the host and port of the name
    /// resolve. Port 0 lets the system choose.
    pub listen: Option<SocketAddr>,
    /// The secret by which a node proves that it belongs to the cluster. Without it the node serves
    /// and dials loopback addresses only, unless
    /// [`insecure_allow_remote`](Self::insecure_allow_remote) is set.
    ///
    /// With TLS, which proves more, no secret is needed; if it is set, peers must prove it inside
    /// TLS.
    #[doc(alias = "setcookie")]
    pub secret: Option<Secret>,
    /// Certificates and the key of this node. They encrypt all connections, and a node can use no
    /// other name than the one in its certificate. Every node of the cluster needs them. Default:
    /// none.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// Secrets that are also accepted from peers while the secret is being changed. At most 8.
    ///
    /// To change the secret while the cluster runs, restart its nodes one by one, three times.
    /// Begin no round before the last node has completed the previous one:
    ///
    /// 1. `secret(old).also_accept(new)`: every node accepts the new secret, no node uses it yet.
    /// 2. `secret(new).also_accept(old)`: the swap. Nodes of rounds 1 and 2 accept each other.
    /// 3. `secret(new)`: no node accepts the old secret any more.
    pub also_accept: Vec<Secret>,
    /// The id of the cluster, at most 64 bytes: nodes of different clusters do not connect.
    /// Default: empty.
    pub cluster: String,
    /// Whether the node is hidden: its sessions are marked as such at both ends. Default: false.
    pub hidden: bool,
    /// The address book: the peers and their addresses. Any number, none by default. The node dials
    /// all of them at start and redials them for ever. It skips its own name, so that all nodes can
    /// share one list.
    pub peers: Vec<NodeSpec>,
    /// A file with more peers: one [`NodeSpec`] per line; blank lines, and text after a `#`, are
    /// ignored. At most 1 MiB. Default: none.
    ///
    /// It is read at start, where any fault in it is an error, and again every
    /// [`peers_interval`](Self::peers_interval). An added node is dialed; a removed node is not
    /// redialed any more, and an existing session with it continues. A file that is malformed or
    /// cannot be read changes nothing: the last valid list stays in use, a warning names the line,
    /// and `peers_file_errors` counts. Replace the file by renaming another one, so that it is
    /// never read half written.
    pub peers_file: Option<PathBuf>,
    /// Names that the system's resolver turns into more peers, again every
    /// [`peers_interval`](Self::peers_interval): each address `ip` of the host of `label@host:port`
    /// is a node `label@ip:port`. Default: none.
    ///
    /// This suits a headless service of Kubernetes, such as `app@obit.prod.svc.cluster.local:7001`:
    /// let the service publish pods that are not ready yet, and name each node by the common label
    /// and its pod's address, `app@$POD_IP:7001`. Pods of a `StatefulSet` that are to keep their
    /// names over restarts are better listed in [`peers`](Self::peers), by their own host names:
    /// `app@obit-0.obit.prod.svc.cluster.local:7001`.
    ///
    /// Added and removed addresses are treated like lines of [`peers_file`](Self::peers_file). A
    /// failed lookup, also at start, changes nothing: the last answer stays in use, and
    /// `peers_dns_errors` counts.
    pub peers_dns: Vec<NodeName>,
    /// How often the file of peers is read and the resolver is asked, 10 ms to 1 h. Default: 5 s.
    pub peers_interval: Duration,
    /// The channels of this node beside the default one, at most seven. Each is a TCP connection of
    /// its own in every session with a peer that has a channel of the same name. A delay on one
    /// channel delays no other. All begin and end with the session, and each has its own heartbeat.
    /// Default: none.
    pub channels: Vec<ChannelName>,
    /// The heartbeat. Default: interval 1 s, timeout 5 s.
    #[doc(alias = "net_ticktime")]
    pub heartbeat: Heartbeat,
    /// Whether the reading task of a session polls it for 100 us after each arrival before it
    /// sleeps. Default: false.
    ///
    /// Waking a task takes longer than everything else between a request and its reply. Polling
    /// avoids that if the reply arrives within that time, and keeps a processor busy meanwhile: one
    /// should be to spare. An idle session costs nothing.
    pub low_latency: bool,
    /// Maximum time for lookup, connecting and the handshake together. Default: [that of the
    /// heartbeat](Heartbeat::setup_timeout), 5 s if that is not changed either. At least 1 ms; with
    /// 100 years or more there is no limit, and inbound connections that prove nothing are closed
    /// only when others need their places.
    #[doc(alias = "net_setuptime")]
    pub setup_timeout: Duration,
    /// Whether [`TcpConfig::setup_timeout()`] was called: a later change of the heartbeat then
    /// leaves the set-up timeout alone.
    setup_timeout_is_set: bool,
    /// Maximum length of a frame in bytes, 1 KiB to 64 MiB. Default: 16 MiB and 1 KiB. If the
    /// peer's limit is lower, that limit applies; for a peer whose version does not support
    /// fragments, it is 1 MiB. A frame longer than 65 KiB is sent in fragments of that size,
    /// between which other frames are sent.
    pub max_frame: usize,
    /// Soft limit, in bytes, of queued messages per peer and channel: once this much is queued,
    /// messages are refused with [`Full`](peer_service::PushError::Full); the last accepted one may
    /// exceed it. 8 MiB by default, at least 1; there is no upper limit.
    #[doc(alias = "zdbbl")]
    pub max_message_queue: usize,
    /// Maximum number of bytes of queued signals for one peer; beyond it the session ends as
    /// overloaded. A longer signal may be queued alone. Default: 64 MiB, at least 1; there is no
    /// upper limit.
    pub max_signal_queue: usize,
    /// Maximum number of inbound connections in their handshake at once, before they have proved
    /// the secret. Default: 128, at least 1; there is no upper limit.
    ///
    /// When one more arrives, the oldest connection of the address that has most of them is closed,
    /// and `refused_busy` counts. An attacker with fewer addresses than this number therefore keeps
    /// no node out.
    pub max_pending: usize,
    /// Maximum number of those connections from one address, or from one /64 of IPv6; further ones
    /// are closed, and `refused_busy_address` counts. Default: 64, half of all. At least 1; there
    /// is no upper limit.
    ///
    /// Nodes that share an address, because they run on one machine or behind one NAT, share this
    /// number. All of them may dial at the same moment, with one more connection for each of their
    /// [`channels`](Self::channels): raise the limit if that exceeds it. Loopback counts like any
    /// other address.
    pub max_pending_per_address: usize,
    /// Serve and dial addresses other than loopback without a secret or TLS: every program that can
    /// reach them can join. Default: false.
    pub insecure_allow_remote: bool,
}

impl TcpConfig {
    /// Maximum length of a cluster id in bytes.
    pub const MAX_CLUSTER: usize = 64;

    /// The default configuration of the node with this name.
    pub const fn new(name: NodeName) -> Self {
        TcpConfig {
            name,
            listen: None,
            secret: None,
            #[cfg(feature = "tls")]
            tls: None,
            also_accept: Vec::new(),
            cluster: String::new(),
            hidden: false,
            peers: Vec::new(),
            peers_file: None,
            peers_dns: Vec::new(),
            peers_interval: Duration::from_secs(5),
            channels: Vec::new(),
            heartbeat: Heartbeat::normal(),
            low_latency: false,
            setup_timeout: Heartbeat::normal().setup_timeout(),
            setup_timeout_is_set: false,
            max_frame: (16 << 20) + (1 << 10),
            max_message_queue: 8 << 20,
            max_signal_queue: 64 << 20,
            max_pending: 128,
            max_pending_per_address: 64,
            insecure_allow_remote: false,
        }
    }

    /// Sets [`listen`](Self::listen).
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Sets [`secret`](Self::secret).
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Sets [`tls`](Self::tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds to [`also_accept`](Self::also_accept).
    #[must_use]
    pub fn also_accept(mut self, secret: Secret) -> Self {
        self.also_accept.push(secret);
        self
    }

    /// Sets [`cluster`](Self::cluster).
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// Sets [`hidden`](Self::hidden).
    #[must_use]
    pub const fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// Adds one of [`peers`](Self::peers).
    #[must_use]
    pub fn peer(mut self, peer: NodeSpec) -> Self {
        self.peers.push(peer);
        self
    }

    /// Adds to [`peers`](Self::peers).
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = NodeSpec>) -> Self {
        self.peers.extend(peers);
        self
    }

    /// Sets [`peers_file`](Self::peers_file).
    #[must_use]
    pub fn peers_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.peers_file = Some(path.into());
        self
    }

    /// Adds one of [`peers_dns`](Self::peers_dns).
    ///
    /// ```
    /// # use transport_tcp::TcpConfig;
    /// # let pod_ip = "10.0.0.7";
    /// let config = TcpConfig::new(format!("app@{pod_ip}:7001").parse()?)
    ///     .peers_dns("app@obit.prod.svc.cluster.local:7001".parse()?);
    /// # Ok::<(), refs::ParseError>(())
    /// ```
    #[must_use]
    pub fn peers_dns(mut self, name: NodeName) -> Self {
        self.peers_dns.push(name);
        self
    }

    /// Sets [`peers_interval`](Self::peers_interval).
    #[must_use]
    pub const fn peers_interval(mut self, interval: Duration) -> Self {
        self.peers_interval = interval;
        self
    }

    /// Adds to [`channels`](Self::channels).
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.channels.extend(channels);
        self
    }

    /// Sets [`heartbeat`](Self::heartbeat), and with it [`setup_timeout`](Self::setup_timeout) to
    /// [that of the heartbeat](Heartbeat::setup_timeout), unless [`TcpConfig::setup_timeout()`] was
    /// or is called.
    #[must_use]
    pub const fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = heartbeat;
        if !self.setup_timeout_is_set {
            self.setup_timeout = heartbeat.setup_timeout();
        }
        self
    }

    /// Sets [`low_latency`](Self::low_latency).
    #[must_use]
    pub const fn low_latency(mut self, spin: bool) -> Self {
        self.low_latency = spin;
        self
    }

    /// Sets [`setup_timeout`](Self::setup_timeout), regardless of the heartbeat set before or
    /// afterwards.
    #[must_use]
    pub const fn setup_timeout(mut self, timeout: Duration) -> Self {
        self.setup_timeout = timeout;
        self.setup_timeout_is_set = true;
        self
    }

    /// Sets [`max_frame`](Self::max_frame).
    #[must_use]
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets [`max_message_queue`](Self::max_message_queue).
    #[must_use]
    pub const fn max_message_queue(mut self, bytes: usize) -> Self {
        self.max_message_queue = bytes;
        self
    }

    /// Sets [`max_signal_queue`](Self::max_signal_queue).
    #[must_use]
    pub const fn max_signal_queue(mut self, bytes: usize) -> Self {
        self.max_signal_queue = bytes;
        self
    }

    /// Sets [`max_pending`](Self::max_pending).
    #[must_use]
    pub const fn max_pending(mut self, connections: usize) -> Self {
        self.max_pending = connections;
        self
    }

    /// Sets [`max_pending_per_address`](Self::max_pending_per_address).
    #[must_use]
    pub const fn max_pending_per_address(mut self, connections: usize) -> Self {
        self.max_pending_per_address = connections;
        self
    }

    /// Sets [`insecure_allow_remote`](Self::insecure_allow_remote).
    #[must_use]
    pub const fn insecure_allow_remote(mut self, allow: bool) -> Self {
        self.insecure_allow_remote = allow;
        self
    }

    /// How connections are protected.
    pub(crate) fn security(&self) -> Security<'_> {
        Security {
            #[cfg(feature = "tls")]
            tls: self.tls.as_ref(),
            #[cfg(not(feature = "tls"))]
            plain: std::marker::PhantomData,
        }
    }

    /// Whether the node may listen on or dial this address: an address other than loopback can be
    /// reached by strangers, so it requires a secret, TLS or explicit permission.
    pub(crate) fn may_serve(&self, address: SocketAddr) -> bool {
        #[cfg(feature = "tls")]
        let with_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let with_tls = false;
        with_tls || self.secret.is_some() || self.insecure_allow_remote || address.ip().is_loopback()
    }
}
