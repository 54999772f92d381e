//! Who has called `monitor_node`: at most one row per process and node.

use super::{
    hash_index::HashIndex,
    list::{List, ListLinks, Lists, linked},
    slab::Slab,
};
use crate::ids::LocalPid;

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeMonitors {
    rows: Slab<Row>,
    index: HashIndex,
    by_peer: Lists<ByPeer>,
    by_watcher: Lists<ByWatcher>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Row {
    pub(crate) watcher: LocalPid,
    /// Index in [`Peers`](super::Peers).
    pub(crate) peer: u32,
    /// Of which life of the link to the peer the end is awaited: see [`Peer::epoch`](super::Peer).
    pub(crate) epoch: u32,
    /// The notice of that life is due, and the one of the next was asked for already.
    pub(crate) again: bool,
    by_peer: ListLinks,
    by_watcher: ListLinks,
}

linked!(ByPeer, by_peer);
linked!(ByWatcher, by_watcher);

impl Row {
    const fn key(&self) -> (LocalPid, u32) {
        (self.watcher, self.peer)
    }
}

impl NodeMonitors {
    pub(crate) fn new(seed: u64) -> Self {
        NodeMonitors {
            rows: Slab::new(),
            index: HashIndex::new(seed),
            by_peer: Lists::new(),
            by_watcher: Lists::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    fn find(&mut self, watcher: LocalPid, peer: u32) -> Option<u32> {
        let key = (watcher, peer);
        self.index.find(key, |at| self.rows[at].key() == key)
    }

    /// Subscribes to the end of that life of the peer's link. Twice is once. If the row still stands for an
    /// earlier life, whose end is being told, it stands for this one too from then on.
    pub(crate) fn subscribe(
        &mut self,
        watcher: LocalPid,
        owned: &mut Option<List>,
        peer: u32,
        epoch: u32,
        of_peer: List,
    ) {
        if let Some(at) = self.find(watcher, peer) {
            self.rows[at].again |= self.rows[at].epoch != epoch;
            return;
        }
        let of_watcher = *owned.get_or_insert_with(|| self.by_watcher.create());
        let at = self.rows.insert(|_, _| Row {
            watcher,
            peer,
            epoch,
            again: false,
            by_peer: ListLinks::LOOSE,
            by_watcher: ListLinks::LOOSE,
        });
        self.by_peer.push_back(of_peer, &mut self.rows, at);
        self.by_watcher.push_back(of_watcher, &mut self.rows, at);
        self.index.insert(at, |at| self.rows[at].key());
    }

    pub(crate) fn unsubscribe(&mut self, watcher: LocalPid, peer: u32) {
        if let Some(at) = self.find(watcher, peer) {
            self.remove(at);
        }
    }

    /// The end is told to the first of the list: it leaves the list, for that of the present life if it has asked
    /// for that too. Returns the watcher, or nothing if the list is empty.
    pub(crate) fn pop(&mut self, list: List, epoch: u32, of_peer: List) -> Option<LocalPid> {
        let at = self.by_peer.first(list)?;
        let watcher = self.rows[at].watcher;
        if self.rows[at].again {
            self.by_peer.remove(&mut self.rows, at);
            self.by_peer.push_back(of_peer, &mut self.rows, at);
            let row = &mut self.rows[at];
            (row.again, row.epoch) = (false, epoch);
        } else {
            self.remove(at);
        }
        Some(watcher)
    }

    /// Removes the first row of a watcher; returns its peer, or nothing if the list is empty.
    pub(crate) fn pop_owned(&mut self, list: List) -> Option<u32> {
        let at = self.by_watcher.first(list)?;
        Some(self.remove(at).peer)
    }

    fn remove(&mut self, at: u32) -> Row {
        self.index.remove(at, self.rows[at].key(), |at| self.rows[at].key());
        self.by_peer.remove(&mut self.rows, at);
        self.by_watcher.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0))
    }

    pub(crate) fn peer_list(&mut self) -> List {
        self.by_peer.create()
    }

    pub(crate) fn is_empty_list(&self, list: List) -> bool {
        self.by_peer.first(list).is_none()
    }

    pub(crate) fn destroy_peer(&mut self, list: List) {
        self.by_peer.destroy(list);
    }

    pub(crate) fn destroy_owned(&mut self, list: List) {
        self.by_watcher.destroy(list);
    }
}
