//! The other nodes: what the link to each is, what hangs on it, and what is still to be told about it.

use alloc::{collections::BTreeMap, sync::Arc};

use refs::{DialId, Incarnation, NodeName, SessionEnd, SessionId};

use super::{hash_index::HashIndex, list::List, slab::Slab};
use crate::effect::NodeEvent;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Peers {
    rows: Slab<Peer>,
    by_name: HashIndex,
    by_session: BTreeMap<SessionId, u32>,
}

/// One node. Forgotten when there is no link and nothing refers to it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) state: PeerState,
    /// The session that is up takes no more frames: later calls wait for the next session.
    pub(crate) closing: bool,
    /// Counts the lives of the link: what is subscribed in one life is not told of the next one's end.
    pub(crate) epoch: u32,
    /// What waits for a session, in [`Waiters`](super::Waiters).
    pub(crate) waiters: List,
    pub(crate) waiter_count: usize,
    /// The monitors on the session that is up, in [`OutgoingMonitors`](super::OutgoingMonitors).
    pub(crate) monitors: List,
    /// The monitors of the peer on local processes, in [`IncomingMonitors`](super::IncomingMonitors).
    pub(crate) incoming_monitors: List,
    pub(crate) incoming_count: usize,
    /// Who is to be told of the end, in [`NodeMonitors`](super::NodeMonitors).
    pub(crate) node_monitors: List,
    /// A session that has begun while the one before it was not told to its end.
    pub(crate) next: Option<Arc<NodeEvent>>,
    /// The beginning of a session that is being told. Always before `down`.
    pub(crate) up_notification: Option<UpNotification>,
    /// The end of a session, or of an attempt to make one, that is being told.
    pub(crate) down_notification: Option<DownNotification>,
    /// It has its place in the backlog already.
    pub(crate) queued: bool,
    /// How many [`TargetNodes`](super::TargetNodes) refer to it.
    pub(crate) target_node_count: u32,
}

/// The link to a peer.
#[derive(Clone, Debug, Hash)]
pub(crate) enum PeerState {
    /// There is none, and none was asked for.
    Idle,
    /// One was asked for.
    Connecting(DialId),
    /// A session; the event is the one that told of its beginning.
    Up(Arc<NodeEvent>),
    /// The session, or the attempt, has ended; not everybody was told.
    Draining,
}

/// The beginning of a session on its way to the subscribers.
#[derive(Clone, Debug, Hash)]
pub(crate) struct UpNotification {
    pub(crate) event: Arc<NodeEvent>,
    pub(crate) number: u64,
    /// The next place of [`NodeSubscriptions`](super::NodeSubscriptions) to look at; none once all were told.
    pub(crate) place: Option<u32>,
}

/// The end of a session or of an attempt on its way to everybody who hung on it, in the order of the fields.
#[derive(Clone, Debug, Hash)]
pub(crate) struct DownNotification {
    pub(crate) end: SessionEnd,
    pub(crate) waiters: List,
    pub(crate) monitors: List,
    pub(crate) incoming_monitors: List,
    pub(crate) node_monitors: List,
    pub(crate) event: Arc<NodeEvent>,
    pub(crate) number: u64,
    /// As in [`UpNotification`]; none from the start if there was no session.
    pub(crate) place: Option<u32>,
}

impl Peers {
    pub(crate) fn new(seed: u64) -> Self {
        Peers { rows: Slab::new(), by_name: HashIndex::new(seed), by_session: BTreeMap::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The sessions that are up, or wait to be.
    pub(crate) fn sessions(&self) -> usize {
        self.by_session.len()
    }

    pub(crate) fn find(&mut self, name: &NodeName) -> Option<u32> {
        self.by_name.find(name.as_str(), |at| self.rows[at].name == *name)
    }

    /// Adds a peer that [`Peers::find`] did not find.
    pub(crate) fn insert(&mut self, peer: Peer) -> u32 {
        let at = self.rows.insert(|_, _| peer);
        self.by_name.insert(at, |at| self.rows[at].name.as_str());
        at
    }

    pub(crate) fn remove(&mut self, at: u32) -> Peer {
        self.by_name.remove(at, self.rows[at].name.as_str(), |at| self.rows[at].name.as_str());
        self.rows.remove(at, Some(0))
    }

    pub(crate) fn get(&self, at: u32) -> &Peer {
        &self.rows[at]
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> &mut Peer {
        &mut self.rows[at]
    }

    /// The peer of a session that is up or waits to be.
    pub(crate) fn of_session(&self, session: SessionId) -> Option<u32> {
        self.by_session.get(&session).copied()
    }

    pub(crate) fn add_session(&mut self, session: SessionId, peer: u32) {
        self.by_session.insert(session, peer);
    }

    pub(crate) fn remove_session(&mut self, session: SessionId) -> Option<u32> {
        self.by_session.remove(&session)
    }

    /// All peers, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        core::iter::successors(self.rows.scan(0), |&(_, next)| self.rows.scan(next))
            .filter_map(|(peer, _)| peer)
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

    /// The life of the node with which the session is that is up.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.up()?.session.as_ref().map(|(_, node)| node.incarnation)
    }
}
