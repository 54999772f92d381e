//! Looking into a node from outside: questions over a Unix socket that only its owner can open.
//!
//! [`serve`] opens the socket of a node, [`ask`] asks one. A question is one line of JSON, and so is the answer; then the
//! connection is over. So any program can ask, and whoever asks joins no cluster:
//!
//! ```text
//! $ echo '"nodes"' | nc -U $XDG_RUNTIME_DIR/obit/a-4711.sock
//! {"nodes":{"name":"a@10.0.0.7:7001","incarnation":"8c21…","peers":[…],…}}
//! ```
//!
//! ```
//! use monitor_runtime::{Config, Node, control::{self, Answer, Question}};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let socket = std::env::temp_dir().join(format!("obit-doc-{}.sock", std::process::id()));
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
//! let served = control::serve(&node, &socket)?; // until it is dropped
//! let Answer::Nodes(nodes) = control::ask(&socket, &Question::Nodes).await? else { panic!() };
//! assert_eq!((nodes.name.as_str(), nodes.peers.len()), ("a@local", 0));
//! # drop(served);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: 128 clients are connected at once and 16 of them answered, others wait for their turn; a client may take 2 s to
//! ask and 10 s to read the answer; a question has at most 4 KiB, an answer 64 MiB, 10,000 monitors of each kind and 10,000 nodes.

use serde::{Deserialize, Serialize};

mod answers;
pub(crate) mod bounded;
mod client;
mod place;
mod platform;
mod server;

pub(crate) use answers::Extent;
pub use answers::{CountLine, Look, MonitorLine, MonitorList, NodeList, PastDownLine, PeerLine, WatchedLine};
pub use client::{AskError, ask};
pub use place::{default_directory, default_socket};
pub use server::{Served, serve};

/// What can be asked of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Question {
    /// Which nodes are up, and what this one is.
    Nodes,
    /// Who watches whom: [`Node::monitors`](crate::Node::monitors).
    Monitors,
    /// What was told last: [`Node::history`](crate::Node::history), newest first, as far as
    /// the node is configured to keep it. Only of this monitor, or of this
    /// target, if one is named.
    Downs(Option<String>),
    /// All of that, and every count, in one answer; of the `Down`s the last 1,000.
    Look,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Answer {
    /// To [`Question::Nodes`].
    Nodes(NodeList),
    /// To [`Question::Monitors`].
    Monitors(MonitorList),
    /// To [`Question::Downs`].
    Downs(Vec<PastDownLine>),
    /// To [`Question::Look`].
    Look(Box<Look>),
    /// To what is no question: what is wrong with it.
    Refused(String),
}

/// The longest question, in bytes.
const MAX_QUESTION: u64 = 4096;
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;
/// Maximum number of monitors of each kind in an answer.
const MAX_MONITORS: usize = 10_000;
/// Maximum number of nodes in an answer.
const MAX_PEERS: usize = 10_000;
/// Maximum extent of a [look](Question::Look).
const MAX_LOOK: Extent = Extent { monitors: MAX_MONITORS, downs: 1000, peers: MAX_PEERS };
