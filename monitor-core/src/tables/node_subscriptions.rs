//! The subscriptions by `monitor_nodes`: at most one row for each process and set of options.

use super::{
    keys::NodeSubscriptionIndex,
    storage::{Cursor, List, ListLinks, Lists, Slab, linked},
};
use crate::{effect::NodesOptions, ids::LocalPid};

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeSubscriptions {
    rows: Slab<NodeSubscriptionIndex, NodeSubscription>,
    by_watcher: Lists<NodeSubscriptionsByWatcher>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct NodeSubscription {
    pub(crate) watcher: LocalPid,
    pub(crate) options: NodesOptions,
    /// The number of the last event that the snapshot included. Only later events are delivered.
    pub(crate) since: u64,
    by_watcher: ListLinks<NodeSubscriptionIndex>,
}

linked! {
    /// The subscriptions of one process.
    NodeSubscriptionsByWatcher: NodeSubscriptionIndex => NodeSubscription.by_watcher
}

impl NodeSubscriptions {
    pub(crate) const fn new() -> Self {
        NodeSubscriptions { rows: Slab::new(), by_watcher: Lists::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Subscribes to the events after number `since`. Equal options of one process are one
    /// subscription, which keeps its place in the stream.
    pub(crate) fn insert(
        &mut self,
        watcher: LocalPid,
        of_watcher: &mut Option<List<NodeSubscriptionsByWatcher>>,
        options: NodesOptions,
        since: u64,
    ) {
        let list = *of_watcher.get_or_insert_with(|| self.by_watcher.create());
        if self.find(list, options).is_none() {
            let by_watcher = ListLinks::LOOSE;
            let at = self.rows.insert(|_| NodeSubscription { watcher, options, since, by_watcher });
            self.by_watcher.push_back(list, &mut self.rows, at);
        }
    }

    /// Removes the subscription of a watcher with exactly these options, if there is one.
    pub(crate) fn remove(&mut self, of_watcher: List<NodeSubscriptionsByWatcher>, options: NodesOptions) {
        if let Some(at) = self.find(of_watcher, options) {
            self.remove_row(at);
        }
    }

    /// A process has at most as many rows as there are different options: six.
    fn find(
        &self,
        of_watcher: List<NodeSubscriptionsByWatcher>,
        options: NodesOptions,
    ) -> Option<NodeSubscriptionIndex> {
        self.by_watcher.iter(&self.rows, Some(of_watcher)).find(|&at| self.rows[at].options == options)
    }

    /// Removes the first row of a watcher; returns whether there was one.
    pub(crate) fn pop_of_watcher(&mut self, list: List<NodeSubscriptionsByWatcher>) -> bool {
        self.by_watcher.first(list).map(|at| self.remove_row(at)).is_some()
    }

    fn remove_row(&mut self, at: NodeSubscriptionIndex) {
        self.by_watcher.remove(&mut self.rows, at);
        self.rows.remove(at, Some(0));
    }

    pub(crate) fn destroy_watcher_list(&mut self, list: List<NodeSubscriptionsByWatcher>) {
        self.by_watcher.destroy(list);
    }

    /// Looks at one cell of the table: see [`Slab::scan`].
    pub(crate) fn scan(
        &self,
        at: Cursor<NodeSubscriptionIndex>,
    ) -> Option<(Option<&NodeSubscription>, Cursor<NodeSubscriptionIndex>)> {
        self.rows.scan(at)
    }
}
