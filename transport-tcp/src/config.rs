//! What a transport needs to know, with defaults for all but the name.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use refs::{ChannelName, NodeName, NodeSpec};

#[cfg(feature = "tls")]
use crate::net::tls::Tls;
use crate::{net::security::Security, secret::Secret};

mod ranges;

/// How often a sign of life is sent, and after how much silence a session ends.
///
/// A peer that dies without its connection being closed is noticed `timeout` after its death, give
/// or take an `interval` and a round trip. The two ends of a session need not have the same
/// settings: each pings as often as its own interval says, and the other answers. An end with a
/// longer interval must read often enough for that: what it has not read for the other end's
/// timeout, it has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// A ping is sent when nothing else was sent, or nothing was heard, for that long. 1 s by
    /// default, at least 1 ms. With 100 years or more only the first ping is sent.
    pub interval: Duration,
    /// The session ends when nothing was heard for that long. 5 s by default, at least twice the
    /// interval. With 100 years or more silence never ends a session. The first sign of life of a
    /// session may take [`setup_timeout`](TcpConfig::setup_timeout) longer: the peer may not have
    /// read yet that it was accepted.
    pub timeout: Duration,
}

impl Heartbeat {
    /// 1 s and 5 s, and 5 s for the set-up: the default.
    pub const fn normal() -> Self {
        Heartbeat { interval: Duration::from_secs(1), timeout: Duration::from_secs(5) }
    }

    /// 100 ms and 500 ms, and 1 s for the set-up: for one rack, on machines that are not
    /// overloaded.
    pub const fn fast() -> Self {
        Heartbeat { interval: Duration::from_millis(100), timeout: Duration::from_millis(500) }
    }

    /// 2.5 s and 15 s, and 15 s for the set-up: for connections between sites.
    pub const fn wan() -> Self {
        Heartbeat { interval: Duration::from_millis(2500), timeout: Duration::from_secs(15) }
    }

    /// The [`setup_timeout`](TcpConfig::setup_timeout) of a configuration with this heartbeat that
    /// sets none: as long as the timeout, but not under 1 s and not over 15 s. So a peer that is
    /// frozen is noticed about as soon when it is dialed as when it has a session.
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
/// Each field says which values it takes. [`TcpTransport::start`](crate::TcpTransport::start)
/// checks them before it opens anything, and refuses others with
/// [`StartError::Field`](crate::StartError::Field), which names the field.
///
/// # Fixed limits
///
/// What no field changes:
///
/// | what | limit |
/// |---|---|
/// | between two dials of a peer of the address book | 50 ms after the first failure, doubled with each, up to 30 s; between half of that and all of it, by chance |
/// | before a dial that somebody waits for, after a failure | at most 500 ms |
/// | before a node that was refused because its name is taken dials again by itself | 30 s |
/// | after a session that has lasted that long, the waiting begins anew | 5 s |
/// | addresses that one dial tries | 16, literal ones first |
/// | before a dial tries the next address while those before it have not answered | 250 ms, or less if all must have their share of [`setup_timeout`](Self::setup_timeout) |
/// | lookups of host names in progress at once, in the whole program | 32, and one of each name; each has a thread of its own |
/// | how long a session that was closed in good order waits for the peer to hang up | 1 s |
/// | how long an old session is probed when a peer comes again | 1 s, or the heartbeat's timeout if that is shorter |
/// | connections that wait in the system to be accepted | 4,096, or `net.core.somaxconn` if that is lower |
/// | bytes of a frame before a peer has proved itself | 1 KiB |
/// | bytes of a piece of a long frame | 64 KiB |
/// | long frames that have begun and not ended, per connection and direction | 64, of 64 MiB and 1 KiB together |
/// | with channels: senders of which it is remembered which channels they have used, per session | 65,536; beyond that all are forgotten, and the next last frame of each waits for all channels |
/// | with channels: frames that wait for marks on others, and marks that wait for their frame | 1,048,576, frames of 64 MiB together; beyond that the session ends |
/// | bytes of the file of peers, and of a file of TLS | 1 MiB |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TcpConfig {
    /// The node's name.
    pub name: NodeName,
    /// Where to listen. Default: what the host and port of the name lead to. Port 0 lets the system
    /// choose.
    pub listen: Option<SocketAddr>,
    /// What proves that a node belongs to the cluster. Without it only loopback addresses are
    /// served and dialled, unless [`insecure_allow_remote`](Self::insecure_allow_remote).
    ///
    /// With TLS, which proves more, it is not needed; if it is set, it is asked for inside of TLS.
    #[doc(alias = "setcookie")]
    pub secret: Option<Secret>,
    /// Certificates and a key of this node: with them all connections are encrypted, and a node can
    /// bear no other name than its certificate says. Every node of the cluster needs it. Default:
    /// none.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// Secrets that are accepted from others as well, while the secret is being changed. At most 8.
    ///
    /// To change the secret while the cluster runs, restart its nodes one by one, three times, and
    /// begin no round before the last node has done the one before:
    ///
    /// 1. `secret(old).also_accept(new)`: everybody accepts the new one, nobody uses it yet.
    /// 2. `secret(new).also_accept(old)`: the swap. Nodes of rounds 1 and 2 accept each other.
    /// 3. `secret(new)`: the old one is worth nothing any more.
    pub also_accept: Vec<Secret>,
    /// Which cluster this is, at most 64 bytes: nodes of different clusters do not connect.
    /// Default: empty.
    pub cluster: String,
    /// Whether the node is hidden: its sessions are marked as such at both ends. Default: false.
    pub hidden: bool,
    /// The address book: where peers can be reached. Any number, none by default. All of them are
    /// dialled at start, and redialled for ever. The own name is skipped, so that all nodes can
    /// share one list.
    pub peers: Vec<NodeSpec>,
    /// A file with more of them: a [`NodeSpec`] in every line; blank lines, and what follows a `#`,
    /// do not count. At most 1 MiB. Default: none.
    ///
    /// It is read at start, where anything wrong with it is an error, and looked at again every
    /// [`peers_interval`](Self::peers_interval). A node that was added is dialled; one that was
    /// removed is not redialled any more, and a session that stands goes on. A file that is
    /// malformed or cannot be read changes nothing: the last good list holds, a warning names the
    /// line, and `peers_file_errors` counts. Replace the file by renaming another one, so that it
    /// is never seen half written.
    pub peers_file: Option<PathBuf>,
    /// Names that lead to more of them through the system's resolver, asked again every
    /// [`peers_interval`](Self::peers_interval): for each address `ip` that the host of
    /// `label@host:port` has, there is a node `label@ip:port`. Default: none.
    ///
    /// This is the shape of a headless service of Kubernetes, such as
    /// `app@obit.prod.svc.cluster.local:7001`: let the service publish pods that are not ready yet,
    /// and name each node by the common label and its pod's address, `app@$POD_IP:7001`. Pods of a
    /// `StatefulSet` that shall keep their names over restarts are better listed in
    /// [`peers`](Self::peers), by their own host names:
    /// `app@obit-0.obit.prod.svc.cluster.local:7001`.
    ///
    /// Addresses that come and go are treated like lines of [`peers_file`](Self::peers_file). A
    /// question without an answer, also at start, changes nothing: the last answer holds, and
    /// `peers_dns_errors` counts.
    pub peers_dns: Vec<NodeName>,
    /// How often the file of peers and the resolver are asked, 10 ms to 1 h. Default: 5 s.
    pub peers_interval: Duration,
    /// The channels this node has beside the default one, at most seven: each is a TCP connection
    /// of its own in every session with a peer that has a channel of the same name. What waits on
    /// one holds up no other. All begin and end with the session, each has its signs of life.
    /// Default: none.
    pub channels: Vec<ChannelName>,
    /// Signs of life. Default: 1 s and 5 s.
    #[doc(alias = "net_ticktime")]
    pub heartbeat: Heartbeat,
    /// Whether a session is read again and again for 100 us after something has come, before its
    /// task sleeps. Default: false.
    ///
    /// To be woken takes longer than all else that happens between a question and its answer. This
    /// saves it, as long as answers come within that time; then it keeps a processor busy, of which
    /// there should be one to spare. A session on which nothing comes costs nothing.
    pub low_latency: bool,
    /// Maximum time for looking up, connecting and shaking hands together. Default: [that of the
    /// heartbeat](Heartbeat::setup_timeout), 5 s if that is not changed either. At least 1 ms; with
    /// 100 years or more there is no limit, and incoming connections that prove nothing are closed
    /// only when others need their places.
    #[doc(alias = "net_setuptime")]
    pub setup_timeout: Duration,
    /// It was set by [`TcpConfig::setup_timeout()`], and is kept when the heartbeat changes.
    setup_timeout_is_set: bool,
    /// The most bytes a frame may have, 1 KiB to 64 MiB. Default: 16 MiB and 1 KiB. With a peer
    /// whose limit is lower, that one holds; with one of a version that does not understand
    /// fragments, 1 MiB. What is longer than 65 KiB travels in fragments of that size, between
    /// which others get through.
    pub max_frame: usize,
    /// Soft limit, in bytes, of queued messages per peer and channel: once this much waits,
    /// messages are refused with [`Full`](peer_service::PushError::Full); the last accepted one may
    /// exceed it. 8 MiB by default, at least 1; there is no upper limit.
    #[doc(alias = "zdbbl")]
    pub max_message_queue: usize,
    /// Maximum number of bytes of signals that wait for one peer; beyond it the session ends as
    /// overloaded. A signal that is longer may wait alone. Default: 64 MiB, at least 1; there is no
    /// upper limit.
    pub max_signal_queue: usize,
    /// How many incoming connections may be at their handshake at once, not having proved the
    /// secret yet. Default: 128, at least 1; there is no upper limit.
    ///
    /// When one more comes, the oldest is closed of the address that has most of them, and
    /// `refused_busy` counts. So strangers with fewer addresses than that keep nobody out.
    pub max_pending: usize,
    /// How many of them may come from one address, or from one /64 of IPv6; further ones are
    /// closed, and `refused_busy_address` counts. Default: 64, half of all. At least 1; there is no
    /// upper limit.
    ///
    /// Nodes that share an address, because they run on one machine or behind one NAT, share this
    /// number, and all of them may dial at the same moment, with a connection more for each of
    /// their [`channels`](Self::channels): raise it where that is more. Loopback counts like any
    /// other.
    pub max_pending_per_address: usize,
    /// Serve and dial addresses other than loopback without a secret or TLS: everybody who can
    /// reach them can join. Default: false.
    pub insecure_allow_remote: bool,
}

impl TcpConfig {
    /// The most bytes a cluster id may have.
    pub const MAX_CLUSTER: usize = 64;

    /// The defaults, for the node of that name.
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

    /// Sets [`setup_timeout`](Self::setup_timeout), whatever heartbeat is set before or afterwards.
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

    /// Whether anybody may connect from or at that address: strangers reach what is not loopback.
    pub(crate) fn may_serve(&self, address: SocketAddr) -> bool {
        #[cfg(feature = "tls")]
        let with_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let with_tls = false;
        with_tls || self.secret.is_some() || self.insecure_allow_remote || address.ip().is_loopback()
    }
}
