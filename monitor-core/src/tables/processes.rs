//! The local processes that take part in any monitor: the heads of their lists.

use alloc::vec::Vec;

use super::list::List;
use crate::ids::LocalPid;

/// Indexed by the slot of the pid. It stands in chunks, and frees those that are empty but for one.
#[derive(Clone, Debug, Hash)]
pub(crate) struct ProcessTable {
    chunks: Vec<Chunk>,
    /// The chunk that has memory and no entry.
    spare: Option<usize>,
    /// Bytes of reasons in the unread notices of all.
    unread: usize,
}

#[derive(Clone, Debug, Default, Hash)]
struct Chunk {
    /// Grows to [`CHUNK`].
    slots: Vec<Option<ProcessEntry>>,
    entries: usize,
}

/// How many slots a chunk has.
const CHUNK: usize = 4096;

/// The lists of one process; each is made when it is first needed.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct ProcessEntry {
    generation: u32,
    /// Bytes of reasons in its unread notices.
    unread: usize,
    /// Its exit is being reported to us.
    pub(crate) watched: bool,
    /// The monitors it has made, in [`OutgoingMonitors`](super::OutgoingMonitors).
    pub(crate) owned: Option<List>,
    /// The monitors of local watchers on it, in [`OutgoingMonitors`](super::OutgoingMonitors).
    pub(crate) local_watchers: Option<List>,
    /// The monitors of peers on it, in [`IncomingMonitors`](super::IncomingMonitors).
    pub(crate) remote_watchers: Option<List>,
    /// Its `monitor_node`s.
    pub(crate) node_monitors: Option<List>,
    /// Its `monitor_nodes`.
    pub(crate) node_subscriptions: Option<List>,
}

impl ProcessEntry {
    /// Of a process that takes part in nothing yet.
    pub(crate) const fn of(pid: LocalPid) -> Self {
        ProcessEntry {
            generation: pid.0.generation(),
            unread: 0,
            watched: false,
            owned: None,
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
        let (chunk, slot) = place(pid);
        let entry = self.chunks.get(chunk)?.slots.get(slot)?.as_ref();
        entry.filter(|entry| entry.generation == pid.0.generation())
    }

    /// Bytes of reasons in the unread notices of a process, and of all processes.
    pub(crate) fn unread(&self, pid: LocalPid) -> (usize, usize) {
        (self.get(pid).map_or(0, |entry| entry.unread), self.unread)
    }

    /// A notice with a reason of so many bytes waits to be read.
    pub(crate) fn add_unread(&mut self, pid: LocalPid, bytes: usize) {
        if let Some(entry) = self.get_mut(pid) {
            entry.unread += bytes;
            self.unread += bytes;
        }
    }

    /// It was read or flushed. What an exited process has not read was left out of the account with it.
    pub(crate) fn remove_unread(&mut self, pid: LocalPid, bytes: usize) {
        if bytes > 0
            && let Some(entry) = self.get_mut(pid)
        {
            entry.unread -= bytes;
            self.unread -= bytes;
        }
    }

    fn get_mut(&mut self, pid: LocalPid) -> Option<&mut ProcessEntry> {
        let (chunk, slot) = place(pid);
        let entry = self.chunks.get_mut(chunk)?.slots.get_mut(slot)?.as_mut();
        entry.filter(|entry| entry.generation == pid.0.generation())
    }

    /// The entry of a process that lives, made if there is none.
    pub(crate) fn enter(&mut self, pid: LocalPid) -> &mut ProcessEntry {
        let (number, slot) = place(pid);
        if self.chunks.get(number).is_none_or(|chunk| slot >= chunk.slots.len()) {
            self.make_room(number, slot);
        }
        let chunk = &mut self.chunks[number];
        let entry = &mut chunk.slots[slot];
        debug_assert!(
            entry.is_none_or(|entry| entry.generation == pid.0.generation()),
            "a slot is used again only after the exit of its process was reported"
        );
        if entry.is_none() {
            chunk.entries += 1;
            self.spare = self.spare.filter(|&spare| spare != number);
        }
        entry.get_or_insert(ProcessEntry::of(pid))
    }

    #[cold]
    fn make_room(&mut self, number: usize, slot: usize) {
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, Chunk::default);
        }
        // The first grows as it is needed, and others are rare.
        let len = if number == 0 { slot + 1 } else { CHUNK };
        self.chunks[number].slots.resize(len, None);
    }

    /// All lists of a process but that of its own monitors are the caller's to empty.
    pub(crate) fn end_all_but_own(&mut self, pid: LocalPid) -> Option<ProcessEntry> {
        let entry = self.get_mut(pid)?;
        // Its own monitors have notices that it may still read.
        let ProcessEntry { owned, watched, unread, .. } = *entry;
        let owned = ProcessEntry { owned, watched, unread, ..ProcessEntry::of(pid) };
        Some(ProcessEntry { owned: None, ..core::mem::replace(entry, owned) })
    }

    /// The process has exited: its lists are the caller's to empty.
    pub(crate) fn remove(&mut self, pid: LocalPid) -> Option<ProcessEntry> {
        self.get(pid)?;
        let (number, slot) = place(pid);
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
const fn place(pid: LocalPid) -> (usize, usize) {
    let slot = pid.0.slot() as usize;
    (slot / CHUNK, slot % CHUNK)
}
