//! The address book: the peers with which there should always be a session, and their addresses.

use std::collections::{BTreeMap, BTreeSet};

use refs::{Address, NodeName, NodeSpec};

/// The source of a list of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The configuration itself.
    Config,
    /// The file of peers.
    File,
    /// The DNS answers for the name with that index.
    Dns(usize),
}

/// The lists of all sources, merged. A peer in several lists has the addresses of the first list
/// that gives any.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    lists: BTreeMap<Source, Vec<NodeSpec>>,
    entries: BTreeMap<NodeName, Vec<Address>>,
}

impl AddressBook {
    /// Replaces the list of a source. Returns the peers that were added or removed, or whose
    /// addresses have changed.
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

    /// The addresses of the peer; empty if its name contains its address.
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
    fn a_new_list_reports_its_changes_and_nothing_else() {
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
