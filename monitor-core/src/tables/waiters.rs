//! The calls that wait for a session with a peer, in the order in which they were made.

use super::{
    keys::{OutgoingIndex, WaiterIndex},
    storage::{List, ListLinks, Lists, Slab, linked},
};
use crate::ids::Ticket;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Waiters {
    rows: Slab<WaiterIndex, Row>,
    by_peer: Lists<WaitersByPeer>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Row {
    waiter: Waiter,
    by_peer: ListLinks<WaiterIndex>,
}

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Waiter {
    Monitor(OutgoingIndex),
    /// Something that the caller of the core keeps.
    Ticket(Ticket),
}

linked! {
    /// The calls that wait for a session with one peer.
    WaitersByPeer: WaiterIndex => Row.by_peer
}

impl Waiters {
    pub(crate) const fn new() -> Self {
        Waiters { rows: Slab::new(), by_peer: Lists::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends a call. The returned key removes it again if its monitor ends first.
    pub(crate) fn push(&mut self, list: List<WaitersByPeer>, waiter: Waiter) -> WaiterIndex {
        let at = self.rows.insert(|_| Row { waiter, by_peer: ListLinks::LOOSE });
        self.by_peer.push_back(list, &mut self.rows, at);
        at
    }

    pub(crate) fn pop(&mut self, list: List<WaitersByPeer>) -> Option<Waiter> {
        let at = self.by_peer.first(list)?;
        Some(self.remove(at))
    }

    pub(crate) fn remove(&mut self, at: WaiterIndex) -> Waiter {
        self.by_peer.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0)).waiter
    }

    pub(crate) fn create_list(&mut self) -> List<WaitersByPeer> {
        self.by_peer.create()
    }

    pub(crate) fn destroy_list(&mut self, list: List<WaitersByPeer>) {
        self.by_peer.destroy(list);
    }
}
