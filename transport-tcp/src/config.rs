//! The configuration of a transport. Every setting has a default.
//!
//! | what | where |
//! |---|---|
//! | the heartbeat of a session | `heartbeat` |
//! | the times that depend on the kind of network | `preset` |
//! | the settings as keys of a file | `keys` |
//! | the range of every setting | `ranges` |
//! | the values in use: explicit ones, or those of the preset | `resolved` |

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use refs::{ChannelName, NodeName, NodeSpec};

#[cfg(feature = "tls")]
use crate::net::tls::Tls;
use crate::{net::security::Security, secret::Secret};

mod heartbeat;
#[cfg(feature = "serde")]
mod keys;
mod preset;
mod ranges;
mod resolved;

pub use self::{heartbeat::Heartbeat, preset::Preset};

/// The configuration of a `TcpTransport`.
///
/// ```
/// # use transport_tcp::{Preset, Secret, TcpConfig};
/// let config = TcpConfig::new()
///     .secret(Secret::generate())
///     .preset(Preset::Fast)
///     .peers(["b@127.0.0.1:7002".parse()?]);
/// # Ok::<(), refs::ParseError>(())
/// ```
///
/// # Ranges
///
/// Each setter replaces the value of the setting of its name, and states the default and the valid
/// values. The order of the calls does not matter: a setting wins over the [`preset`](Self::preset)
/// that is set before or afterwards. Getters have the prefix `get_`, because the setters have the
/// plain names. [`TcpTransport::start`](crate::TcpTransport::start) checks
/// the values before it opens anything, and refuses others with
/// [`StartError::Field`](crate::StartError::Field), which names the setting.
///
/// # Fixed limits
///
/// No setting changes these; the [`Preset`] has more times:
///
/// | what | limit |
/// |---|---|
/// | delay of a dial that a caller waits for, after a failure | at most 500 ms |
/// | before a node that was refused because its name is taken redials on its own | 30 s |
/// | duration of a session after which the redial delay starts again at its minimum | 5 s |
/// | maximum number of addresses that one dial tries | 16, literal ones first |
/// | concurrent lookups of host names, in the whole program | 32, and one per name; each runs on its own thread |
/// | length of the system's accept queue | 4,096, or `net.core.somaxconn` if that is lower |
/// | length of a frame from an unauthenticated peer | 1 KiB |
/// | length of a fragment of a long frame | 64 KiB |
/// | unfinished long frames, per connection and direction | 64, of 64 MiB and 1 KiB together |
/// | with channels: senders whose used channels a session remembers | 65,536; beyond that it forgets all of them, and the next final frame of each sender waits for all channels |
/// | with channels: frames that wait for marks on other channels, and marks that wait for their frame | 1,048,576, the frames up to 64 MiB in total; beyond that the session ends |
/// | size of the file of peers, and of each TLS file | 1 MiB |
#[derive(Clone, Debug)]
pub struct TcpConfig {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) secret: Option<Secret>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) also_accept: Vec<Secret>,
    pub(crate) cluster: String,
    pub(crate) hidden: bool,
    pub(crate) peers: Vec<NodeSpec>,
    pub(crate) peers_file: Option<PathBuf>,
    pub(crate) peers_dns: Vec<NodeName>,
    pub(crate) peers_interval: Duration,
    pub(crate) channels: Vec<ChannelName>,
    preset: Preset,
    // `None` in each of these is the value of the preset; `resolved` returns the value in use.
    heartbeat: Option<Heartbeat>,
    setup_timeout: Option<Duration>,
    min_redial_delay: Option<Duration>,
    max_redial_delay: Option<Duration>,
    pub(crate) low_latency: bool,
    pub(crate) max_frame: usize,
    pub(crate) max_message_queue: usize,
    pub(crate) max_signal_queue: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_pending_per_address: usize,
    pub(crate) insecure_allow_remote: bool,
}

impl Default for TcpConfig {
    fn default() -> Self {
        TcpConfig::new()
    }
}

impl TcpConfig {
    /// Maximum length of a cluster id in bytes.
    pub const MAX_CLUSTER: usize = 64;

    /// The default configuration.
    pub const fn new() -> Self {
        TcpConfig {
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
            preset: Preset::Normal,
            heartbeat: None,
            setup_timeout: None,
            min_redial_delay: None,
            max_redial_delay: None,
            low_latency: false,
            max_frame: (16 << 20) + (1 << 10),
            max_message_queue: 8 << 20,
            max_signal_queue: 64 << 20,
            max_pending: 128,
            max_pending_per_address: 64,
            insecure_allow_remote: false,
        }
    }

    /// The address to listen on. Default: the addresses to which the host and port of the name
    /// resolve. Port 0 lets the system choose.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// The secret by which a node proves that it belongs to the cluster. Without it the node serves
    /// and dials loopback addresses only, unless
    /// [`insecure_allow_remote`](Self::insecure_allow_remote) is set.
    ///
    /// With TLS, which proves more, no secret is needed; if it is set, peers must prove it inside
    /// TLS.
    #[doc(alias = "setcookie")]
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Certificates and the key of this node. They encrypt all connections, and a node can use no
    /// other name than the one in its certificate. Every node of the cluster needs them. Default:
    /// none.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Secrets that are also accepted from peers while the secret is being changed. At most 8, none
    /// by default.
    ///
    /// To change the secret while the cluster runs, restart its nodes one by one, three times.
    /// Begin no round before the last node has completed the previous one:
    ///
    /// 1. `secret(old).also_accept([new])`: every node accepts the new secret, no node uses it yet.
    /// 2. `secret(new).also_accept([old])`: the swap. Nodes of rounds 1 and 2 accept each other.
    /// 3. `secret(new)`: no node accepts the old secret any more.
    #[must_use]
    pub fn also_accept(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.also_accept = secrets.into_iter().collect();
        self
    }

    /// The id of the cluster, at most 64 bytes: nodes of different clusters do not connect.
    /// Default: empty.
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// Whether the node is hidden: its sessions are marked as such at both ends. Default: false.
    #[must_use]
    pub const fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// The address book: the peers and their addresses. Any number, none by default. The node dials
    /// all of them at start and redials them for ever. It skips its own name, so that all nodes can
    /// share one list.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = NodeSpec>) -> Self {
        self.peers = peers.into_iter().collect();
        self
    }

    /// A file with more peers: one [`NodeSpec`] per line; blank lines, and text after a `#`, are
    /// ignored. At most 1 MiB. Default: none.
    ///
    /// It is read at start, where any fault in it is an error, and again every
    /// [`peers_interval`](Self::peers_interval). An added node is dialed; a removed node is not
    /// redialed any more, and an existing session with it continues. A file that is malformed or
    /// cannot be read changes nothing: the last valid list stays in use, a warning names the line,
    /// and `peers_file_errors` counts. Replace the file by renaming another one, so that it is
    /// never read half written.
    #[must_use]
    pub fn peers_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.peers_file = Some(path.into());
        self
    }

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
    ///
    /// ```
    /// # use transport_tcp::TcpConfig;
    /// let config = TcpConfig::new().peers_dns(["app@obit.prod.svc.cluster.local:7001".parse()?]);
    /// # Ok::<(), refs::ParseError>(())
    /// ```
    #[must_use]
    pub fn peers_dns(mut self, names: impl IntoIterator<Item = NodeName>) -> Self {
        self.peers_dns = names.into_iter().collect();
        self
    }

    /// How often the file of peers is read and the resolver is asked, 10 ms to 1 h. Default: 5 s.
    #[must_use]
    pub const fn peers_interval(mut self, interval: Duration) -> Self {
        self.peers_interval = interval;
        self
    }

    /// The channels of this node beside the default one, at most seven. Each is a TCP connection of
    /// its own in every session with a peer that has a channel of the same name. A delay on one
    /// channel delays no other. All begin and end with the session, and each has its own heartbeat.
    /// Default: none.
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.channels = channels.into_iter().collect();
        self
    }

    /// The times that depend on the kind of network, such as the heartbeat. [`Preset`] lists them.
    /// [`Preset::Normal`] by default.
    #[must_use]
    pub const fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    /// The heartbeat, in place of that of the [`preset`](Self::preset), whose default has an
    /// interval of 1 s and a timeout of 5 s. [`Heartbeat::new`] states the valid values.
    #[doc(alias = "net_ticktime")]
    #[must_use]
    pub const fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = Some(heartbeat);
        self
    }

    /// Whether the reading task of a session polls it for 100 us after each arrival before it
    /// sleeps. Default: false.
    ///
    /// Waking a task takes longer than everything else between a request and its reply. Polling
    /// avoids that if the reply arrives within that time, and keeps a processor busy meanwhile: one
    /// should be to spare. An idle session costs nothing.
    #[must_use]
    pub const fn low_latency(mut self, spin: bool) -> Self {
        self.low_latency = spin;
        self
    }

    /// Maximum time for lookup, connecting and the handshake together. At least 1 ms; with 100
    /// years or more there is no limit, and inbound connections that prove nothing are closed only
    /// when others need their places.
    ///
    /// Default: [that of the heartbeat](Heartbeat::setup_timeout) if one is set, otherwise that of
    /// the [`preset`](Self::preset), 5 s if that is not set either.
    #[doc(alias = "net_setuptime")]
    #[must_use]
    pub const fn setup_timeout(mut self, timeout: Duration) -> Self {
        self.setup_timeout = Some(timeout);
        self
    }

    /// Delay between the first failure to reach a peer of the address book and the next dial. Each
    /// further failure doubles it, up to [`max_redial_delay`](Self::max_redial_delay); each delay
    /// is a random time between half of that and all of it. At least 1 ms. Default: that of the
    /// [`preset`](Self::preset), 50 ms if none is set.
    #[must_use]
    pub const fn min_redial_delay(mut self, delay: Duration) -> Self {
        self.min_redial_delay = Some(delay);
        self
    }

    /// Maximum delay between two dials of a peer of the address book. At least
    /// [`min_redial_delay`](Self::min_redial_delay); with 100 years or more a peer is not redialed
    /// any more once the delay has grown that long. Default: that of the [`preset`](Self::preset),
    /// 30 s if none is set.
    #[must_use]
    pub const fn max_redial_delay(mut self, delay: Duration) -> Self {
        self.max_redial_delay = Some(delay);
        self
    }

    /// Maximum length of a frame in bytes, 1 KiB to 64 MiB. Default: 16 MiB and 1 KiB. If the
    /// peer's limit is lower, that limit applies; for a peer whose version does not support
    /// fragments, it is 1 MiB. A frame longer than 65 KiB is sent in fragments of that size,
    /// between which other frames are sent.
    #[must_use]
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Soft limit, in bytes, of queued messages per peer and channel: once this much is queued,
    /// messages are refused with [`Full`](peer_service::PushError::Full); the last accepted one may
    /// exceed it. 8 MiB by default, at least 1; there is no upper limit.
    #[doc(alias = "zdbbl")]
    #[must_use]
    pub const fn max_message_queue(mut self, bytes: usize) -> Self {
        self.max_message_queue = bytes;
        self
    }

    /// Maximum number of bytes of queued signals for one peer; beyond it the session ends as
    /// overloaded. A longer signal may be queued alone. Default: 64 MiB, at least 1; there is no
    /// upper limit.
    #[must_use]
    pub const fn max_signal_queue(mut self, bytes: usize) -> Self {
        self.max_signal_queue = bytes;
        self
    }

    /// Maximum number of inbound connections in their handshake at once, before they have proved
    /// the secret. Default: 128, at least 1; there is no upper limit.
    ///
    /// When one more arrives, the oldest connection of the address that has most of them is closed,
    /// and `refused_busy` counts. An attacker with fewer addresses than this number therefore keeps
    /// no node out.
    #[must_use]
    pub const fn max_pending(mut self, connections: usize) -> Self {
        self.max_pending = connections;
        self
    }

    /// Maximum number of inbound connections in their handshake from one address, or from one /64
    /// of IPv6; further ones are closed, and `refused_busy_address` counts. Default: 64, half of
    /// all. At least 1; there is no upper limit.
    ///
    /// Nodes that share an address, because they run on one machine or behind one NAT, share this
    /// number. All of them may dial at the same moment, with one more connection for each of their
    /// [`channels`](Self::channels): raise the limit if that exceeds it. Loopback counts like any
    /// other address.
    #[must_use]
    pub const fn max_pending_per_address(mut self, connections: usize) -> Self {
        self.max_pending_per_address = connections;
        self
    }

    /// Whether to serve and dial addresses other than loopback without a secret or TLS: every
    /// program that can reach them can join. Default: false.
    #[must_use]
    pub const fn insecure_allow_remote(mut self, allow: bool) -> Self {
        self.insecure_allow_remote = allow;
        self
    }

    /// The value of [`max_frame`](Self::max_frame).
    pub const fn get_max_frame(&self) -> usize {
        self.max_frame
    }

    /// The value of [`hidden`](Self::hidden).
    pub const fn get_hidden(&self) -> bool {
        self.hidden
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
