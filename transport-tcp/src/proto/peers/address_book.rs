//! The address book: which peers there should always be a session with, and where they can be
//! reached.

use std::collections::{BTreeMap, BTreeSet};

use refs::{Address, NodeName, NodeSpec};

/// Where a list of peers comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The configuration itself.
    Config,
    /// The file of peers.
    File,
    /// The answers for that one of the names in DNS.
    Dns(usize),
}

/// The lists of all sources, as one. A peer in several of them has the addresses of the first that
/// knows any.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    lists: BTreeMap<Source, Vec<NodeSpec>>,
    entries: BTreeMap<NodeName, Vec<Address>>,
}

impl AddressBook {
    /// A source has a new list. The peers that are listed now and were not, the other way round, or
    /// have other addresses.
    pub(crate) fn replace(&mut self, source: Source, list: Vec<NodeSpec>) -> BTreeSet<NodeName> {
        self.lists.insert(source, list);
        let mut entries: BTreeMap<NodeName, Vec<Address>> = BTreeMap::new();
        for spec in self.lists.values().flatten() {
            let known = entries.entry(spec.name().clone()).or_default();
            if known.is_empty() {
                *known = spec.addresses().to_vec();
            }
        }
        let before = std::mem::replace(&mut self.entries, entries);
        let names = before.keys().chain(self.entries.keys());
        names.filter(|name| before.get(*name) != self.entries.get(*name)).cloned().collect()
    }

    pub(crate) fn lists(&self, name: &NodeName) -> bool {
        self.entries.contains_key(name)
    }

    /// Where it can be reached; nowhere if that is for its name to say.
    pub(crate) fn addresses(&self, name: &NodeName) -> &[Address] {
        self.entries.get(name).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(book: &mut AddressBook, source: Source, list: &[&str]) -> Vec<String> {
        let list = list.iter().map(|spec| spec.parse().unwrap()).collect();
        book.replace(source, list).iter().map(|name| name.label().to_owned()).collect()
    }

    #[test]
    fn what_a_new_list_changes_is_told_and_nothing_else() {
        let mut book = AddressBook::default();
        assert_eq!(replace(&mut book, Source::Config, &["a@h:1", "b@h:1"]), ["a", "b"]);
        assert_eq!(replace(&mut book, Source::File, &["b@h:1", "c@h:1"]), ["c"]);
        assert_eq!(replace(&mut book, Source::File, &["c@h:1", "b@h:1"]), [""; 0]);
        assert_eq!(replace(&mut book, Source::File, &["c@h:1=h:2"]), ["c"], "b is still configured");
        assert_eq!(replace(&mut book, Source::Dns(0), &["c@h:1=h:3", "d@h:1"]), ["d"]);
        assert_eq!(replace(&mut book, Source::File, &[]), ["c"], "the next source has other addresses");
        let c = "c@h:1".parse().unwrap();
        assert_eq!(book.addresses(&c), ["h:3".parse().unwrap()]);
        assert_eq!(replace(&mut book, Source::Dns(0), &[]), ["c", "d"]);
        assert!(!book.lists(&c));
    }
}
