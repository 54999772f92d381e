//! Finds rows of a table by a key that stands in them.

use core::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// Seeded, because keys come from peers: who does not know the seed cannot choose keys that collide.
///
/// Who asks for a key most often asks for it again: the row that was found or added last is looked at first, which costs a
/// fifth of a search.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    rows: HashTable<u32>,
    hasher: FixedState,
    /// One of `rows`, or [`NONE`].
    latest: u32,
}

const NONE: u32 = u32::MAX;

// It follows from the rows: equal rows are the same state, whatever their index looks like.
impl Hash for Index {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        Index { rows: HashTable::new(), hasher: FixedState::with_seed(seed), latest: NONE }
    }

    /// The row with the key; `bears` tells whether a row has it.
    pub(crate) fn find(&mut self, key: impl Hash, bears: impl Fn(u32) -> bool) -> Option<u32> {
        if self.latest != NONE && bears(self.latest) {
            return Some(self.latest);
        }
        let found = self.rows.find(self.hasher.hash_one(key), |&at| bears(at)).copied()?;
        self.latest = found;
        Some(found)
    }

    /// Adds a row whose key no other row has; `key_of` reads the key of any row.
    pub(crate) fn insert<K: Hash>(&mut self, at: u32, key_of: impl Fn(u32) -> K) {
        let hasher = &self.hasher;
        self.latest = at;
        self.rows.insert_unique(hasher.hash_one(key_of(at)), at, |&at| hasher.hash_one(key_of(at)));
    }

    pub(crate) fn remove(&mut self, at: u32, key: impl Hash) {
        if self.latest == at {
            self.latest = NONE;
        }
        if let Ok(entry) = self.rows.find_entry(self.hasher.hash_one(key), |&other| other == at) {
            entry.remove();
        }
    }
}
