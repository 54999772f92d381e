//! A node that failed: a panic under its lock left its tables half changed.
//!
//! No later call uses these tables. Every connection and every waiting call ends with that failure:
//! connections close, a [`Monitor`](crate::Monitor) ends with [`EndKind::NodeFailed`], a
//! [`Process`](crate::Process) and a [`MonitorSet`](crate::MonitorSet) yield one such notice and
//! end, and calls give [`NotAlive`](crate::NotAlive).

use std::mem;

use refs::EndKind;
use supervision::Panic;

use crate::{
    engine::{directory::LocalEndpoint, state::Inner},
    records::log,
};

impl Inner {
    /// Shuts the node down after the panic that made it fail. Called once, with no lock held.
    pub(crate) fn fail(&self, panic: &Panic) {
        self.counters.node_failures.add_one();
        log::node_failed(&self.id, panic);
        self.service.shutdown();
        let (sessions, calls) = self.abandon(|state| (mem::take(&mut state.sessions), state.aliases.calls()));
        for handle in sessions.into_values() {
            self.routes.close(&handle);
            handle.close(EndKind::NodeFailed);
            handle.abort.abort();
        }
        calls.iter().filter_map(|call| call.end()).for_each(supervision::unwind::wake);
        self.wake_endpoints();
        self.send_waiters.wake_all();
        self.backlog.wake();
        self.stopping.waiters.wake_all();
    }

    fn wake_endpoints(&self) {
        let endpoints: Vec<_> = self.directory.read().all().cloned().collect();
        for endpoint in endpoints {
            let receiver = match endpoint {
                LocalEndpoint::Process(process) => process.queue.fail(),
                LocalEndpoint::Watcher(inbox) => inbox.waker.take(),
            };
            receiver.into_iter().for_each(supervision::unwind::wake);
        }
    }
}
