//! How a connection to another node ended, or why it could not be made.

use core::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a session ended, or why none could be made: the kind and, if the peer was silent, for how
/// long.
///
/// It describes the connection, never a process: a process that cannot be reached may still be
/// alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "noconnection")]
pub struct SessionEnd {
    /// The kind of end.
    pub kind: EndKind,
    // In milliseconds; `NOT_TOLD` unless silence is the evidence. Packed so that an end has 8
    // bytes.
    silent_ms: u32,
}

const NOT_TOLD: u32 = u32::MAX;

impl SessionEnd {
    /// An end of that kind.
    pub const fn new(kind: EndKind) -> Self {
        SessionEnd { kind, silent_ms: NOT_TOLD }
    }

    /// [`EndKind::Timeout`], after the peer had sent nothing for that time (kept in whole
    /// milliseconds, up to 49 days).
    pub fn timeout(silent_for: Duration) -> Self {
        let ms = u32::try_from(silent_for.as_millis()).unwrap_or(NOT_TOLD).min(NOT_TOLD - 1);
        SessionEnd { kind: EndKind::Timeout, silent_ms: ms }
    }

    /// How long the peer had sent nothing when the session ended, if that is why it ended.
    pub fn silent_for(self) -> Option<Duration> {
        (self.silent_ms != NOT_TOLD).then(|| Duration::from_millis(u64::from(self.silent_ms)))
    }
}

impl From<EndKind> for SessionEnd {
    fn from(kind: EndKind) -> Self {
        SessionEnd::new(kind)
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match self.silent_for() {
            Some(silent) => write!(f, " (silent for {silent:?})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.silent_for() {
            Some(silent) => write!(f, "{:?}({silent:?})", self.kind),
            None => write!(f, "{:?}", self.kind),
        }
    }
}

/// The binary form.
#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionEnd")]
struct Packed {
    kind: EndKind,
    silent_ms: u32,
}

/// The form for people and their programs, such as JSON: without a number if there is none.
#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionEnd")]
struct Told {
    kind: EndKind,
    silent_ms: Option<u32>,
}

impl Serialize for SessionEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SessionEnd { kind, silent_ms } = *self;
        if serializer.is_human_readable() {
            Told { kind, silent_ms: (silent_ms != NOT_TOLD).then_some(silent_ms) }.serialize(serializer)
        } else {
            Packed { kind, silent_ms }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for SessionEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Told { kind, silent_ms } = Told::deserialize(deserializer)?;
            Ok(SessionEnd { kind, silent_ms: silent_ms.unwrap_or(NOT_TOLD) })
        } else {
            let Packed { kind, silent_ms } = Packed::deserialize(deserializer)?;
            Ok(SessionEnd { kind, silent_ms })
        }
    }
}

/// The kinds of [`SessionEnd`]. The first eleven end a session; the others say why there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EndKind {
    /// The connection was closed or reset: the peer's process died, its host failed, or a device
    /// between the nodes cut the connection.
    #[doc(alias = "connection_closed")]
    Closed,
    /// The peer sent nothing for the configured time: it is frozen, or the network drops what it
    /// sends.
    #[doc(alias = "net_tick_timeout")]
    Timeout,
    /// The peer shut down in good order and announced it.
    Left,
    /// One of the two nodes was told to disconnect.
    Disconnected,
    /// The peer lost this session before the local node noticed, and has made a new one.
    Replaced,
    /// The membership view no longer contains the peer. Not a failure.
    Evicted,
    /// The peer sent something that the protocol does not allow.
    Protocol,
    /// The peer did not read from the connection for the configured time, or until the configured
    /// amount was queued.
    Overloaded,
    /// The local node was stopped.
    #[doc(alias = "net_kernel_terminated")]
    LocalShutdown,
    /// A background task of the local node that served the session or the dial was lost, by a panic
    /// or with its executor. The log of the local node names the task. This says nothing about the
    /// peer.
    Internal,
    /// The local node failed as a whole: a panic left its tables half changed, and it has stopped
    /// all work.
    NodeFailed,
    /// The host answered, but no process listens on that port.
    Refused,
    /// No address of the node is known, or none leads to a host.
    Unreachable,
    /// The connection or its handshake was not finished within the configured time.
    #[doc(alias = "connection_setup_failed")]
    SetupTimeout,
    /// The peer could not prove the shared secret, or its name or cluster differs from the expected
    /// one.
    AuthFailed,
    /// The two nodes have no protocol version in common.
    Version,
    /// Another live node already uses the name.
    DuplicateName,
    /// The membership view does not contain the node, so it must not be dialed.
    NotMember,
    /// There is no session, and the call does not allow a new one.
    NotConnected,
    /// A limit was reached: too many calls wait for this node, or it holds too many monitors from
    /// the local node, or the local system has no file descriptor left for a connection to it.
    #[doc(alias = "system_limit")]
    Quota,
}

impl EndKind {
    /// Whether this kind can end a session: `false` for a failure to make a session or to use it. A
    /// dial can also fail with the kinds of a local node that stops or fails; they give `true`.
    pub const fn was_session(self) -> bool {
        (self as u8) <= EndKind::NodeFailed as u8
    }

    const fn words(self) -> &'static str {
        match self {
            EndKind::Closed => "the connection was closed",
            EndKind::Timeout => "the peer fell silent",
            EndKind::Left => "the peer left",
            EndKind::Disconnected => "disconnected on request",
            EndKind::Replaced => "replaced by a newer session",
            EndKind::Evicted => "the peer left the membership view",
            EndKind::Protocol => "the peer broke the protocol",
            EndKind::Overloaded => "the peer did not keep up",
            EndKind::LocalShutdown => "the local node was stopped",
            EndKind::Internal => "a background task of the local node was lost",
            EndKind::NodeFailed => "the local node failed",
            EndKind::Refused => "the connection was refused",
            EndKind::Unreachable => "the node cannot be reached",
            EndKind::SetupTimeout => "the connection was not set up in time",
            EndKind::AuthFailed => "authentication failed",
            EndKind::Version => "no protocol version in common",
            EndKind::DuplicateName => "another live node has this name",
            EndKind::NotMember => "the node is not in the membership view",
            EndKind::NotConnected => "not connected",
            EndKind::Quota => "a limit was reached",
        }
    }
}

impl fmt::Display for EndKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
