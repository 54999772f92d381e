//! Finds rows of a table by a key that stands in them.
//!
//! A hash table that is full moves all it holds, which with millions of rows is a stall; and it never gives memory back. So the
//! rows are spread over many small tables, *shards*, and the number of those follows the number of rows, one at a time: this
//! is linear hashing. No step moves more than the rows of one shard.

use alloc::{vec, vec::Vec};
use core::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// Seeded, because keys come from peers: who does not know the seed cannot choose keys that collide.
///
/// Who asks for a key most often asks for it again: the row that was found or added last is looked at first, which costs a
/// fifth of a search.
#[derive(Clone, Debug)]
pub(crate) struct HashIndex {
    /// At least one.
    shards: Vec<HashTable<u32>>,
    len: usize,
    hasher: FixedState,
    /// One of the rows, or [`NONE`].
    latest: u32,
}

const NONE: u32 = u32::MAX;

/// How many rows a shard has on average before there is one more.
const SHARD: usize = 256;

/// With fewer rows than this on average, there is one shard less. Moving a row costs about two cache misses, so shards are
/// removed late: a quarter as many rows move as with half of [`SHARD`], and at most 2.5 KiB a shard are kept meanwhile.
const SPARSE: usize = SHARD / 16;

// It follows from the rows: equal rows are the same state, whatever their index looks like.
impl Hash for HashIndex {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl HashIndex {
    pub(crate) fn new(seed: u64) -> Self {
        HashIndex {
            shards: vec![HashTable::new()],
            len: 0,
            hasher: FixedState::with_seed(seed),
            latest: NONE,
        }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The row with the key; `bears` tells whether a row has it.
    pub(crate) fn find(&mut self, key: impl Hash, bears: impl Fn(u32) -> bool) -> Option<u32> {
        if self.latest != NONE && bears(self.latest) {
            return Some(self.latest);
        }
        let hash = self.hasher.hash_one(key);
        let found = self.shards[shard_of(hash, self.shards.len())].find(hash, |&at| bears(at)).copied()?;
        self.latest = found;
        Some(found)
    }

    /// Adds a row whose key no other row has; `key_of` reads the key of any row.
    pub(crate) fn insert<K: Hash>(&mut self, at: u32, key_of: impl Fn(u32) -> K) {
        let hasher = &self.hasher;
        let hash_of = |at: u32| hasher.hash_one(key_of(at));
        self.latest = at;
        self.len += 1;
        let hash = hash_of(at);
        let shard = shard_of(hash, self.shards.len());
        self.shards[shard].insert_unique(hash, at, |&at| hash_of(at));
        if self.len > SHARD * self.shards.len() {
            add_shard(&mut self.shards, hash_of);
        }
    }

    /// Removes a row with this key; `key_of` reads the key of any other row.
    pub(crate) fn remove<K: Hash>(&mut self, at: u32, key: impl Hash, key_of: impl Fn(u32) -> K) {
        if self.latest == at {
            self.latest = NONE;
        }
        let hash = self.hasher.hash_one(key);
        let shard = shard_of(hash, self.shards.len());
        let Ok(entry) = self.shards[shard].find_entry(hash, |&other| other == at) else { return };
        entry.remove();
        self.len -= 1;
        if self.len < SPARSE * (self.shards.len() - 1) {
            remove_shard(&mut self.shards, |at| self.hasher.hash_one(key_of(at)));
        }
    }
}

/// Of so many shards, the one of that hash. Takes bits that the tables make nothing of.
const fn shard_of(hash: u64, shards: usize) -> usize {
    let mask = shards.next_power_of_two() - 1;
    let at = (hash >> 32) as usize & mask;
    if at < shards { at } else { at & (mask >> 1) }
}

/// One shard more: it takes its part of the one that had its rows.
#[cold]
fn add_shard(shards: &mut Vec<HashTable<u32>>, hash_of: impl Fn(u32) -> u64) {
    let added = shards.len();
    let source = &mut shards[shard_of((added as u64) << 32, added)];
    // About half of them; with room for those, the shard moves none while it is filled.
    let mut shard = HashTable::with_capacity(source.len() / 2 + SHARD / 8);
    let moved = source.extract_if(|&mut at| shard_of(hash_of(at), added + 1) == added);
    moved.for_each(|at| _ = shard.insert_unique(hash_of(at), at, |&at| hash_of(at)));
    shards.push(shard);
}

/// One shard less: its rows go back to where they would have been without it.
#[cold]
fn remove_shard(shards: &mut Vec<HashTable<u32>>, hash_of: impl Fn(u32) -> u64) {
    let removed = shards.pop().expect("more than one");
    let left = shards.len();
    let target = &mut shards[shard_of((left as u64) << 32, left)];
    removed.into_iter().for_each(|at| _ = target.insert_unique(hash_of(at), at, |&at| hash_of(at)));
    if shards.capacity() > 4 * left {
        shards.shrink_to(2 * left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_while_shards_come_and_go() {
        let mut index = HashIndex::new(7);
        let mut random = fastrand::Rng::with_seed(7);
        let keys: Vec<u64> = (0..50_000).map(|_| random.u64(..)).collect();
        let key_of = |at: u32| keys[at as usize];
        let find =
            |index: &mut HashIndex, at: u32| index.find(key_of(at), |other| key_of(other) == key_of(at));
        for at in 0..keys.len() as u32 {
            assert_eq!(find(&mut index, at), None);
            index.insert(at, key_of);
            let other = random.u32(0..=at);
            assert_eq!(find(&mut index, other), Some(other));
        }
        assert_eq!(index.shards.len(), keys.len().div_ceil(SHARD));
        let largest = index.shards.iter().map(HashTable::len).max();
        assert!(largest.is_some_and(|largest| largest < 4 * SHARD), "{largest:?}");
        for at in 0..keys.len() as u32 {
            assert_eq!(find(&mut index, at), Some(at));
            index.remove(at, key_of(at), key_of);
            assert_eq!(find(&mut index, at), None);
            let other = random.u32(at..keys.len() as u32);
            assert_eq!(find(&mut index, other), (other != at).then_some(other));
        }
        assert_eq!((index.len, index.shards.len()), (0, 1));
        assert!(index.shards.capacity() <= 8);
    }
}
