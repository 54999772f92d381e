//! What the core wants done.

use alloc::sync::Arc;
use core::fmt;

use refs::{ChannelId, DialId, Incarnation, MonitorRef, NodeId, NodeName, SessionEnd, SessionId, Target};
use serde::Serialize;

use crate::{
    ids::{LocalPid, MonitorId, Ticket},
    reason::DownReason,
    signal::Signal,
};

/// Something for the caller to do, in the order given, before the next input.
///
/// Exhaustive: none may be left undone, so a new one is to be an error where the others are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The session may now deliver: everything of the session before it with that node has been told.
    Admit {
        /// The session that [`Core::peer_up`](crate::Core::peer_up) announced.
        session: SessionId,
    },
    /// Make a session with this node; the answer is `peer_up`, or `peer_unreachable` with this dial.
    Connect {
        /// The node.
        node: NodeName,
        /// What to call the attempt in the answer.
        dial: DialId,
    },
    /// Put a notice into a process's mailbox.
    Deliver {
        /// Whose mailbox.
        to: LocalPid,
        /// What to put there.
        notice: Notice,
    },
    /// Send a signal to the peer of this session. It must not pass, nor be passed by, another signal or a
    /// message of the same process on the same channel; those of others it may. A `Down` must not pass one on any
    /// channel.
    Send {
        /// The session.
        session: SessionId,
        /// The process it speaks for: the watcher of a monitor, or whose exit is told. [`LocalPid::NONE`]
        /// for a name that nobody holds, and for a process of another life.
        from: LocalPid,
        /// The channel to take, if the session has it; else the default one.
        channel: ChannelId,
        /// The signal.
        signal: Signal,
    },
    /// From now on the exit of this process matters: report it to `process_exited`. If it is gone already,
    /// report that now, with no reason.
    Watch {
        /// The process.
        pid: LocalPid,
    },
    /// What was kept under this ticket can go out on this session now, at this place in the order.
    Forward {
        /// The ticket.
        ticket: Ticket,
        /// The session.
        session: SessionId,
    },
    /// What was kept under this ticket cannot be sent: drop it.
    Discard {
        /// The ticket.
        ticket: Ticket,
        /// Why.
        end: SessionEnd,
    },
}

/// What a process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The monitor has fired. Fetch the notice with [`Core::take`](crate::Core::take) when the process receives
    /// it; if that gives nothing, the notice was flushed in between: skip it.
    Down(MonitorId),
    /// A node went up or down.
    Node(NodeNotice),
}

/// A node went up or down, and for which subscription the process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeNotice {
    /// A session with the node began; of a `monitor_nodes` with these options.
    Up(NodesOptions, Arc<NodeEvent>),
    /// The session with the node ended; of a `monitor_nodes` with these options.
    Down(NodesOptions, Arc<NodeEvent>),
    /// The session with the node ended, or could not be made; of a `monitor_node`.
    MonitoredDown(Arc<NodeEvent>),
}

/// One event of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NodeEvent {
    /// The node's name.
    pub name: NodeName,
    /// The session that began or ended, and the life of the node it was with; none if a session could not be made.
    pub session: Option<(SessionId, NodeId)>,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// How the session ended, or why it could not be made; none in an up event.
    pub end: Option<SessionEnd>,
}

/// Which nodes a `monitor_nodes` or a `nodes` is about. A session is hidden if either of its ends is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum NodeType {
    /// Visible and hidden ones.
    #[default]
    All,
    /// Visible ones only.
    Visible,
    /// Hidden ones only.
    Hidden,
}

impl NodeType {
    /// Whether a node that is hidden, or not, is meant.
    pub const fn matches(self, hidden: bool) -> bool {
        match self {
            NodeType::All => true,
            NodeType::Visible => !hidden,
            NodeType::Hidden => hidden,
        }
    }
}

/// What a `monitor_nodes` is about. Equal options of one process are one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct NodesOptions {
    /// Which nodes.
    pub node_type: NodeType,
    /// Whether node-down notices tell how the session ended.
    pub nodedown_reason: bool,
}

impl NodesOptions {
    /// All nodes, without reasons: the default.
    pub const fn new() -> Self {
        NodesOptions { node_type: NodeType::All, nodedown_reason: false }
    }

    /// Which nodes.
    #[must_use]
    pub const fn node_type(mut self, node_type: NodeType) -> Self {
        self.node_type = node_type;
        self
    }

    /// Whether node-down notices tell how the session ended.
    #[must_use]
    pub const fn nodedown_reason(mut self, wanted: bool) -> Self {
        self.nodedown_reason = wanted;
        self
    }
}

/// The end of a monitor: who ended, why, and on what evidence.
///
/// Its [`Display`](fmt::Display) is a line for a person. Programs match [`Down::reason`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[doc(alias = "DOWN")]
pub struct Down {
    /// The monitor that fired.
    pub monitor: MonitorRef,
    /// What was monitored, as it was passed in.
    pub target: Target,
    /// Why the monitor ended.
    pub reason: DownReason,
    /// The tag given with the monitor; 0 if none was.
    pub tag: u64,
    /// The life of the target's node that said so, or with which the session was that ended. None if there was no
    /// session. The target's pid may bear another one: then this life says that the other is over.
    pub incarnation: Option<Incarnation>,
    /// Whether [`Down::reason`] has only the beginning of the text or bytes with which the process ended: the reasons of unread
    /// `Down`s had reached their limit. A reason of at most [`CoreConfig::SHORT_REASON`](crate::CoreConfig::SHORT_REASON) bytes
    /// is never cut, and no cut changes the kind of a reason.
    pub reason_was_cut: bool,
}

impl Down {
    /// An end that a driver tells by itself, because it has no core to ask any more. Without a tag and an incarnation.
    pub const fn new(monitor: MonitorRef, target: Target, reason: DownReason) -> Self {
        Down { monitor, target, reason, reason_was_cut: false, tag: 0, incarnation: None }
    }

    /// Who decided it, and so what it proves.
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

/// For `?` where work is guarded by a monitor: that its target ended is then an error.
impl core::error::Error for Down {}

/// Who decided that a monitor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum DownSource {
    /// The node of the target, which alone can know: it is true.
    TargetNode,
    /// The node of the watcher, when its session with the target's node ended. The target may live on.
    SessionEnd,
    /// Either node: there was no session and none could be made, or a limit was reached. The target may live on.
    NoSession,
}

impl fmt::Display for DownSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DownSource::TargetNode => "said by the target's node",
            DownSource::SessionEnd => "concluded from the end of the session",
            DownSource::NoSession => "concluded without a session",
        })
    }
}

const _: () = assert!(size_of::<Effect>() <= 56 && size_of::<Notice>() <= 24);
