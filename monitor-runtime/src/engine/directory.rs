//! The processes and watchers of this node.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use futures::future::AbortHandle;
use monitor_core::{ExitReason, LocalPid, LocalTarget, Processes};
use refs::Serial;
use supervision::unwind;

use crate::{
    engine::registry::Registry,
    inbox::{
        queue::{MailboxLimits, Queue},
        watcher_inbox::Inbox,
    },
    sync::gate::Gate,
};

/// The node's side of a process.
#[derive(Debug)]
pub(crate) struct LiveProcess {
    pub(crate) queue: Queue,
    /// Every send of the process passes this gate.
    pub(crate) gate: Gate,
    fate: Fate,
    /// The exit reason that the process itself has set: see [`LiveProcess::exit_as`].
    own_reason: OnceLock<ExitReason>,
    /// Drops the task of the process at its next await. `None` if the node has not spawned the
    /// process.
    pub(crate) abort: Option<AbortHandle>,
}

impl LiveProcess {
    /// Creates a process with these limits on its mailbox.
    pub(crate) fn new(mailbox: MailboxLimits, abort: Option<AbortHandle>) -> Self {
        LiveProcess {
            queue: Queue::new(mailbox),
            gate: Gate::new(),
            fate: Fate::default(),
            own_reason: OnceLock::new(),
            abort,
        }
    }

    /// Ends the process with this verdict, unless an earlier verdict ended it. Returns true if this
    /// verdict is the first. A task is dropped at its next await; a guard receives nothing more and
    /// exits on drop.
    pub(crate) fn kill(&self, verdict: Verdict) -> bool {
        let is_first = self.fate.decide(verdict).is_ok();
        if let Some(abort) = &self.abort {
            abort.abort();
        }
        // A task that runs at this moment may receive once more, but no message that was sent after
        // this.
        self.close();
        is_first
    }

    /// Ends the process with this reason of its own, unless it was killed before. A task is dropped
    /// at its next await.
    pub(crate) fn exit_as(&self, reason: ExitReason) {
        let _ = self.own_reason.set(reason);
        if self.fate.decide(Verdict::Own).is_ok()
            && let Some(abort) = &self.abort
        {
            abort.abort();
        }
    }

    /// The reason of [`exit_as`](LiveProcess::exit_as), if the process has ended itself.
    pub(crate) fn own_reason(&self) -> Option<&ExitReason> {
        self.own_reason.get()
    }

    /// Decides that the process ends by itself, so that a later [`kill`](LiveProcess::kill) has no
    /// effect. Returns the exit reason: that of an earlier verdict, or else `own`.
    pub(crate) fn decide(&self, own: impl FnOnce() -> ExitReason) -> ExitReason {
        match self.fate.decide(Verdict::Own) {
            Ok(()) => own(),
            Err(Verdict::Own) => self.own_reason.get().cloned().unwrap_or_else(own),
            Err(Verdict::Killed) => ExitReason::Killed,
            Err(Verdict::Shutdown) => ExitReason::Shutdown,
        }
    }

    /// Closes the mailbox. The process can still receive the queued entries.
    pub(crate) fn close(&self) {
        if let Some(receiver) = self.queue.close() {
            unwind::wake(receiver);
        }
    }
}

/// The cause of the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// The process ended by itself.
    Own = 1,
    /// A kill.
    Killed = 2,
    /// The stop of the node.
    Shutdown = 3,
}

/// The first verdict about a process. An atomic and not a lock, because each exit pays for it.
#[derive(Debug, Default)]
struct Fate(AtomicU8);

impl Fate {
    const OPEN: u8 = 0;

    /// Stores the verdict, or returns the earlier one.
    fn decide(&self, verdict: Verdict) -> Result<(), Verdict> {
        let first = self.0.compare_exchange(Self::OPEN, verdict as u8, Ordering::AcqRel, Ordering::Acquire);
        first.map(drop).map_err(|first| match first {
            2 => Verdict::Killed,
            3 => Verdict::Shutdown,
            _ => Verdict::Own,
        })
    }
}

/// An endpoint with a number on this node. It can own monitors, and the node delivers `Down`s to
/// it.
#[derive(Clone, Debug)]
pub(crate) enum LocalEndpoint {
    Process(Arc<LiveProcess>),
    /// Owns monitors, but is no process, and has no pid or name.
    Watcher(Arc<Inbox>),
}

/// The processes and watchers of a node, and the registered names. One lock protects all of them,
/// so that an exit removes a process and its names in one step.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    slots: Vec<Slot>,
    free: Vec<u32>,
    pub(crate) names: Registry,
    processes: usize,
    watchers: usize,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    endpoint: Option<LocalEndpoint>,
}

impl Directory {
    /// Adds an endpoint under a number that was never used before.
    pub(crate) fn insert(&mut self, endpoint: LocalEndpoint) -> LocalPid {
        *self.count(&endpoint) += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).expect("memory is too small for 2^32 endpoints");
            self.slots.push(Slot { generation: 1, endpoint: None });
            index
        });
        let slot = &mut self.slots[index as usize];
        slot.endpoint = Some(endpoint);
        LocalPid(Serial::new(index, slot.generation))
    }

    /// Removes an endpoint and frees its names. The slot is reused until it has used all its
    /// generations.
    pub(crate) fn remove(&mut self, pid: LocalPid) -> Option<LocalEndpoint> {
        let slot =
            self.slots.get_mut(pid.0.slot() as usize).filter(|slot| slot.generation == pid.0.generation())?;
        let endpoint = slot.endpoint.take()?;
        if slot.generation < u32::MAX {
            slot.generation += 1;
            self.free.push(pid.0.slot());
        }
        *self.count(&endpoint) -= 1;
        self.names.release(pid);
        Some(endpoint)
    }

    /// Returns the endpoint with that number.
    pub(crate) fn get(&self, pid: LocalPid) -> Option<&LocalEndpoint> {
        let slot = self.slots.get(pid.0.slot() as usize)?;
        slot.endpoint.as_ref().filter(|_| slot.generation == pid.0.generation())
    }

    /// Returns the process with that number. `None` if the number belongs to a watcher.
    pub(crate) fn process(&self, pid: LocalPid) -> Option<&Arc<LiveProcess>> {
        match self.get(pid)? {
            LocalEndpoint::Process(process) => Some(process),
            LocalEndpoint::Watcher(_) => None,
        }
    }

    /// All endpoints, by slot.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LocalEndpoint> {
        self.slots.iter().filter_map(|slot| slot.endpoint.as_ref())
    }

    /// The numbers of all endpoints, by slot; the flag is true for a process.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (LocalPid, bool)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let is_process = matches!(slot.endpoint.as_ref()?, LocalEndpoint::Process(_));
            Some((LocalPid(Serial::new(index, slot.generation)), is_process))
        })
    }

    /// All processes, by slot.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (LocalPid, &Arc<LiveProcess>)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| match slot.endpoint.as_ref()? {
            LocalEndpoint::Process(process) => Some((LocalPid(Serial::new(index, slot.generation)), process)),
            LocalEndpoint::Watcher(_) => None,
        })
    }

    /// Number of processes and number of watchers.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.processes, self.watchers)
    }

    fn count(&mut self, endpoint: &LocalEndpoint) -> &mut usize {
        match endpoint {
            LocalEndpoint::Process(_) => &mut self.processes,
            LocalEndpoint::Watcher(_) => &mut self.watchers,
        }
    }
}

/// The core's view of the local processes.
impl Processes for Directory {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        match *target {
            LocalTarget::Pid(pid) => self.process(pid).map(|_| pid),
            LocalTarget::Name(name) => self.names.whereis(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher() -> LocalEndpoint {
        LocalEndpoint::Watcher(Arc::default())
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut directory = Directory::default();
        let first = directory.insert(watcher());
        assert!(directory.remove(first).is_some());
        let second = directory.insert(watcher());
        assert_eq!(first.0.slot(), second.0.slot());
        assert_ne!(first, second);
        assert!(directory.get(first).is_none() && directory.remove(first).is_none());
        assert!(directory.get(second).is_some());
    }

    #[test]
    fn a_slot_whose_generations_are_spent_is_retired() {
        let mut directory = Directory::default();
        let pid = directory.insert(watcher());
        directory.slots[0].generation = u32::MAX;
        assert!(directory.remove(LocalPid(Serial::new(pid.0.slot(), u32::MAX))).is_some());
        assert_eq!(directory.insert(watcher()).0.slot(), 1);
    }

    #[test]
    fn a_watcher_is_no_process() {
        let mut directory = Directory::default();
        let pid = directory.insert(watcher());
        assert_eq!(directory.resolve(&LocalTarget::Pid(pid)), None);
        assert_eq!(directory.counts(), (0, 1));
    }
}
