//! Addresses of nodes that came with calls.

use std::collections::{BTreeMap, HashMap};

use refs::{NodeName, NodeSpec};

/// The newest addresses, up to a limit: whoever connects to ever new names must not fill the
/// memory.
#[derive(Debug)]
pub(crate) struct AddressCache {
    limit: usize,
    entries: HashMap<NodeName, CachedAddress>,
    /// The same by age, to forget the oldest.
    ages: BTreeMap<u64, NodeName>,
    last: u64,
}

#[derive(Debug)]
struct CachedAddress {
    age: u64,
    spec: NodeSpec,
}

impl AddressCache {
    /// Of at most so many nodes, at least of one.
    pub(crate) fn new(limit: usize) -> Self {
        AddressCache { limit, entries: HashMap::new(), ages: BTreeMap::new(), last: 0 }
    }

    /// Keeps the addresses of a node, instead of those it had; it is the newest now. Returns
    /// whether the oldest was forgotten for it. O(log n).
    pub(crate) fn remember(&mut self, spec: NodeSpec) -> bool {
        self.last += 1;
        let (name, age) = (spec.name().clone(), self.last);
        let before = self.entries.insert(name.clone(), CachedAddress { age, spec });
        self.ages.insert(age, name);
        if let Some(before) = before {
            self.ages.remove(&before.age);
        }
        self.entries.len() > self.limit && self.forget_oldest()
    }

    /// The addresses that were given for a node, if any were and are not forgotten.
    pub(crate) fn get(&self, node: &NodeName) -> Option<&NodeSpec> {
        self.entries.get(node).map(|page| &page.spec)
    }

    /// Of how many nodes it has addresses.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn forget_oldest(&mut self) -> bool {
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

    fn knows(cache: &AddressCache, node: usize) -> bool {
        cache.get(spec(node, 1).name()).is_some()
    }

    #[test]
    fn a_hundred_thousand_names_leave_the_newest() {
        let mut cache = AddressCache::new(1000);
        let forgotten = (0..100_000).filter(|&node| cache.remember(spec(node, 1))).count();
        assert_eq!((cache.len(), cache.ages.len(), forgotten), (1000, 1000, 99_000));
        assert!((0..99_000).all(|node| !knows(&cache, node)));
        assert!((99_000..100_000).all(|node| knows(&cache, node)));
    }

    #[test]
    fn a_name_that_is_told_again_has_its_new_addresses_and_is_the_newest() {
        let mut cache = AddressCache::new(2);
        assert!(!cache.remember(spec(1, 1)) && !cache.remember(spec(2, 1)));
        assert!(!cache.remember(spec(1, 9)), "it takes no more room than before");
        assert_eq!(cache.get(spec(1, 1).name()), Some(&spec(1, 9)));
        assert!(cache.remember(spec(3, 1)));
        assert!(knows(&cache, 1) && !knows(&cache, 2) && knows(&cache, 3));
        assert_eq!((cache.len(), cache.ages.len()), (2, 2));
    }

    #[test]
    fn a_cache_of_one_keeps_the_last() {
        let mut cache = AddressCache::new(1);
        assert!(!cache.remember(spec(1, 1)) && cache.remember(spec(2, 1)));
        assert!(!knows(&cache, 1) && knows(&cache, 2));
    }
}
