//! Addresses of nodes that callers have given.

use std::collections::{BTreeMap, HashMap};

use refs::{NodeName, NodeSpec};

/// The newest addresses, up to a limit, so that a caller that connects to ever new names cannot
/// fill the memory.
#[derive(Debug)]
pub(crate) struct AddressCache {
    limit: usize,
    entries: HashMap<NodeName, CachedAddress>,
    /// Node names by age, to find the oldest.
    ages: BTreeMap<u64, NodeName>,
    last_age: u64,
}

#[derive(Debug)]
struct CachedAddress {
    age: u64,
    spec: NodeSpec,
}

impl AddressCache {
    /// Creates a cache of at most `limit` nodes. It holds at least one node, even if the limit is
    /// zero.
    pub(crate) fn new(limit: usize) -> Self {
        AddressCache { limit, entries: HashMap::new(), ages: BTreeMap::new(), last_age: 0 }
    }

    /// Stores the addresses of a node in place of earlier ones, and makes the node the newest.
    /// Returns true if the cache dropped the oldest node for it. O(log n).
    pub(crate) fn insert(&mut self, spec: NodeSpec) -> bool {
        self.last_age += 1;
        let (name, age) = (spec.name().clone(), self.last_age);
        let previous = self.entries.insert(name.clone(), CachedAddress { age, spec });
        self.ages.insert(age, name);
        if let Some(previous) = previous {
            self.ages.remove(&previous.age);
        }
        self.entries.len() > self.limit && self.drop_oldest()
    }

    /// Returns the stored addresses of a node.
    pub(crate) fn get(&self, node: &NodeName) -> Option<&NodeSpec> {
        self.entries.get(node).map(|cached| &cached.spec)
    }

    /// Number of nodes in the cache.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.ages.pop_first();
        oldest.is_some_and(|(_, name)| self.entries.remove(&name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(node: usize, port: u16) -> NodeSpec {
        format!("n{node}@host=10.0.0.1:{port}").parse().unwrap()
    }

    fn contains(cache: &AddressCache, node: usize) -> bool {
        cache.get(spec(node, 1).name()).is_some()
    }

    #[test]
    fn a_hundred_thousand_names_leave_the_newest() {
        let mut cache = AddressCache::new(1000);
        let dropped = (0..100_000).filter(|&node| cache.insert(spec(node, 1))).count();
        assert_eq!((cache.len(), cache.ages.len(), dropped), (1000, 1000, 99_000));
        assert!((0..99_000).all(|node| !contains(&cache, node)));
        assert!((99_000..100_000).all(|node| contains(&cache, node)));
    }

    #[test]
    fn a_name_that_is_stored_again_has_its_new_addresses_and_is_the_newest() {
        let mut cache = AddressCache::new(2);
        assert!(!cache.insert(spec(1, 1)) && !cache.insert(spec(2, 1)));
        assert!(!cache.insert(spec(1, 9)), "the cache has not grown");
        assert_eq!(cache.get(spec(1, 1).name()), Some(&spec(1, 9)));
        assert!(cache.insert(spec(3, 1)));
        assert!(contains(&cache, 1) && !contains(&cache, 2) && contains(&cache, 3));
        assert_eq!((cache.len(), cache.ages.len()), (2, 2));
    }

    #[test]
    fn a_cache_of_one_keeps_the_last() {
        let mut cache = AddressCache::new(1);
        assert!(!cache.insert(spec(1, 1)) && cache.insert(spec(2, 1)));
        assert!(!contains(&cache, 1) && contains(&cache, 2));
    }
}
