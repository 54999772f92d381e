//! What a process receives.

use std::fmt;

use bytes::Bytes;
use monitor_core::{Down, NodeEvent, NodeNotice, NodesOptions};
use refs::{MonitorRef, NodeId, NodeName, Pid, SessionEnd, SessionId};
use serde::Serialize;

use crate::error::DecodeError;

/// An event that a process receives from its [`Process`](crate::Process). The bodies of messages
/// are bytes, or values after [`Event::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<B = Bytes> {
    /// Somebody sent a message.
    Message(Message<B>),
    /// A monitor of this process has fired.
    #[doc(alias = "DOWN")]
    Down(Down),
    /// A session with a node began: of a `monitor_nodes`.
    #[doc(alias = "nodeup")]
    NodeUp(NodeUp),
    /// The session with a node ended, or could not be made: of a `monitor_nodes` or a
    /// `monitor_node`.
    #[doc(alias = "nodedown")]
    NodeDown(NodeDown),
    /// A message is not of the type that [`Event::decode`] was to read. The error contains it.
    Malformed(DecodeError),
    /// At this place so many messages are missing: the mailbox was full. See
    /// [`Config::max_mailbox_bytes`](crate::Config::max_mailbox_bytes).
    Missed(u64),
    /// The node failed: a panic left its tables half changed, and it does nothing any more. It
    /// comes once, then the mailbox ends. Monitors of this mailbox that had not fired end with it,
    /// without a `Down` of their own.
    NodeFailed,
    /// At this place events of a `monitor_nodes` are missing: more waited than the mailbox takes.
    /// See [`Config::max_node_events`](crate::Config::max_node_events).
    NodesMissed(NodesMissed),
}

/// A message: bytes, or what [`Message::decode`](crate::Message::decode) makes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<B = Bytes> {
    /// The process that sent it; none if it was sent by a node handle, outside any process.
    pub from: Option<Pid>,
    /// Where a reply is awaited: the message is the request of a call. Reply with
    /// [`Process::reply`](crate::Process::reply), from any process, now or later; only the first
    /// reply counts, and none once the caller waits no more.
    pub reply_to: Option<MonitorRef>,
    /// What was sent.
    pub body: B,
}

impl Message {
    pub(crate) const fn new(from: Option<Pid>, body: Bytes) -> Self {
        Message { from, reply_to: None, body }
    }
}

/// A session with a node began. It comes before every message of that session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeUp {
    /// The node's name.
    pub name: NodeName,
    /// The node in its present incarnation.
    pub node: NodeId,
    /// The session: the [`NodeDown`] that ends it bears the same number.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// The subscription it belongs to.
    pub options: NodesOptions,
}

/// The session with a node ended, or could not be made. It comes after every message and every
/// [`Down`] of that session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeDown {
    /// The node's name.
    pub name: NodeName,
    /// The node in the incarnation with which the session was; `None` if there was no session.
    pub node: Option<NodeId>,
    /// The session; none if there was none.
    pub session: Option<SessionId>,
    /// How it ended: told to a `monitor_node`, and to a `monitor_nodes` that asked for it.
    pub end: Option<SessionEnd>,
    /// Which subscription this notice belongs to.
    pub source: NodeDownSource,
    /// True if a down and the up after it were left out just before this event: at most two events
    /// per node and subscription wait in one mailbox. `session` then differs from the last
    /// [`NodeUp`].
    pub missed: bool,
}

impl fmt::Display for NodeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is up", self.name)
    }
}

impl fmt::Display for NodeDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = if self.session.is_some() { "is down" } else { "cannot be reached" };
        write!(f, "{} {fate}", self.name)?;
        self.end.map_or(Ok(()), |end| write!(f, ": {end}"))
    }
}

/// Events of a `monitor_nodes` are missing, and the subscription begins anew with the nodes that
/// are up now.
///
/// Forget what the events before said of nodes, and take [`NodesMissed::up`] instead: what follows
/// begins exactly where that list ends, as after a first
/// [`Process::monitor_nodes`](crate::Process::monitor_nodes). The list is of the moment at which
/// this event is received. No session that lasted is missing from it; one that began and ended in
/// between is missed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodesMissed {
    /// The subscription.
    pub options: NodesOptions,
    /// How many events are missing, those that cancel each other included.
    pub count: u64,
    /// The nodes that are up, sorted by name. Empty if the process has exited or its node was
    /// stopped: then nothing follows.
    pub up: Vec<NodeInfo>,
}

/// Which subscription a [`NodeDown`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum NodeDownSource {
    /// Of a `monitor_node`, which is over with it.
    MonitorNode,
    /// Of the `monitor_nodes` with these options.
    MonitorNodes(NodesOptions),
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// The node, in its present life.
    pub node: NodeId,
    /// The present session with it.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
}

impl NodeInfo {
    /// The node that an up event is about.
    pub(crate) fn of(event: &NodeEvent) -> Self {
        let (session, node) = event.session.clone().expect("a node is up by a session");
        NodeInfo { node, session, hidden: event.hidden }
    }
}

impl Event {
    /// What a node notice says to its receiver; `missed` as in [`NodeDown::missed`].
    pub(crate) fn of_node(notice: NodeNotice, missed: bool) -> Self {
        match notice {
            NodeNotice::Up(options, event) => {
                let NodeInfo { node, session, hidden } = NodeInfo::of(&event);
                Event::NodeUp(NodeUp { name: node.name.clone(), node, session, hidden, options })
            }
            NodeNotice::Down(options, event) => {
                let end = event.end.filter(|_| options.nodedown_reason);
                Event::node_down(&event, end, NodeDownSource::MonitorNodes(options), missed)
            }
            NodeNotice::MonitoredDown(event) => {
                Event::node_down(&event, event.end, NodeDownSource::MonitorNode, missed)
            }
        }
    }

    fn node_down(event: &NodeEvent, end: Option<SessionEnd>, source: NodeDownSource, missed: bool) -> Self {
        let (session, node) = event.session.clone().unzip();
        Event::NodeDown(NodeDown { name: event.name.clone(), node, session, end, source, missed })
    }
}
