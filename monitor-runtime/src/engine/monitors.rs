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
        fired_queue::FiredQueue,
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
    /// Monitors a target for a process or a watcher; a watcher that is new is registered in the same
    /// step. With a `call`, the reply or the `Down` goes there instead of the mailbox.
    pub(crate) fn monitor(
        &self,
        watcher: WatcherKey,
        target: &Target,
        options: MonitorOptions,
        call: Option<Arc<PendingCall>>,
    ) -> Result<(LocalPid, MonitorId), Refusal> {
        self.needs(self.capabilities.monitoring || self.is_own(target.node()), "monitoring")?;
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
                // Before the effects are run: a monitor that fires at once ends its alias, too.
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

    /// What a monitor that fired has to say; none if it was flushed meanwhile.
    pub(crate) fn take(&self, id: MonitorId) -> Option<Down> {
        self.take_from(|state| state.core.take(id))
    }

    /// Takes the `Down` of `first`, and into `prefetch` the run that follows it in `fired`: see
    /// [`Prefetch::open`].
    pub(crate) fn take_run(
        &self,
        prefetch: &mut Prefetch,
        receiver: LocalPid,
        first: MonitorId,
        fired: &dyn FiredQueue,
    ) -> Option<Down> {
        self.take_from(|state| {
            prefetch.open(&mut state.core, &mut state.prefetch_counts, receiver, first, fired)
        })
    }

    /// Removes the count of a receiver that ends: see [`Prefetch::clear`].
    pub(crate) fn forget_prefetch(&self, receiver: LocalPid) {
        self.abandon(|state| state.prefetch_counts.remove(&receiver));
    }

    /// A process has reached a gap in its node events: its subscription begins anew. `None` if that
    /// is over.
    pub(crate) fn end_gap(
        &self,
        process: LocalPid,
        queue: &Queue,
        options: NodesOptions,
        gap: GapId,
    ) -> Option<NodesMissed> {
        // In one step with the list: every event comes through the same lock.
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
    pub(crate) const fn needs(&self, able: bool, capability: &'static str) -> Result<(), Unsupported> {
        if able { Ok(()) } else { Err(Unsupported { capability }) }
    }

    pub(crate) fn is_own(&self, node: &NodeName) -> bool {
        *node == self.id.name
    }

    /// Keeps the addresses that came with a call, for this connection and later ones. In one step
    /// with what may make that connection: nothing that comes between makes them the oldest.
    pub(crate) fn remember(&self, spec: &NodeSpec, state: &mut State) {
        if !spec.addresses().is_empty() && state.address_cache.remember(spec.clone()) {
            self.counters.addresses_forgotten.add_one();
        }
    }

    pub(crate) fn reference(&self, id: MonitorId) -> MonitorRef {
        MonitorRef::new(self.id.clone(), id.0)
    }

    /// The reference of a monitor that is an alias: whoever has it can send to its owner.
    pub(crate) fn alias(&self, id: MonitorId) -> MonitorRef {
        self.reference(id).with_alias(Some(self.alias_key.token(id)))
    }

    /// The number of a monitor that was made on this node in its present life.
    pub(crate) fn monitor_id(&self, monitor: &MonitorRef) -> Option<MonitorId> {
        (*monitor.node() == self.id).then(|| MonitorId(monitor.serial()))
    }
}
