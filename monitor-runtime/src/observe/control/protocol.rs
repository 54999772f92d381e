//! Requests, responses, and their limits.

use serde::{Deserialize, Serialize};

use super::{
    Extent,
    responses::{MonitorList, NodeList, PastDownLine, Snapshot},
};

/// A request to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// The node, and the nodes that are up.
    Nodes,
    /// The monitors of the node and on its processes: [`Node::monitors`](crate::Node::monitors).
    Monitors,
    /// The last `Down`s, newest first: [`Node::history`](crate::Node::history), as far as the node
    /// is configured to keep it. With a text, only those of the monitor or target with that text.
    Downs(Option<String>),
    /// All of these, and every gauge and counter, in one response, with at most 1,000 `Down`s. In
    /// JSON it is `"look"`.
    #[serde(rename = "look")]
    Snapshot,
}

/// The response of a node.
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
    /// The node refused the request: what is wrong with it.
    Refused(String),
}

/// Maximum length of a request, in bytes.
pub(super) const MAX_REQUEST: u64 = 4096;
/// Maximum length of a response, in bytes.
pub(super) const MAX_RESPONSE: usize = 64 << 20;
/// Maximum number of monitors of each kind in a response.
pub(super) const MAX_MONITORS: usize = 10_000;
/// Maximum number of nodes in a response.
pub(super) const MAX_PEERS: usize = 10_000;
/// Maximum extent of a [snapshot](Request::Snapshot).
pub(super) const MAX_SNAPSHOT: Extent = Extent { monitors: MAX_MONITORS, downs: 1000, peers: MAX_PEERS };
