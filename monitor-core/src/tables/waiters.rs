//! What waits for a session with a peer, in the order in which it was asked for.

use super::{
    list::{List, ListLinks, Lists, linked},
    slab::Slab,
};
use crate::ids::Ticket;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Waiters {
    rows: Slab<Row>,
    by_peer: Lists<ByPeer>,
}

#[derive(Clone, Debug, Hash)]
struct Row {
    waiter: Waiter,
    by_peer: ListLinks,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Waiter {
    /// A monitor, by its row in [`OutgoingMonitors`](super::OutgoingMonitors).
    Monitor(u32),
    /// Something that the caller keeps.
    Ticket(Ticket),
}

linked!(ByPeer, by_peer);

impl Waiters {
    pub(crate) const fn new() -> Self {
        Waiters { rows: Slab::new(), by_peer: Lists::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends; returns the place, by which a monitor that is taken back can leave.
    pub(crate) fn push(&mut self, list: List, waiter: Waiter) -> u32 {
        let at = self.rows.insert(|_, _| Row { waiter, by_peer: ListLinks::LOOSE });
        self.by_peer.push_back(list, &mut self.rows, at);
        at
    }

    pub(crate) fn pop(&mut self, list: List) -> Option<Waiter> {
        let at = self.by_peer.first(list)?;
        Some(self.remove(at))
    }

    pub(crate) fn remove(&mut self, at: u32) -> Waiter {
        self.by_peer.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0)).waiter
    }

    pub(crate) fn create(&mut self) -> List {
        self.by_peer.create()
    }

    pub(crate) fn destroy(&mut self, list: List) {
        self.by_peer.destroy(list);
    }
}
