//! The local processes that take part in any monitor: the heads of their lists.

use alloc::vec::Vec;

use super::list::List;
use crate::ids::LocalPid;

/// Indexed by the slot of the pid.
#[derive(Clone, Debug, Hash)]
pub(crate) struct ProcessTable {
    slots: Vec<Option<Entry>>,
}

/// The lists of one process; each is made when it is first needed.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Entry {
    generation: u32,
    /// Its exit is being reported to us.
    pub(crate) watched: bool,
    /// The monitors it has made, in [`Outgoing`](super::Outgoing).
    pub(crate) owned: Option<List>,
    /// The monitors of local watchers on it, in [`Outgoing`](super::Outgoing).
    pub(crate) local_watchers: Option<List>,
    /// The monitors of peers on it, in [`Incoming`](super::Incoming).
    pub(crate) remote_watchers: Option<List>,
    /// Its `monitor_node`s.
    pub(crate) nodes: Option<List>,
    /// Its `monitor_nodes`.
    pub(crate) subscriptions: Option<List>,
}

impl Entry {
    /// Of a process that takes part in nothing yet.
    pub(crate) const fn of(pid: LocalPid) -> Self {
        Entry {
            generation: pid.0.generation(),
            watched: false,
            owned: None,
            local_watchers: None,
            remote_watchers: None,
            nodes: None,
            subscriptions: None,
        }
    }
}

impl ProcessTable {
    pub(crate) const fn new() -> Self {
        ProcessTable { slots: Vec::new() }
    }

    /// The entry of a process that takes part in a monitor and has not exited.
    pub(crate) fn get(&self, pid: LocalPid) -> Option<&Entry> {
        self.slots.get(pid.0.slot() as usize)?.as_ref().filter(|entry| entry.generation == pid.0.generation())
    }

    /// The entry of a process that lives, made if there is none.
    pub(crate) fn enter(&mut self, pid: LocalPid) -> &mut Entry {
        let slot = pid.0.slot() as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, None);
        }
        let entry = &mut self.slots[slot];
        debug_assert!(
            entry.is_none_or(|entry| entry.generation == pid.0.generation()),
            "a slot is used again only after the exit of its process was reported"
        );
        entry.get_or_insert(Entry::of(pid))
    }

    /// All lists of a process but that of its own monitors are the caller's to empty.
    pub(crate) fn end_all_but_own(&mut self, pid: LocalPid) -> Option<Entry> {
        self.get(pid)?;
        let entry = self.slots[pid.0.slot() as usize].as_mut()?;
        let owned = Entry { owned: entry.owned, watched: entry.watched, ..Entry::of(pid) };
        Some(Entry { owned: None, ..core::mem::replace(entry, owned) })
    }

    /// The process has exited: its lists are the caller's to empty.
    pub(crate) fn remove(&mut self, pid: LocalPid) -> Option<Entry> {
        self.get(pid)?;
        self.slots[pid.0.slot() as usize].take()
    }
}
