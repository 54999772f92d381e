//! Monitoring, whoever watches.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use monitor_core::{Demonitored, Down, ExitReason, LocalPid, MonitorId, MonitorOptions, NodesOptions};
use refs::{MonitorRef, NodeName, NodeSpec, Target};

use crate::{
    engine::{
        aliases::Answer,
        effects::AfterUnlock,
        processes::{Inbox, Resident},
        state::{Inner, State},
    },
    error::{MonitorError, NotAlive, NotImplemented, Refusal},
    event::{NodeInfo, NodesMissed},
    inbox::{
        queue::{GapId, Queue},
        taken::Taken,
    },
    node::Node,
};

impl Inner {
    /// Monitors a target for a process or a watcher. With a `call`, what is to be told comes there instead of the mailbox.
    pub(crate) fn monitor(
        &self,
        watcher: LocalPid,
        target: &Target,
        options: MonitorOptions,
        call: Option<Arc<Answer>>,
    ) -> Result<MonitorId, Refusal> {
        self.needs(self.capabilities.monitoring || self.is_own(target.node()), "monitoring")?;
        let options = options.connect(self.connect_if_able(options.connect));
        let mut after = AfterUnlock::default();
        let entered = self.enter_then(&mut after, |state, out| {
            // What `enter_as` does, by one look at the directory instead of two.
            if !self.is_alive() {
                return Err(NotAlive);
            }
            let directory = self.directory.read();
            directory.get(watcher).ok_or(NotAlive)?;
            let id = state.core.monitor(&*directory, watcher, target, options, out);
            if let Some(mode) = options.alias {
                // Before the effects are run: a monitor that fires at once ends its alias, too.
                state.aliases.insert(id, watcher, mode, call);
            }
            Ok(id)
        });
        let monitor = entered.and_then(|monitor| monitor);
        if let Some(&id) = monitor.as_ref().ok().filter(|&&id| after.is_unsent(id)) {
            // The session is over, and the core will be told after what has arrived on it: the monitor takes the next one.
            let _ = self
                .enter_then(&mut after, |state, out| state.core.monitor_not_sent(id, options.connect, out));
        }
        after.run(self);
        Ok(monitor?)
    }

    /// A process has reached a gap in its node events: its subscription begins anew. `None` if that is over.
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

    /// Whether the peer service can do what a call needs.
    pub(crate) const fn needs(&self, able: bool, capability: &'static str) -> Result<(), NotImplemented> {
        if able { Ok(()) } else { Err(NotImplemented { capability }) }
    }

    pub(crate) fn is_own(&self, node: &NodeName) -> bool {
        *node == self.id.name
    }

    /// Keeps the addresses that came with a call, for this connection and later ones. In one step with what may make
    /// that connection: nothing that comes between makes them the oldest.
    pub(crate) fn remember(&self, spec: &NodeSpec, state: &mut State) {
        if !spec.addresses().is_empty() && state.book.remember(spec.clone()) {
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

/// What watches without being a process: a future or a stream of `Down`s. Its drop is its exit, which ends
/// its monitors.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) node: Node,
    pub(crate) pid: LocalPid,
    inbox: Arc<Inbox>,
    taken: Taken,
}

impl Watcher {
    pub(crate) fn new(node: &Node) -> Result<Self, NotAlive> {
        let inbox = Arc::<Inbox>::default();
        let pid = node.inner.move_in(Resident::Watcher(inbox.clone()))?;
        Ok(Watcher { node: node.clone(), pid, inbox, taken: Taken::default() })
    }

    pub(crate) fn monitor(
        &self,
        target: &Target,
        options: MonitorOptions,
    ) -> Result<MonitorId, MonitorError> {
        if options.alias.is_some() {
            return Err(MonitorError::AliasWithoutMailbox);
        }
        Ok(self.node.inner.monitor(self.pid, target, options, None)?)
    }

    /// Ends one of its monitors, and flushes.
    pub(crate) fn demonitor(&self, id: MonitorId) -> Demonitored {
        let found = self.node.inner.enter(|state, out| {
            let found = state.core.demonitor(self.pid, id, true, out);
            if found == Demonitored::Fired {
                self.inbox.flushed(|id| state.core.is_fired(id));
            }
            found
        });
        match found.unwrap_or(Demonitored::Unknown) {
            Demonitored::Unknown if self.taken.flush(id) => Demonitored::Fired,
            found => found,
        }
    }

    /// The next `Down` that was not flushed; `None` if the node has failed, and none will come.
    pub(crate) fn poll_down(&mut self, cx: &Context<'_>) -> Poll<Option<Down>> {
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        self.inbox.waker.register(cx.waker());
        // Whoever fired before the waker was in place saw none.
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        if self.node.inner.has_failed() { Poll::Ready(None) } else { Poll::Pending }
    }

    fn try_down(&mut self) -> Option<Down> {
        loop {
            if let Some(down) = self.taken.pop() {
                return Some(down);
            }
            let first = self.inbox.pop()?;
            if let Some(down) = self.taken.open(&self.node.inner, self.pid, first, &*self.inbox) {
                return Some(down);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.taken.clear(&self.node.inner, self.pid);
        self.node.inner.exited(self.pid, ExitReason::Normal);
    }
}
