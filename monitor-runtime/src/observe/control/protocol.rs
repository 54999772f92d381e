//! Questions, responses, and their limits.

use serde::{Deserialize, Serialize};

use super::{
    Extent,
    responses::{MonitorList, NodeList, PastDownLine, Snapshot},
};

/// What can be asked of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Which nodes are up, and what this one is.
    Nodes,
    /// Who watches whom: [`Node::monitors`](crate::Node::monitors).
    Monitors,
    /// What was told last: [`Node::history`](crate::Node::history), newest first, as far as
    /// the node is configured to keep it. Only of this monitor, or of this
    /// target, if one is named.
    Downs(Option<String>),
    /// All of that, and every count, in one answer; of the `Down`s the last 1,000.
    #[serde(rename = "look")]
    Snapshot,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Response {
    /// To [`Request::Nodes`].
    Nodes(NodeList),
    /// To [`Request::Monitors`].
    Monitors(MonitorList),
    /// To [`Request::Downs`].
    Downs(Vec<PastDownLine>),
    /// To [`Request::Snapshot`].
    #[serde(rename = "look")]
    Snapshot(Box<Snapshot>),
    /// To what is no question: what is wrong with it.
    Refused(String),
}

/// The longest question, in bytes.
pub(super) const MAX_REQUEST: u64 = 4096;
/// The longest answer, in bytes.
pub(super) const MAX_RESPONSE: usize = 64 << 20;
/// Maximum number of monitors of each kind in an answer.
pub(super) const MAX_MONITORS: usize = 10_000;
/// Maximum number of nodes in an answer.
pub(super) const MAX_PEERS: usize = 10_000;
/// Maximum extent of a [look](Request::Snapshot).
pub(super) const MAX_SNAPSHOT: Extent = Extent { monitors: MAX_MONITORS, downs: 1000, peers: MAX_PEERS };
