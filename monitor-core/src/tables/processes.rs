//! The local processes that take part in any monitor: the heads of their lists.

use alloc::vec::Vec;

use super::{
    incoming_monitors::IncomingByTarget,
    node_monitors::NodeMonitorsByWatcher,
    node_subscriptions::NodeSubscriptionsByWatcher,
    outgoing_monitors::{BoundMonitors, OutgoingByWatcher},
    storage::List,
};
use crate::ids::LocalPid;

/// The table, indexed by the slot of the pid. It is stored in chunks. An empty chunk is freed,
/// except for one spare chunk.
#[derive(Clone, Debug, Hash)]
pub(crate) struct ProcessTable {
    chunks: Vec<Chunk>,
    /// The chunk that has memory and no entry.
    spare: Option<usize>,
    /// Bytes of exit reasons in the unread notices of all processes.
    unread: usize,
}

#[derive(Clone, Debug, Default, Hash)]
struct Chunk {
    /// Grows to [`CHUNK`].
    slots: Vec<Option<ProcessEntry>>,
    entries: usize,
}

/// Number of slots in a chunk.
const CHUNK: usize = 4096;

/// The lists of one process; each is made when it is first needed.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct ProcessEntry {
    generation: u32,
    /// Bytes of exit reasons in its unread notices.
    unread: usize,
    /// [`Effect::Watch`](crate::Effect::Watch) was sent: the caller reports the exit.
    pub(crate) watched: bool,
    /// The monitors that the process has made.
    pub(crate) made_monitors: Option<List<OutgoingByWatcher>>,
    /// The monitors of local watchers on the process.
    pub(crate) local_watchers: Option<List<BoundMonitors>>,
    /// The monitors of peers on the process.
    pub(crate) remote_watchers: Option<List<IncomingByTarget>>,
    /// Its `monitor_node`s.
    pub(crate) node_monitors: Option<List<NodeMonitorsByWatcher>>,
    /// Its `monitor_nodes`.
    pub(crate) node_subscriptions: Option<List<NodeSubscriptionsByWatcher>>,
}

impl ProcessEntry {
    /// The entry of a process that takes part in no monitor yet.
    pub(crate) const fn new(pid: LocalPid) -> Self {
        ProcessEntry {
            generation: pid.0.generation(),
            unread: 0,
            watched: false,
            made_monitors: None,
            local_watchers: None,
            remote_watchers: None,
            node_monitors: None,
            node_subscriptions: None,
        }
    }
}

impl ProcessTable {
    pub(crate) const fn new() -> Self {
        ProcessTable { chunks: Vec::new(), spare: None, unread: 0 }
    }

    /// The entry of a process that takes part in a monitor and has not exited.
    pub(crate) fn get(&self, pid: LocalPid) -> Option<&ProcessEntry> {
        let (chunk, slot) = position(pid);
        let entry = self.chunks.get(chunk)?.slots.get(slot)?.as_ref();
        entry.filter(|entry| entry.generation == pid.0.generation())
    }

    /// Bytes of reasons in the unread notices of a process, and of all processes.
    pub(crate) fn unread(&self, pid: LocalPid) -> (usize, usize) {
        (self.get(pid).map_or(0, |entry| entry.unread), self.unread)
    }

    /// Counts a notice whose reason has this many bytes as unread.
    pub(crate) fn add_unread(&mut self, pid: LocalPid, bytes: usize) {
        if let Some(entry) = self.get_mut(pid) {
            entry.unread += bytes;
            self.unread += bytes;
        }
    }

    /// Counts a notice as read or flushed. For a process that has exited there is nothing to do:
    /// [`ProcessTable::remove`] has subtracted all of its unread notices.
    pub(crate) fn remove_unread(&mut self, pid: LocalPid, bytes: usize) {
        if bytes > 0
            && let Some(entry) = self.get_mut(pid)
        {
            entry.unread -= bytes;
            self.unread -= bytes;
        }
    }

    fn get_mut(&mut self, pid: LocalPid) -> Option<&mut ProcessEntry> {
        let (chunk, slot) = position(pid);
        let entry = self.chunks.get_mut(chunk)?.slots.get_mut(slot)?.as_mut();
        entry.filter(|entry| entry.generation == pid.0.generation())
    }

    /// The entry of a process that has not exited; made if there is none.
    pub(crate) fn enter(&mut self, pid: LocalPid) -> &mut ProcessEntry {
        let (number, slot) = position(pid);
        if self.chunks.get(number).is_none_or(|chunk| slot >= chunk.slots.len()) {
            self.make_room(number, slot);
        }
        let chunk = &mut self.chunks[number];
        let entry = &mut chunk.slots[slot];
        debug_assert!(
            entry.is_none_or(|entry| entry.generation == pid.0.generation()),
            "a slot is reused only after the exit of its process was reported"
        );
        if entry.is_none() {
            chunk.entries += 1;
            self.spare = self.spare.filter(|&spare| spare != number);
        }
        entry.get_or_insert(ProcessEntry::new(pid))
    }

    #[cold]
    fn make_room(&mut self, number: usize, slot: usize) {
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, Chunk::default);
        }
        // The first chunk grows as needed, and others are rare.
        let len = if number == 0 { slot + 1 } else { CHUNK };
        self.chunks[number].slots.resize(len, None);
    }

    /// Returns all lists of a process except that of the monitors it has made. The caller must
    /// empty them.
    pub(crate) fn take_all_but_made_monitors(&mut self, pid: LocalPid) -> Option<ProcessEntry> {
        let entry = self.get_mut(pid)?;
        // The notices of its own monitors can still be received.
        let ProcessEntry { made_monitors, watched, unread, .. } = *entry;
        let kept = ProcessEntry { made_monitors, watched, unread, ..ProcessEntry::new(pid) };
        Some(ProcessEntry { made_monitors: None, ..core::mem::replace(entry, kept) })
    }

    /// Removes a process that has exited, and returns its lists. The caller must empty them.
    pub(crate) fn remove(&mut self, pid: LocalPid) -> Option<ProcessEntry> {
        self.get(pid)?;
        let (number, slot) = position(pid);
        let chunk = &mut self.chunks[number];
        let entry = chunk.slots[slot].take();
        self.unread -= entry.map_or(0, |entry| entry.unread);
        chunk.entries -= 1;
        if chunk.entries == 0 {
            let spare = self.spare.map_or(number, |spare| spare.min(number));
            if let Some(other) = self.spare {
                self.chunks[other.max(number)] = Chunk::default();
            }
            self.spare = Some(spare);
        }
        entry
    }
}

/// The chunk of a process, and its slot there.
const fn position(pid: LocalPid) -> (usize, usize) {
    let slot = pid.0.slot() as usize;
    (slot / CHUNK, slot % CHUNK)
}
