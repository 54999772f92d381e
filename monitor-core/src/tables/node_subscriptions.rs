//! Who has called `monitor_nodes`: at most one row per process and options.

use super::{
    list::{List, ListLinks, Lists, linked},
    slab::Slab,
};
use crate::{effect::NodesOptions, ids::LocalPid};

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeSubscriptions {
    rows: Slab<Row>,
    by_watcher: Lists<ByWatcher>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Row {
    pub(crate) watcher: LocalPid,
    pub(crate) options: NodesOptions,
    /// The number of the last event that was part of the snapshot; only later ones are told.
    pub(crate) since: u64,
    by_watcher: ListLinks,
}

linked!(ByWatcher, by_watcher);

impl NodeSubscriptions {
    pub(crate) const fn new() -> Self {
        NodeSubscriptions { rows: Slab::new(), by_watcher: Lists::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Subscribes to the events after number `since`. Equal options of one process are one subscription, which keeps
    /// its place in the stream.
    pub(crate) fn subscribe(
        &mut self,
        watcher: LocalPid,
        owned: &mut Option<List>,
        options: NodesOptions,
        since: u64,
    ) {
        let list = *owned.get_or_insert_with(|| self.by_watcher.create());
        if self.find(list, options).is_none() {
            let at = self.rows.insert(|_, _| Row { watcher, options, since, by_watcher: ListLinks::LOOSE });
            self.by_watcher.push_back(list, &mut self.rows, at);
        }
    }

    pub(crate) fn unsubscribe(&mut self, owned: List, options: NodesOptions) {
        if let Some(at) = self.find(owned, options) {
            self.remove(at);
        }
    }

    /// One process has at most as many rows as there are different options: six.
    fn find(&self, owned: List, options: NodesOptions) -> Option<u32> {
        let mut of_watcher =
            core::iter::successors(self.by_watcher.first(owned), |&at| self.by_watcher.next(&self.rows, at));
        of_watcher.find(|&at| self.rows[at].options == options)
    }

    /// Removes the first row of a watcher; returns whether there was one.
    pub(crate) fn pop_owned(&mut self, list: List) -> bool {
        self.by_watcher.first(list).map(|at| self.remove(at)).is_some()
    }

    fn remove(&mut self, at: u32) {
        self.by_watcher.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0));
    }

    pub(crate) fn destroy_owned(&mut self, list: List) {
        self.by_watcher.destroy(list);
    }

    /// Looks at one place of the table: the row there, and the next place; nothing past the end.
    pub(crate) fn scan(&self, place: u32) -> Option<(Option<&Row>, u32)> {
        self.rows.scan(place)
    }
}
