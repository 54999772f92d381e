//! Registration and exit of processes and watchers.

use monitor_core::{ExitReason, LocalPid};
use supervision::unwind;

use crate::{
    engine::{directory::LocalEndpoint, state::Inner},
    error::NotAlive,
};

impl Inner {
    /// Gives a number to a process or watcher.
    pub(crate) fn register_endpoint(&self, endpoint: LocalEndpoint) -> Result<LocalPid, NotAlive> {
        self.enter_alive(|_, _| self.directory.write().insert(endpoint))
    }

    /// Handles the exit of a process or watcher. The directory does not contain it any more, and
    /// its names are free, before any `Down` is sent or delivered.
    pub(crate) fn exited(&self, pid: LocalPid, reason: ExitReason) {
        let mut calls = Vec::new();
        let removed = self.enter(|state, out| {
            let removed = self.directory.write().remove(pid);
            calls = state.aliases.exited(pid);
            state.core.process_exited(pid, Some(reason), out);
            removed
        });
        let removed = removed.unwrap_or_else(|NotAlive| self.directory.write().remove(pid));
        // Calls that wait in another task end, because no reply will come.
        calls.iter().filter_map(|call| call.end()).for_each(unwind::wake);
        if let Some(LocalEndpoint::Process(process)) = removed {
            // A program that still holds the mailbox receives the queued entries, and then `None`.
            // Otherwise the mailbox is dropped here, without a lock held.
            process.close();
            self.wake_stop();
        }
    }

    /// Ends the aliases of a process or watcher, and its pending calls.
    pub(crate) fn exit_aliases(&self, pid: LocalPid) {
        let calls = self.enter(|state, _| state.aliases.exited(pid)).unwrap_or_default();
        calls.iter().filter_map(|call| call.end()).for_each(unwind::wake);
    }
}
