//! The nodes of all targets, each once: a row of a monitor holds an index instead of a name.

use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use refs::{Incarnation, NodeName};

use super::pool::Pool;

#[derive(Clone, Debug)]
pub(crate) struct Origins {
    rows: Pool<Origin>,
    index: HashTable<u32>,
    hasher: FixedState,
}

/// A node as a target names it: with the incarnation for a pid, without for a name.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) name: NodeName,
    pub(crate) incarnation: Option<Incarnation>,
    /// Index in [`Peers`](super::Peers); none for the own node.
    pub(crate) peer: Option<u32>,
    monitors: u32,
}

impl Origins {
    pub(crate) fn new(seed: u64) -> Self {
        Origins { rows: Pool::new(), index: HashTable::new(), hasher: FixedState::with_seed(seed) }
    }

    fn hash(&self, name: &NodeName, incarnation: Option<Incarnation>) -> u64 {
        self.hasher.hash_one((name.as_str(), incarnation))
    }

    pub(crate) fn find(&self, name: &NodeName, incarnation: Option<Incarnation>) -> Option<u32> {
        let same = |&at: &u32| self.rows[at].incarnation == incarnation && self.rows[at].name == *name;
        self.index.find(self.hash(name, incarnation), same).copied()
    }

    /// Adds a node that [`Origins::find`] did not find.
    pub(crate) fn insert(
        &mut self,
        name: &NodeName,
        incarnation: Option<Incarnation>,
        peer: Option<u32>,
    ) -> u32 {
        let at = self.rows.insert(|_, _| Origin { name: name.clone(), incarnation, peer, monitors: 0 });
        let hash = self.hash(name, incarnation);
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash = |&at: &u32| hasher.hash_one((rows[at].name.as_str(), rows[at].incarnation));
        self.index.insert_unique(hash, at, rehash);
        at
    }

    pub(crate) fn get(&self, at: u32) -> &Origin {
        &self.rows[at]
    }

    /// One more monitor has a target there.
    pub(crate) fn hold(&mut self, at: u32) {
        self.rows[at].monitors += 1;
    }

    /// One monitor less. Returns the node if that was the last, which is then forgotten.
    pub(crate) fn release(&mut self, at: u32) -> Option<Origin> {
        self.rows[at].monitors -= 1;
        if self.rows[at].monitors > 0 {
            return None;
        }
        let hash = self.hash(&self.rows[at].name, self.rows[at].incarnation);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        Some(self.rows.remove(at, Some(0)))
    }
}
