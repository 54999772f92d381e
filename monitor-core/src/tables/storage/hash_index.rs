//! A hash index: finds the rows of a table by a value that the rows contain.
//!
//! A full hash table moves all its entries, which with millions of rows is a stall, and it never
//! returns memory. So the rows are spread over many small tables, *shards*, and the number of
//! shards follows the number of rows, one at a time: this is linear hashing. No step moves more
//! than the rows of one shard.

use alloc::{vec, vec::Vec};
use core::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use super::key::Key;

/// Holds the keys of rows. The hasher is seeded because peers choose values: without the seed, a
/// peer cannot choose values that collide.
///
/// Most look-ups repeat the one before them. So the row that was found or added last is compared
/// first, which costs a fifth of a search.
#[derive(Clone, Debug)]
pub(crate) struct HashIndex<K> {
    /// At least one.
    shards: Vec<HashTable<K>>,
    len: usize,
    hasher: FixedState,
    /// The row that was found or added last, or [`Key::NONE`].
    latest: K,
}

/// Average number of rows in a shard above which a shard is added.
const SHARD: usize = 256;

/// Average number of rows in a shard below which a shard is removed. To move a row costs about two
/// cache misses, so shards are removed late: a quarter as many rows move as with half of [`SHARD`],
/// and at most 2.5 KiB per shard are kept meanwhile.
const SPARSE: usize = SHARD / 16;

// The index follows from the rows: equal rows are the same state, whatever their index looks like.
impl<K> Hash for HashIndex<K> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<K: Key> HashIndex<K> {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        HashIndex { shards: vec![HashTable::new()], len: 0, hasher, latest: K::NONE }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the row that contains `value`; `contains` tells whether a row does.
    pub(crate) fn find(&mut self, value: impl Hash, contains: impl Fn(K) -> bool) -> Option<K> {
        if self.latest != K::NONE && contains(self.latest) {
            return Some(self.latest);
        }
        let hash = self.hasher.hash_one(value);
        let shard = &self.shards[shard_of(hash, self.shards.len())];
        let found = shard.find(hash, |&at| contains(at)).copied()?;
        self.latest = found;
        Some(found)
    }

    /// Adds a row whose value no other row contains; `value_of` reads the value of any row.
    pub(crate) fn insert<V: Hash>(&mut self, at: K, value_of: impl Fn(K) -> V) {
        let hasher = &self.hasher;
        let hash_of = |at: K| hasher.hash_one(value_of(at));
        self.latest = at;
        self.len += 1;
        let hash = hash_of(at);
        let shard = shard_of(hash, self.shards.len());
        self.shards[shard].insert_unique(hash, at, |&at| hash_of(at));
        if self.len > SHARD * self.shards.len() {
            add_shard(&mut self.shards, hash_of);
        }
    }

    /// Removes the row that contains `value`; `value_of` reads the value of any other row.
    pub(crate) fn remove<V: Hash>(&mut self, at: K, value: impl Hash, value_of: impl Fn(K) -> V) {
        if self.latest == at {
            self.latest = K::NONE;
        }
        let hash = self.hasher.hash_one(value);
        let shard = shard_of(hash, self.shards.len());
        let Ok(entry) = self.shards[shard].find_entry(hash, |&other| other == at) else { return };
        entry.remove();
        self.len -= 1;
        if self.len < SPARSE * (self.shards.len() - 1) {
            remove_shard(&mut self.shards, |at| self.hasher.hash_one(value_of(at)));
        }
    }
}

/// The shard of a hash among that number of shards. Uses bits that the hash tables do not.
const fn shard_of(hash: u64, shards: usize) -> usize {
    let mask = shards.next_power_of_two() - 1;
    let at = (hash >> 32) as usize & mask;
    if at < shards { at } else { at & (mask >> 1) }
}

/// Adds a shard. It takes over its part of the rows of the one shard that held them.
#[cold]
fn add_shard<K: Key>(shards: &mut Vec<HashTable<K>>, hash_of: impl Fn(K) -> u64) {
    let added = shards.len();
    let source = &mut shards[shard_of((added as u64) << 32, added)];
    // About half of the rows move. With room for those, the new shard does not grow meanwhile.
    let mut shard = HashTable::with_capacity(source.len() / 2 + SHARD / 8);
    let moved = source.extract_if(|&mut at| shard_of(hash_of(at), added + 1) == added);
    moved.for_each(|at| _ = shard.insert_unique(hash_of(at), at, |&at| hash_of(at)));
    shards.push(shard);
}

/// Removes a shard. Its rows move to the shard that would have held them without it.
#[cold]
fn remove_shard<K: Key>(shards: &mut Vec<HashTable<K>>, hash_of: impl Fn(K) -> u64) {
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
    use super::{super::key::key, *};

    key! { TestKey }

    #[test]
    fn rows_are_found_while_shards_come_and_go() {
        let mut index = HashIndex::new(7);
        let mut random = fastrand::Rng::with_seed(7);
        let values: Vec<u64> = (0..50_000).map(|_| random.u64(..)).collect();
        let value_of = |at: TestKey| values[at.index() as usize];
        let find = |index: &mut HashIndex<TestKey>, at: TestKey| {
            index.find(value_of(at), |other| value_of(other) == value_of(at))
        };
        let count = values.len() as u32;
        for at in (0..count).map(TestKey::new) {
            assert_eq!(find(&mut index, at), None);
            index.insert(at, value_of);
            let other = TestKey::new(random.u32(0..=at.index()));
            assert_eq!(find(&mut index, other), Some(other));
        }
        assert_eq!(index.shards.len(), values.len().div_ceil(SHARD));
        let largest = index.shards.iter().map(HashTable::len).max();
        assert!(largest.is_some_and(|largest| largest < 4 * SHARD), "{largest:?}");
        for at in (0..count).map(TestKey::new) {
            assert_eq!(find(&mut index, at), Some(at));
            index.remove(at, value_of(at), value_of);
            assert_eq!(find(&mut index, at), None);
            let other = TestKey::new(random.u32(at.index()..count));
            assert_eq!(find(&mut index, other), (other != at).then_some(other));
        }
        assert_eq!((index.len, index.shards.len()), (0, 1));
        assert!(index.shards.capacity() <= 8);
    }
}
