//! Monitors: making one, receiving the `Down`s that have fired, and the references that name them.

use std::sync::Arc;

use monitor_core::{Down, LocalPid, MonitorId, MonitorOptions, NodesOptions};
use refs::{MonitorRef, NodeName, NodeSpec, Target};

use crate::{
    engine::{
        after_unlock::AfterUnlock,
        aliases::PendingCall,
        directory::LocalEndpoint,
        history::PastDown,
        state::{Inner, State},
    },
    error::{NotAlive, Refusal, Unsupported},
    event::{NodeInfo, NodesMissed},
    inbox::{
        fired_queue::{Fired, FiredQueue},
        prefetch::Prefetch,
        queue::{GapId, Queue},
        watcher_inbox::Inbox,
    },
};

/// The watcher of a new monitor.
pub(crate) enum WatcherKey {
    /// A process, or a watcher that has had a monitor.
    Registered(LocalPid),
    /// A watcher that has no number yet.
    New(Arc<Inbox>),
}

impl Inner {
    /// Monitors a target for a process or a watcher; a watcher that is new is registered in the
    /// same step. With a `call`, the reply or the `Down` goes there instead of the mailbox.
    pub(crate) fn monitor(
        &self,
        watcher: WatcherKey,
        target: &Target,
        options: MonitorOptions,
        call: Option<Arc<PendingCall>>,
    ) -> Result<(LocalPid, MonitorId), Refusal> {
        self.require(self.capabilities.monitoring || self.is_local(target.node()), "monitoring")?;
        let options = options.connect(self.connect_if_able(options.connect));
        let mut after = AfterUnlock::default();
        let mut state = self.lock_state();
        let entered = self.enter_state(&mut state, &mut after, |state, out| {
            if !self.is_alive() {
                return Err(NotAlive);
            }
            let watcher = self.watcher(watcher)?;
            let id = state.core.monitor(&*self.directory.read(), watcher, target, options, out);
            if let Some(mode) = options.alias {
                // Inserted before the effects run, because a monitor that fires at once must end
                // its alias, too.
                state.aliases.insert(id, watcher, mode, call);
            }
            Ok((watcher, id))
        });
        let monitor = entered.and_then(|monitor| monitor);
        if let Some(&(_, id)) = monitor.as_ref().ok().filter(|&&(_, id)| after.is_unsent(id)) {
            // The session is over, and the core is informed after everything that has arrived on
            // it: the monitor takes the next session. In one step with the first input, before the
            // end of the session.
            let _ = self.enter_state(&mut state, &mut after, |state, out| {
                state.core.monitor_not_sent(id, options.connect, out);
            });
        }
        drop(state);
        after.run(self);
        Ok(monitor?)
    }

    /// The number of a watcher, which exists as long as the caller holds the lock of the state:
    /// exits acquire it.
    fn watcher(&self, key: WatcherKey) -> Result<LocalPid, NotAlive> {
        match key {
            WatcherKey::Registered(pid) => self.directory.read().get(pid).map(|_| pid).ok_or(NotAlive),
            WatcherKey::New(inbox) => Ok(self.directory.write().insert(LocalEndpoint::Watcher(inbox))),
        }
    }

    /// Returns the `Down` of a monitor that fired; `None` if it was flushed meanwhile.
    pub(crate) fn take(&self, id: MonitorId) -> Option<Down> {
        self.take_from(|state| state.core.take(id))
    }

    /// Takes the `Down` of `first`, and moves the run that follows it in `fired` into `prefetch`:
    /// see [`Prefetch::take_run`].
    pub(crate) fn take_run(
        &self,
        prefetch: &mut Prefetch,
        receiver: LocalPid,
        first: Fired,
        fired: &dyn FiredQueue,
    ) -> Option<Down> {
        self.take_from(|state| {
            let now = self.environment.coarse_now();
            prefetch.take_run(&mut state.core, &mut state.prefetch_counts, receiver, first, fired, now)
        })
    }

    /// Removes the count of a receiver that ends: see [`Prefetch::clear`].
    pub(crate) fn forget_prefetch(&self, receiver: LocalPid) {
        self.abandon(|state| state.prefetch_counts.remove(&receiver));
    }

    /// Restarts the subscription of a process that has reached a gap in its node events. `None` if
    /// the subscription has ended.
    pub(crate) fn end_gap(
        &self,
        process: LocalPid,
        queue: &Queue,
        options: NodesOptions,
        gap: GapId,
    ) -> Option<NodesMissed> {
        // The gap ends in one step with the list of nodes, because every event needs the same lock.
        let resumed = self.enter_as(process, |state, _| {
            let count = queue.end_gap(options, gap)?;
            state.core.demonitor_nodes(process, options);
            let up = state.core.monitor_nodes(process, options);
            Some(NodesMissed { options, count, up: up.iter().map(|event| NodeInfo::of(event)).collect() })
        });
        resumed.unwrap_or_else(|NotAlive| {
            Some(NodesMissed { options, count: queue.end_gap(options, gap)?, up: Vec::new() })
        })
    }

    /// Returns at most `limit` of the last `Down`s, newest first.
    pub(crate) fn past_downs(&self, limit: usize, state: &State) -> Vec<PastDown> {
        let directory = self.directory.read();
        let watcher = |pid: LocalPid| directory.process(pid).map(|_| self.pid(pid.0));
        state.history.list(limit, self.environment.now(), watcher)
    }

    /// Whether the peer service can do what a call needs.
    pub(crate) const fn require(&self, able: bool, capability: &'static str) -> Result<(), Unsupported> {
        if able { Ok(()) } else { Err(Unsupported { capability }) }
    }

    pub(crate) fn is_local(&self, node: &NodeName) -> bool {
        *node == self.id.name
    }

    /// Stores the addresses that a caller has given, for this connection and later ones. The caller
    /// makes the connection in the same step, so that no other input can make these addresses the
    /// oldest meanwhile.
    pub(crate) fn store_addresses(&self, spec: &NodeSpec, state: &mut State) {
        if !spec.addresses().is_empty() && state.address_cache.insert(spec.clone()) {
            self.counters.addresses_forgotten.add_one();
        }
    }

    pub(crate) fn reference(&self, id: MonitorId) -> MonitorRef {
        MonitorRef::new(self.id.clone(), id.0)
    }

    /// Returns the reference of a monitor with its alias token. A holder of the reference can send
    /// to the owner of the monitor.
    pub(crate) fn alias(&self, id: MonitorId) -> MonitorRef {
        self.reference(id).with_alias(Some(self.alias_key.token(id)))
    }

    /// Returns the number of a monitor that this incarnation of the node has made.
    pub(crate) fn monitor_id(&self, monitor: &MonitorRef) -> Option<MonitorId> {
        (*monitor.node() == self.id).then(|| MonitorId(monitor.serial()))
    }
}
