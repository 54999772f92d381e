//! The key types of the tables, one for each.

use super::storage::key;

key! {
    /// A monitor in [`OutgoingMonitors`](super::OutgoingMonitors).
    OutgoingIndex
}

key! {
    /// A monitor in [`IncomingMonitors`](super::IncomingMonitors).
    IncomingIndex
}

key! {
    /// A node in [`TargetNodes`](super::TargetNodes).
    TargetNodeIndex
}

key! {
    /// A node in [`Peers`](super::Peers).
    PeerIndex
}

key! {
    /// A call in [`Waiters`](super::Waiters).
    WaiterIndex
}

key! {
    /// A row of [`NodeMonitors`](super::NodeMonitors).
    NodeMonitorIndex
}

key! {
    /// A row of [`NodeSubscriptions`](super::NodeSubscriptions).
    NodeSubscriptionIndex
}
