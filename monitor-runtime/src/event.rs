//! The events that a process receives.

use std::fmt;

use bytes::Bytes;
use monitor_core::{Down, NodeEvent, NodeNotice, NodesOptions};
use refs::{MonitorRef, NodeId, NodeName, Pid, SessionEnd, SessionId};
use serde::Serialize;

use crate::error::DecodeError;

/// An event that a [`Process`](crate::Process) receives. The body of a message is bytes, or a value
/// that [`Event::decode`] has decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<B = Bytes> {
    /// A message was sent to this process.
    Message(Message<B>),
    /// A monitor of this process has fired.
    #[doc(alias = "DOWN")]
    Down(Down),
    /// A session with a node began. From a `monitor_nodes`.
    #[doc(alias = "nodeup")]
    NodeUp(NodeUp),
    /// The session with a node ended, or could not be made. From a `monitor_nodes` or a
    /// `monitor_node`.
    #[doc(alias = "nodedown")]
    NodeDown(NodeDown),
    /// A message is not of the type that [`Event::decode`] was to read. The error contains it.
    Malformed(DecodeError),
    /// This many messages are missing in this position, because the mailbox was full. See
    /// [`Config::max_mailbox_bytes`](crate::Config::max_mailbox_bytes).
    Missed(u64),
    /// The node failed: a panic left its tables half changed, so it has stopped. This event comes
    /// once and is the last of the mailbox. Monitors of this mailbox that had not fired end with
    /// it, without a `Down` of their own.
    NodeFailed,
    /// Events of a `monitor_nodes` are missing in this position, because the mailbox was full. See
    /// [`Config::max_node_events`](crate::Config::max_node_events).
    NodesMissed(NodesMissed),
}

/// A message. Its body is bytes, or a value that [`Message::decode`](crate::Message::decode) has
/// decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<B = Bytes> {
    /// The sender; `None` if a node handle sent it, outside any process.
    pub from: Option<Pid>,
    /// The alias for the reply, if the message is the request of a call. Reply with
    /// [`Process::reply`](crate::Process::reply), from any process, now or later. Only the first
    /// reply counts; a reply after the call has ended is dropped.
    pub reply_to: Option<MonitorRef>,
    /// The body.
    pub body: B,
}

impl Message {
    pub(crate) const fn new(from: Option<Pid>, body: Bytes) -> Self {
        Message { from, reply_to: None, body }
    }
}

/// A session with a node began. It comes before every message of that session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NodeUp {
    /// The node's name.
    pub name: NodeName,
    /// The node's name and incarnation.
    pub node: NodeId,
    /// The session. Its [`NodeDown`] has the same number.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// The subscription it belongs to.
    pub options: NodesOptions,
}

/// The session with a node ended, or could not be made. It comes after every message and every
/// [`Down`] of that session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NodeDown {
    /// The node's name.
    pub name: NodeName,
    /// The node's name and incarnation in that session; `None` if there was no session.
    pub node: Option<NodeId>,
    /// The session; `None` if there was none.
    pub session: Option<SessionId>,
    /// How the session ended. Set for a `monitor_node`, and for a `monitor_nodes` with
    /// [`nodedown_reason`](NodesOptions::nodedown_reason).
    pub end: Option<SessionEnd>,
    /// The subscription that this notice belongs to.
    pub source: NodeDownSource,
    /// Whether a down and the up after it were left out just before this event: at most two events
    /// per node and subscription are unread in one mailbox. If so, `session` differs from that of
    /// the last [`NodeUp`].
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

/// Events of a `monitor_nodes` are missing, and the subscription restarts with the nodes that are
/// up now.
///
/// Discard the state from earlier events, and use [`NodesMissed::up`] instead: later events begin
/// exactly where that list ends, as after a first
/// [`Process::monitor_nodes`](crate::Process::monitor_nodes). The list is made when this event is
/// received. It has all sessions that are still up; a session that began and ended in between is
/// not reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NodesMissed {
    /// The subscription.
    pub options: NodesOptions,
    /// Number of missing events, including those that cancel each other.
    pub count: u64,
    /// The nodes that are up, sorted by name. Empty if the process has exited or its node was
    /// stopped; then no event follows.
    pub up: Vec<NodeInfo>,
}

/// The subscription that a [`NodeDown`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum NodeDownSource {
    /// A `monitor_node`, which ends with this notice.
    MonitorNode,
    /// The `monitor_nodes` with these options.
    MonitorNodes(NodesOptions),
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// The node's name.
    pub name: NodeName,
    /// The node's name and incarnation.
    pub node: NodeId,
    /// The current session with it.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
}

impl NodeInfo {
    /// The node that an up event is about.
    pub(crate) fn of(event: &NodeEvent) -> Self {
        let (session, node) = event.session.clone().expect("a node is up by a session");
        NodeInfo { name: node.name.clone(), node, session, hidden: event.hidden }
    }
}

impl Event {
    /// The event for a node notice, with this [`NodeDown::missed`].
    pub(crate) fn of_node(notice: NodeNotice, missed: bool) -> Self {
        match notice {
            NodeNotice::Up(options, event) => {
                let NodeInfo { name, node, session, hidden } = NodeInfo::of(&event);
                Event::NodeUp(NodeUp { name, node, session, hidden, options })
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
