//! The other nodes: the state of the connection to each, the lists of its monitors, and the
//! notifications that are being delivered.

use alloc::{collections::BTreeMap, sync::Arc};

use refs::{DialId, Incarnation, NodeName, SessionEnd, SessionId};

use super::{
    incoming_monitors::IncomingBySession,
    keys::{NodeSubscriptionIndex, PeerIndex},
    node_monitors::NodeMonitorsByPeer,
    outgoing_monitors::BoundMonitors,
    storage::{Cursor, HashIndex, List, Slab},
    waiters::WaitersByPeer,
};
use crate::effect::NodeEvent;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Peers {
    rows: Slab<PeerIndex, Peer>,
    by_name: HashIndex<PeerIndex>,
    by_session: BTreeMap<SessionId, PeerIndex>,
}

/// One node. It is removed when it is not connected and nothing refers to it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) state: PeerState,
    /// The session that is up takes no more frames: later calls wait for the next session.
    pub(crate) closing: bool,
    /// Number of sessions and attempts that have ended. A `monitor_node` of one epoch is not told
    /// of the end of the next.
    pub(crate) epoch: u32,
    /// The calls that wait for a session.
    pub(crate) waiters: List<WaitersByPeer>,
    pub(crate) waiter_count: usize,
    /// The monitors of local watchers that are bound to the session that is up.
    pub(crate) monitors: List<BoundMonitors>,
    /// The monitors of the peer on local processes.
    pub(crate) incoming_monitors: List<IncomingBySession>,
    pub(crate) incoming_count: usize,
    /// The watchers that are told of the end of the present epoch.
    pub(crate) node_monitors: List<NodeMonitorsByPeer>,
    /// A session that has begun before the end of the previous one was told completely.
    pub(crate) next: Option<Arc<NodeEvent>>,
    /// The beginning of a session that is being told. Always before `down_notification`.
    pub(crate) up_notification: Option<UpNotification>,
    /// The end of a session, or of an attempt to connect, that is being told.
    pub(crate) down_notification: Option<DownNotification>,
    /// The peer is in the backlog.
    pub(crate) queued: bool,
    /// Number of rows in [`TargetNodes`](super::TargetNodes) that refer to this peer.
    pub(crate) target_node_count: u32,
}

/// The state of the connection to a peer.
#[derive(Clone, Debug, Hash)]
pub(crate) enum PeerState {
    /// Not connected, and no call has asked for a connection.
    Idle,
    /// A connection was requested.
    Connecting(DialId),
    /// A session is up. The event announced its beginning.
    Up(Arc<NodeEvent>),
    /// The session or the attempt has ended, and its end is being told.
    Draining,
}

/// The beginning of a session, while it is told to the subscribers of `monitor_nodes`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct UpNotification {
    pub(crate) event: Arc<NodeEvent>,
    /// The number of the event.
    pub(crate) number: u64,
    /// The next subscription to look at; `None` once all were told.
    pub(crate) next: Option<Cursor<NodeSubscriptionIndex>>,
}

/// The end of a session or of an attempt to connect, while it is told. The rows of the lists are
/// processed in the order of the fields.
#[derive(Clone, Debug, Hash)]
pub(crate) struct DownNotification {
    pub(crate) end: SessionEnd,
    pub(crate) waiters: List<WaitersByPeer>,
    pub(crate) monitors: List<BoundMonitors>,
    pub(crate) incoming_monitors: List<IncomingBySession>,
    pub(crate) node_monitors: List<NodeMonitorsByPeer>,
    pub(crate) event: Arc<NodeEvent>,
    /// The number of the event.
    pub(crate) number: u64,
    /// As in [`UpNotification`]; `None` from the start if there was no session.
    pub(crate) next: Option<Cursor<NodeSubscriptionIndex>>,
}

impl Peers {
    pub(crate) fn new(seed: u64) -> Self {
        Peers { rows: Slab::new(), by_name: HashIndex::new(seed), by_session: BTreeMap::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of sessions that are up, or wait for the end of the previous one to be told.
    pub(crate) fn sessions(&self) -> usize {
        self.by_session.len()
    }

    pub(crate) fn find(&mut self, name: &NodeName) -> Option<PeerIndex> {
        self.by_name.find(name.as_str(), |at| self.rows[at].name == *name)
    }

    /// Adds a peer that [`Peers::find`] did not find.
    pub(crate) fn insert(&mut self, peer: Peer) -> PeerIndex {
        let at = self.rows.insert(|_| peer);
        self.by_name.insert(at, |at| self.rows[at].name.as_str());
        at
    }

    pub(crate) fn remove(&mut self, at: PeerIndex) -> Peer {
        self.by_name.remove(at, self.rows[at].name.as_str(), |at| self.rows[at].name.as_str());
        self.rows.remove(at, Some(0))
    }

    pub(crate) fn get(&self, at: PeerIndex) -> &Peer {
        &self.rows[at]
    }

    pub(crate) fn get_mut(&mut self, at: PeerIndex) -> &mut Peer {
        &mut self.rows[at]
    }

    /// The peer of a session that [`Peers::sessions`] counts.
    pub(crate) fn of_session(&self, session: SessionId) -> Option<PeerIndex> {
        self.by_session.get(&session).copied()
    }

    pub(crate) fn add_session(&mut self, session: SessionId, peer: PeerIndex) {
        self.by_session.insert(session, peer);
    }

    pub(crate) fn remove_session(&mut self, session: SessionId) -> Option<PeerIndex> {
        self.by_session.remove(&session)
    }

    /// All peers, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.rows.iter()
    }
}

impl Peer {
    /// The event of the session that is up.
    pub(crate) fn up(&self) -> Option<&Arc<NodeEvent>> {
        match &self.state {
            PeerState::Up(event) => Some(event),
            PeerState::Idle | PeerState::Connecting(_) | PeerState::Draining => None,
        }
    }

    /// The session that is up.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.up()?.session.as_ref().map(|&(session, _)| session)
    }

    /// The session that is up, if it still takes frames.
    pub(crate) fn open_session(&self) -> Option<SessionId> {
        self.session().filter(|_| !self.closing)
    }

    /// The incarnation of the node on the session that is up.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.up()?.session.as_ref().map(|(_, node)| node.incarnation)
    }
}
