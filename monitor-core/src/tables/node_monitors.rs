//! The monitors made by `monitor_node`: at most one row for each process and node.

use super::{
    keys::{NodeMonitorIndex, PeerIndex},
    storage::{HashIndex, List, ListLinks, Lists, Slab, linked},
};
use crate::ids::LocalPid;

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeMonitors {
    rows: Slab<NodeMonitorIndex, NodeMonitor>,
    index: HashIndex<NodeMonitorIndex>,
    by_peer: Lists<NodeMonitorsByPeer>,
    by_watcher: Lists<NodeMonitorsByWatcher>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeMonitor {
    watcher: LocalPid,
    peer: PeerIndex,
    /// The epoch whose end the watcher is to be told: see [`Peer::epoch`](super::Peer).
    epoch: u32,
    /// The notice for `epoch` is due, and the watcher has already asked for that of the next epoch.
    again: bool,
    by_peer: ListLinks<NodeMonitorIndex>,
    by_watcher: ListLinks<NodeMonitorIndex>,
}

linked! {
    /// The monitors on one peer.
    NodeMonitorsByPeer: NodeMonitorIndex => NodeMonitor.by_peer
}

linked! {
    /// The monitors of one process.
    NodeMonitorsByWatcher: NodeMonitorIndex => NodeMonitor.by_watcher
}

impl NodeMonitor {
    const fn key(&self) -> (LocalPid, PeerIndex) {
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

    fn find(&mut self, watcher: LocalPid, peer: PeerIndex) -> Option<NodeMonitorIndex> {
        let key = (watcher, peer);
        self.index.find(key, |at| self.rows[at].key() == key)
    }

    /// Monitors the end of this epoch of the peer. Called again, it changes nothing. If the row
    /// still stands for an earlier epoch, whose end is being told, it stands for this epoch too
    /// from then on.
    pub(crate) fn insert(
        &mut self,
        watcher: LocalPid,
        of_watcher: &mut Option<List<NodeMonitorsByWatcher>>,
        peer: PeerIndex,
        epoch: u32,
        of_peer: List<NodeMonitorsByPeer>,
    ) {
        if let Some(at) = self.find(watcher, peer) {
            self.rows[at].again |= self.rows[at].epoch != epoch;
            return;
        }
        let of_watcher = *of_watcher.get_or_insert_with(|| self.by_watcher.create());
        let at = self.rows.insert(|_| NodeMonitor {
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

    pub(crate) fn remove(&mut self, watcher: LocalPid, peer: PeerIndex) {
        if let Some(at) = self.find(watcher, peer) {
            self.remove_row(at);
        }
    }

    /// Takes the first row off a list whose end is being told; returns its watcher, or `None` if
    /// the list is empty. The row moves to the list of the present epoch if the watcher has asked
    /// for that too; otherwise it is removed.
    pub(crate) fn pop(
        &mut self,
        list: List<NodeMonitorsByPeer>,
        epoch: u32,
        of_peer: List<NodeMonitorsByPeer>,
    ) -> Option<LocalPid> {
        let at = self.by_peer.first(list)?;
        let watcher = self.rows[at].watcher;
        if self.rows[at].again {
            self.by_peer.remove(&mut self.rows, at);
            self.by_peer.push_back(of_peer, &mut self.rows, at);
            let row = &mut self.rows[at];
            (row.again, row.epoch) = (false, epoch);
        } else {
            self.remove_row(at);
        }
        Some(watcher)
    }

    /// Removes the first row of a watcher; returns its peer, or `None` if the list is empty.
    pub(crate) fn pop_of_watcher(&mut self, list: List<NodeMonitorsByWatcher>) -> Option<PeerIndex> {
        let at = self.by_watcher.first(list)?;
        Some(self.remove_row(at).peer)
    }

    fn remove_row(&mut self, at: NodeMonitorIndex) -> NodeMonitor {
        self.index.remove(at, self.rows[at].key(), |at| self.rows[at].key());
        self.by_peer.remove(&mut self.rows, at);
        self.by_watcher.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0))
    }

    pub(crate) fn create_peer_list(&mut self) -> List<NodeMonitorsByPeer> {
        self.by_peer.create()
    }

    pub(crate) fn is_empty_list(&self, list: List<NodeMonitorsByPeer>) -> bool {
        self.by_peer.first(list).is_none()
    }

    pub(crate) fn destroy_peer_list(&mut self, list: List<NodeMonitorsByPeer>) {
        self.by_peer.destroy(list);
    }

    pub(crate) fn destroy_watcher_list(&mut self, list: List<NodeMonitorsByWatcher>) {
        self.by_watcher.destroy(list);
    }
}
