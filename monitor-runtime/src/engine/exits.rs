//! The beginning and the end of processes and watchers.

use monitor_core::{ExitReason, LocalPid};
use supervision::unwind;

use crate::{
    engine::{directory::LocalEndpoint, state::Inner},
    error::NotAlive,
};

impl Inner {
    /// Gives a number to what can watch, unless the node was stopped.
    pub(crate) fn register_endpoint(&self, endpoint: LocalEndpoint) -> Result<LocalPid, NotAlive> {
        self.enter_alive(|_, _| self.directory.write().insert(endpoint))
    }

    /// The exit of a process or a watcher. It is out of the directory, and its names are free,
    /// before anybody is told.
    pub(crate) fn exited(&self, pid: LocalPid, reason: ExitReason) {
        let mut calls = Vec::new();
        let removed = self.enter(|state, out| {
            let removed = self.directory.write().remove(pid);
            calls = state.aliases.exited(pid);
            state.core.process_exited(pid, Some(reason), out);
            removed
        });
        let removed = removed.unwrap_or_else(|NotAlive| self.directory.write().remove(pid));
        // Calls that wait in another task learn that nothing will come.
        calls.iter().filter_map(|call| call.down()).for_each(unwind::wake);
        if let Some(LocalEndpoint::Process(process)) = removed {
            // Whoever still holds the mailbox receives what waits, and then nothing. If nobody
            // does, it is dropped here, without a lock.
            process.close();
            self.progress();
        }
    }

    /// The aliases of a process or watcher end, and with them the calls that wait for a reply.
    pub(crate) fn exit_aliases(&self, pid: LocalPid) {
        let calls = self.enter(|state, _| state.aliases.exited(pid)).unwrap_or_default();
        calls.iter().filter_map(|call| call.down()).for_each(unwind::wake);
    }
}
