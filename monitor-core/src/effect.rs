//! The outputs of a core: effects for its caller, and notices for processes.

use alloc::sync::Arc;
use core::{
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use refs::{ChannelId, DialId, Incarnation, MonitorRef, NodeId, NodeName, SessionEnd, SessionId, Target};
use serde::{Serialize, Serializer};

use crate::{
    ids::{LocalPid, MonitorId, Ticket},
    reason::DownReason,
    signal::Signal,
};

/// An action for the caller, to be run in the order given, before the next input.
///
/// The core does not learn whether an effect has succeeded, except for a dial. An effect that
/// cannot be run any more, because its session is over or its process has exited, is dropped.
///
/// Exhaustive, because the caller must run every effect: a new variant must be a compile error
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The session may now deliver signals and messages: its beginning and everything of the
    /// previous session with that node were told. Comes at most once for each session, and never
    /// for a session that ended before. Frames that have arrived wait until then.
    Admit {
        /// The session that [`Core::peer_up`](crate::Core::peer_up) announced.
        session: SessionId,
    },
    /// Connect to this node. The answer is [`peer_up`](crate::Core::peer_up) for the node, also for
    /// a session that the peer has begun, or [`peer_unreachable`](crate::Core::peer_unreachable)
    /// for this dial. At most one dial for each node is open at a time.
    Connect {
        /// The node.
        node: NodeName,
        /// Identifies the attempt in the answer. Used once.
        dial: DialId,
    },
    /// Put a notice into the mailbox of a process, behind everything that is there.
    Deliver {
        /// The process.
        to: LocalPid,
        /// The notice.
        notice: Notice,
    },
    /// Send a signal to the peer of this session. The signal must stay in order with the other
    /// signals and the messages of the same process on the same channel; it may overtake those of
    /// other processes. A `Down` must not overtake any signal or message of its process on any
    /// channel. If the session is over, the signal is dropped.
    Send {
        /// The session.
        session: SessionId,
        /// The process for which the signal is sent: the watcher of a monitor, or the process whose
        /// exit is reported. [`LocalPid::NONE`] if no process holds the name, or if the process is
        /// of another incarnation.
        from: LocalPid,
        /// The channel to use if the session has it; otherwise the default channel.
        channel: ChannelId,
        /// The signal.
        signal: Signal,
    },
    /// Report the exit of this process by [`process_exited`](crate::Core::process_exited), when it
    /// exits. If it has already exited, and no report of that will come, report it now without a
    /// reason.
    ///
    /// Comes once for each process, with the first monitor on it. A caller that reports every exit,
    /// and whose processes cannot exit between the input and this effect, has nothing to do.
    Watch {
        /// The process.
        pid: LocalPid,
    },
    /// Send the message with this ticket on this session now, at this place in the order. The
    /// answer to [`Route::Later`](crate::Route::Later).
    Forward {
        /// The ticket.
        ticket: Ticket,
        /// The session.
        session: SessionId,
    },
    /// Drop the message with this ticket: it cannot be sent. The other answer to
    /// [`Route::Later`](crate::Route::Later).
    Discard {
        /// The ticket.
        ticket: Ticket,
        /// Why it cannot be sent.
        end: SessionEnd,
    },
}

/// A notice for a process. A process receives its notices in the order of their effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The monitor has fired. Fetch the `Down` with [`Core::take`](crate::Core::take) when the
    /// process receives the notice. If `take` returns `None`, the `Down` was flushed meanwhile:
    /// skip the notice.
    Down(MonitorId),
    /// A node went up or down.
    Node(NodeNotice),
}

/// The up or down of a node, by the kind of subscription.
///
/// For one subscriber and one node, ups and downs alternate. All `Down`s of a session come before
/// its node-down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeNotice {
    /// A session with the node began. For a `monitor_nodes` with these options.
    Up(NodesOptions, Arc<NodeEvent>),
    /// The session with the node ended. For a `monitor_nodes` with these options.
    Down(NodesOptions, Arc<NodeEvent>),
    /// The session with the node ended, or could not be made. For a `monitor_node`, which ends with
    /// this notice.
    MonitoredDown(Arc<NodeEvent>),
}

/// The up or the down of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NodeEvent {
    /// The node's name.
    pub name: NodeName,
    /// The session that began or ended, and the node with its incarnation there; `None` if no
    /// session could be made.
    pub session: Option<(SessionId, NodeId)>,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// How the session ended, or why it could not be made; `None` in an up event.
    pub end: Option<SessionEnd>,
}

/// Selects nodes for `monitor_nodes` and `nodes`. A session is hidden if either of its ends is
/// hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum NodeType {
    /// Visible and hidden nodes.
    #[default]
    All,
    /// Visible nodes only.
    Visible,
    /// Hidden nodes only.
    Hidden,
}

impl NodeType {
    /// Whether this selects nodes that are hidden, or that are not.
    pub const fn matches(self, hidden: bool) -> bool {
        match self {
            NodeType::All => true,
            NodeType::Visible => !hidden,
            NodeType::Hidden => hidden,
        }
    }
}

/// The options of a `monitor_nodes`. Equal options of one process are one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct NodesOptions {
    /// The nodes to be told of.
    pub node_type: NodeType,
    /// Whether node-down notices report how the session ended.
    pub nodedown_reason: bool,
}

impl NodesOptions {
    /// All nodes, without reasons: the default.
    pub const fn new() -> Self {
        NodesOptions { node_type: NodeType::All, nodedown_reason: false }
    }

    /// Sets the nodes to be told of.
    #[must_use]
    pub const fn node_type(mut self, node_type: NodeType) -> Self {
        self.node_type = node_type;
        self
    }

    /// Sets whether node-down notices report how the session ended.
    #[must_use]
    pub const fn nodedown_reason(mut self, wanted: bool) -> Self {
        self.nodedown_reason = wanted;
        self
    }
}

/// The end of a monitor: its target, the reason, and the evidence for it.
///
/// Its [`Display`](fmt::Display) is a line for a person. Programs match [`Down::reason`]. Two of
/// them are equal if all their fields are; [`Down::elapsed`] does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[doc(alias = "DOWN")]
pub struct Down {
    /// The monitor that fired.
    pub monitor: MonitorRef,
    /// The target as it was passed in.
    pub target: Target,
    /// Why the monitor ended.
    pub reason: DownReason,
    /// The tag that was given with the monitor; 0 if none was.
    pub tag: u64,
    /// The incarnation of the target's node that reported the end, or whose session ended. `None`
    /// if there was no session. The target's pid may have another incarnation: this incarnation
    /// then proves that the other one has ended.
    pub incarnation: Option<Incarnation>,
    /// Whether [`Down::reason`] is only the beginning of the text or bytes with which the process
    /// ended, because the reasons of unread `Down`s had reached their limit. A reason of at most
    /// [`CoreConfig::SHORT_REASON`](crate::CoreConfig::SHORT_REASON) bytes is never cut, and no cut
    /// changes the kind of a reason.
    pub reason_was_cut: bool,
    pub(crate) elapsed: Elapsed,
}

/// A time that does not count when the values that contain it are compared. Milliseconds have a
/// quarter of the size of a `Duration`, and each `Down` is moved several times.
#[derive(Clone, Copy)]
pub(crate) struct Elapsed {
    millis: u32,
}

impl Elapsed {
    pub(crate) const ZERO: Self = Elapsed { millis: 0 };

    const fn get(self) -> Duration {
        Duration::from_millis(self.millis as u64)
    }
}

impl PartialEq for Elapsed {
    fn eq(&self, _: &Elapsed) -> bool {
        true
    }
}

impl Eq for Elapsed {}

impl Hash for Elapsed {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Serialize for Elapsed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl Down {
    /// Makes a `Down` without tag and incarnation, for a driver whose core no longer exists.
    pub const fn new(monitor: MonitorRef, target: Target, reason: DownReason) -> Self {
        Down {
            monitor,
            target,
            reason,
            reason_was_cut: false,
            tag: 0,
            incarnation: None,
            elapsed: Elapsed::ZERO,
        }
    }

    /// How long ago the monitor had fired when the program received this `Down`: whether it is
    /// fresh or has waited unread. It does not grow afterwards.
    ///
    /// The monitor fires when the watcher's node learns of the end, so the time on the network, and
    /// the silence after which a session ended, do not count. The runtime measures it with a coarse
    /// clock: a wait is reported up to one step too short or too long, and never as negative. A
    /// step is 1 to 10 ms on Linux (4 ms with most kernels) and 1 ms elsewhere.
    ///
    /// Zero if the driver of the core has no clock or has not called [`Down::set_elapsed`].
    pub const fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    /// Sets [`Down::elapsed`]. For the driver of a core, which has no clock of its own. It is kept
    /// in whole milliseconds, at most 49 days; a longer time is set to that.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = Elapsed { millis: elapsed.as_millis().try_into().unwrap_or(u32::MAX) };
    }

    /// The node that decided the end, and so what the `Down` proves.
    pub const fn source(&self) -> DownSource {
        DownSource::of(&self.reason)
    }
}

impl DownSource {
    pub(crate) const fn of(reason: &DownReason) -> Self {
        match reason {
            DownReason::NoConnection(end) if end.kind.was_session() => DownSource::SessionEnd,
            DownReason::NoConnection(_) => DownSource::NoSession,
            DownReason::Exit(_) | DownReason::NoProc => DownSource::TargetNode,
        }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = if self.reason.is_terminal() { "is gone" } else { "is out of reach" };
        let cut = if self.reason_was_cut { " (reason cut)" } else { "" };
        write!(f, "{} {fate}: {}{cut}", self.target, self.reason)
    }
}

/// For `?` in work that a monitor guards: the end of the target is then an error.
impl core::error::Error for Down {}

/// The node that decided that a monitor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum DownSource {
    /// The node of the target, which alone can know: the target has ended.
    TargetNode,
    /// The node of the watcher, when its session with the target's node ended, or when it stopped
    /// or failed itself, with or without a session. The target may still be alive.
    SessionEnd,
    /// Either node: there was no session and none could be made, or a limit was reached. The target
    /// may still be alive.
    NoSession,
}

impl fmt::Display for DownSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DownSource::TargetNode => "reported by the target's node",
            DownSource::SessionEnd => "concluded from the end of the session",
            DownSource::NoSession => "concluded without a session",
        })
    }
}

const _: () = assert!(size_of::<Effect>() <= 56 && size_of::<Notice>() <= 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elapsed_time_is_zero_until_it_is_set_and_does_not_count_for_equality() {
        let monitor = "partisan:ref:b@local:0000000000008c21:0.1".parse().expect("a reference");
        let target = "job@a@local".parse().expect("a target");
        let down = Down::new(monitor, target, DownReason::NoProc);
        assert_eq!(down.elapsed(), Duration::ZERO);
        let mut late = down.clone();
        for elapsed in
            [Duration::from_millis(1), Duration::from_secs(90), Duration::from_millis(u32::MAX.into())]
        {
            late.set_elapsed(elapsed);
            assert_eq!(late.elapsed(), elapsed);
        }
        late.set_elapsed(Duration::MAX);
        assert_eq!(late.elapsed(), Duration::from_millis(u32::MAX.into()));
        assert_eq!(late, down);
        let differ: [fn(&mut Down); 4] = [
            |down| down.tag = 1,
            |down| down.reason = DownReason::Exit(crate::ExitReason::Normal),
            |down| down.reason_was_cut = true,
            |down| down.incarnation = Incarnation::new(1),
        ];
        for change in differ {
            let mut other = down.clone();
            change(&mut other);
            assert_ne!(other, down);
        }
    }
}
