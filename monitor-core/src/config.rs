//! The configuration of a core, and the options and results of calls.

use refs::{ChannelId, NodeId, NodeName, RegName, SessionEnd, SessionId};

use crate::ids::LocalPid;

/// Identity and limits of a core.
///
/// The core accepts every value of each limit. A caller for which some values make no sense checks
/// that itself.
#[derive(Clone, Debug, Hash)]
#[non_exhaustive]
pub struct CoreConfig {
    /// The local node. Its incarnation is a random number, new with every start: peers take a pid
    /// of another incarnation for a process of the past.
    pub local: NodeId,
    /// Seed for the hashes of values that peers choose. From a good source of randomness in
    /// production, so that a peer cannot choose values that collide; fixed in tests.
    pub seed: u64,
    /// Maximum number of table steps in one input, each of constant cost. The rest waits in the
    /// backlog for [`Core::resume`](crate::Core::resume). 256 by default; 0 counts as 1.
    pub max_batch: usize,
    /// Maximum number of calls (monitors and tickets) that wait for a connection to one node.
    /// Further calls end with [`EndKind::Quota`](refs::EndKind::Quota). 65,536 by default; with 0
    /// no call waits.
    pub max_waiting: usize,
    /// Maximum number of monitors that one session may hold on local processes. Further monitors of
    /// the peer end with [`EndKind::Quota`](refs::EndKind::Quota). 16,777,216 by default; with 0
    /// every monitor is refused.
    pub max_incoming: usize,
    /// Maximum number of bytes of exit reasons in the unread `Down`s of one watcher. A reason that
    /// does not fit is cut to what is left, but never below [`CoreConfig::SHORT_REASON`] bytes, and
    /// the `Down` says so: [`Down::reason_was_cut`](crate::Down#structfield.reason_was_cut). So the
    /// reasons of a watcher take at most this limit and 256 bytes for each unread `Down`. 8 MiB by
    /// default, any number from 0.
    pub max_reason_bytes: usize,
    /// The same for all watchers together: a reason is cut to the smaller of what this limit and
    /// [`CoreConfig::max_reason_bytes`] leave, but never below [`CoreConfig::SHORT_REASON`] bytes.
    /// 64 MiB by default, any number from 0.
    pub max_node_reason_bytes: usize,
}

impl CoreConfig {
    /// A reason of at most this number of bytes is never cut, and a longer one is never cut below
    /// it: a flood of long reasons must not take the short ones, such as an exit status. A text is
    /// cut before a character that does not fit, which leaves up to 3 bytes less.
    pub const SHORT_REASON: usize = 256;

    /// The default limits.
    pub const fn new(local: NodeId, seed: u64) -> Self {
        CoreConfig {
            local,
            seed,
            max_batch: 256,
            max_waiting: 65_536,
            max_incoming: 1 << 24,
            max_reason_bytes: 8 << 20,
            max_node_reason_bytes: 64 << 20,
        }
    }

    /// Sets [`CoreConfig::max_batch`].
    #[must_use]
    pub const fn max_batch(mut self, steps: usize) -> Self {
        self.max_batch = steps;
        self
    }

    /// Sets [`CoreConfig::max_waiting`].
    #[must_use]
    pub const fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// Sets [`CoreConfig::max_reason_bytes`].
    #[must_use]
    pub const fn max_reason_bytes(mut self, bytes: usize) -> Self {
        self.max_reason_bytes = bytes;
        self
    }

    /// Sets [`CoreConfig::max_node_reason_bytes`].
    #[must_use]
    pub const fn max_node_reason_bytes(mut self, bytes: usize) -> Self {
        self.max_node_reason_bytes = bytes;
        self
    }

    /// Sets [`CoreConfig::max_incoming`].
    #[must_use]
    pub const fn max_incoming(mut self, monitors: usize) -> Self {
        self.max_incoming = monitors;
        self
    }
}

/// How a call handles a node that is not connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Connect {
    /// Connect to the node. The call waits for the session, in the order of the calls. It fails
    /// with the end of the dial if no session can be made.
    #[default]
    OnDemand,
    /// Use the session that is up and not closing. Without one, fail at once with
    /// [`EndKind::NotConnected`](refs::EndKind::NotConnected).
    Never,
}

/// How long the reference of a monitor is an *alias*: an address at which any process that has it
/// can send messages to the watcher, from any node. A message that arrives later is dropped and
/// counted. Source: the option `alias` of `erlang:monitor/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AliasMode {
    /// Until `unalias`, even after the monitor has ended.
    #[doc(alias = "explicit_unalias")]
    ExplicitUnalias,
    /// As long as the monitor: until it fires or is demonitored, or until `unalias`.
    #[doc(alias = "demonitor")]
    Demonitor,
    /// As [`AliasMode::Demonitor`], and for at most one message, which also ends the monitor. So
    /// there is a reply or a `Down`, never both.
    #[doc(alias = "reply_demonitor")]
    ReplyDemonitor,
}

/// Options of a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MonitorOptions {
    /// Returned in the `Down`, whatever its reason. 0 by default.
    pub tag: u64,
    /// How the call handles a node that is not connected.
    pub connect: Connect,
    /// The channel of all signals about the monitor, passed on in
    /// [`Effect::Send`](crate::Effect::Send). The default channel by default.
    pub channel: ChannelId,
    /// Whether the reference of the monitor is an alias of its watcher, and for how long. Not by
    /// default. The core ignores this option, because it handles no messages: when a message
    /// through an alias ends the monitor, the caller of the core demonitors it.
    pub alias: Option<AliasMode>,
}

impl MonitorOptions {
    /// No tag, connect on demand, the default channel, no alias.
    pub const fn new() -> Self {
        MonitorOptions { tag: 0, connect: Connect::OnDemand, channel: ChannelId::DEFAULT, alias: None }
    }

    /// Sets the tag.
    #[must_use]
    pub const fn tag(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// Sets how the call handles a node that is not connected.
    #[must_use]
    #[doc(alias = "dist_auto_connect")]
    pub const fn connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }

    /// Sets the channel.
    #[must_use]
    pub const fn channel(mut self, channel: ChannelId) -> Self {
        self.channel = channel;
        self
    }

    /// Makes the reference an alias of its watcher.
    #[must_use]
    pub const fn alias(mut self, mode: AliasMode) -> Self {
        self.alias = Some(mode);
        self
    }
}

/// Looks up local processes. The caller of the core implements it, because the core does not know
/// which processes exist.
///
/// The core calls it at most once within [`Core::monitor`](crate::Core::monitor) and
/// [`Core::handle_signal`](crate::Core::handle_signal), and keeps no reference to it.
pub trait Processes {
    /// Returns the process that `target` names, if it is alive; `None` gives its watcher a
    /// `NoProc`.
    ///
    /// A process whose exit was reported must not be returned. If its exit is reported to the core
    /// only later, [`Effect::Watch`](crate::Effect::Watch) says what to do. Must not block, and
    /// should take constant time, because a peer can request as many look-ups as it sends signals.
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid>;
}

/// A local process, as a caller or a peer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTarget<'a> {
    /// By number. A peer may have invented it, so any slot can occur; the process is found only if
    /// the generation is equal, too.
    Pid(LocalPid),
    /// By registered name: the process that holds it now.
    Name(&'a RegName),
}

/// The result of a demonitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demonitored {
    /// The monitor was active: no `Down` was or will be delivered.
    Active,
    /// The monitor had fired: its `Down` is in the mailbox, or has just been flushed.
    Fired,
    /// The watcher has no such monitor: it never had, or its `Down` was taken or flushed, or it was
    /// demonitored before.
    Unknown,
}

/// Where a message for another node goes: the answer of [`Core::route`](crate::Core::route).
/// Exhaustive, because the sender must handle each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Send it on this session, directly after the effects of the same input: these may forward
    /// messages that have waited longer. The ticket is not used.
    Now(SessionId),
    /// Keep it: exactly one [`Effect::Forward`](crate::Effect::Forward) or
    /// [`Effect::Discard`](crate::Effect::Discard) with its ticket follows, from a later input.
    Later,
    /// It cannot be sent, for this reason. The ticket is not used.
    No(SessionEnd),
}

/// The monitors between the local node and another node. See
/// [`Core::by_peer`](crate::Core::by_peer).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerMonitors {
    /// The other node, connected or not.
    pub node: NodeName,
    /// Number of monitors of local watchers on its processes, including those that have fired and
    /// were not taken yet.
    pub held: usize,
    /// Number of its monitors on local processes.
    pub incoming: usize,
}

/// The present sizes of the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreStats {
    /// Monitors of local watchers that wait for a session, or are active.
    pub outgoing_active: usize,
    /// Monitors of local watchers that have fired and whose `Down` was not taken yet.
    pub outgoing_fired: usize,
    /// Monitors that peers hold on local processes.
    pub incoming: usize,
    /// Active `monitor_node` calls.
    pub node_monitors: usize,
    /// Active `monitor_nodes` subscriptions.
    pub nodes_subscriptions: usize,
    /// Peers in the table, connected or not.
    pub peers: usize,
    /// Sessions that are up.
    pub sessions: usize,
    /// Calls that wait for a session: monitors and tickets.
    pub waiting: usize,
    /// Unfinished jobs in the backlog: exits, and beginnings and ends of sessions. Each takes one
    /// or more calls of [`Core::resume`](crate::Core::resume).
    pub backlog: usize,
}
