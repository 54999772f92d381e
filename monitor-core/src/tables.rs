//! The tables of the core. Each is a leaf: it changes its rows and returns facts, and never makes
//! an effect.
//!
//! | what | where |
//! |---|---|
//! | monitors that local watchers have made | `outgoing_monitors` |
//! | monitors that peers hold on local processes | `incoming_monitors` |
//! | from the serials of peers to the rows of their monitors | `peer_serials` |
//! | the nodes of all targets | `target_nodes` |
//! | the other nodes, their sessions, and the notifications in progress | `peers` |
//! | calls that wait for a session | `waiters` |
//! | `monitor_node` | `node_monitors` |
//! | `monitor_nodes` | `node_subscriptions` |
//! | local processes: the lists of each | `processes` |
//! | the key type of each table | `keys` |
//! | the generic structures that hold the rows | `storage` |

mod incoming_monitors;
mod keys;
mod node_monitors;
mod node_subscriptions;
mod outgoing_monitors;
mod peer_serials;
mod peers;
mod processes;
mod storage;
mod target_nodes;
mod waiters;

pub(crate) use incoming_monitors::{IncomingMonitor, IncomingMonitors};
pub(crate) use keys::{
    IncomingIndex, NodeSubscriptionIndex, OutgoingIndex, PeerIndex, TargetNodeIndex, WaiterIndex,
};
pub(crate) use node_monitors::{NodeMonitors, NodeMonitorsByPeer};
pub(crate) use node_subscriptions::NodeSubscriptions;
pub(crate) use outgoing_monitors::{MonitorState, OutgoingMonitors, RowTarget};
pub(crate) use peers::{DownNotification, Peer, PeerState, Peers, UpNotification};
pub(crate) use processes::{ProcessEntry, ProcessTable};
pub(crate) use storage::{Cursor, List};
pub(crate) use target_nodes::{TargetNode, TargetNodes};
pub(crate) use waiters::{Waiter, Waiters};
