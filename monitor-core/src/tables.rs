//! What the core remembers. Each table is a leaf: it changes its rows and returns facts, and never makes an effect.

mod chunked_slab;
mod hash_index;
mod incoming_monitors;
mod list;
mod node_monitors;
mod node_subscriptions;
mod outgoing_monitors;
mod peer_serials;
mod peers;
mod processes;
mod slab;
mod target_nodes;
mod waiters;

pub(crate) use incoming_monitors::{IncomingMonitors, Monitored};
pub(crate) use list::List;
pub(crate) use node_monitors::NodeMonitors;
pub(crate) use node_subscriptions::NodeSubscriptions;
pub(crate) use outgoing_monitors::{MonitorState, OutgoingMonitors, RowTarget};
pub(crate) use peers::{DownNotification, Peer, PeerState, Peers, UpNotification};
pub(crate) use processes::{ProcessEntry, ProcessTable};
pub(crate) use target_nodes::{TargetNode, TargetNodes};
pub(crate) use waiters::{Waiter, Waiters};
