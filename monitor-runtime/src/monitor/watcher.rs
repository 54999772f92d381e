//! A watcher that is no process: the owner of a [`Monitor`](crate::Monitor), a
//! [`MonitorSet`](crate::MonitorSet) or a call.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use monitor_core::{Demonitored, Down, ExitReason, LocalPid, MonitorId, MonitorOptions};
use refs::Target;

use crate::{
    engine::directory::LocalEndpoint,
    error::{MonitorError, NotAlive},
    inbox::{prefetch::Prefetch, watcher_inbox::Inbox},
    node::Node,
};

/// A watcher that is no process: a future or a stream of `Down`s. Dropping it is its exit, which
/// ends its monitors.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) node: Node,
    pub(crate) pid: LocalPid,
    inbox: Arc<Inbox>,
    prefetch: Prefetch,
}

impl Watcher {
    pub(crate) fn new(node: &Node) -> Result<Self, NotAlive> {
        let inbox = Arc::<Inbox>::default();
        let pid = node.inner.register_endpoint(LocalEndpoint::Watcher(inbox.clone()))?;
        Ok(Watcher { node: node.clone(), pid, inbox, prefetch: Prefetch::default() })
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
            Demonitored::Unknown if self.prefetch.flush(id) => Demonitored::Fired,
            found => found,
        }
    }

    /// The next `Down` that was not flushed; `None` if the node has failed, so no `Down` will come.
    pub(crate) fn poll_down(&mut self, cx: &Context<'_>) -> Poll<Option<Down>> {
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        self.inbox.waker.register(cx.waker());
        // A monitor that fired before the waker was registered has woken no task.
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        if self.node.inner.has_failed() { Poll::Ready(None) } else { Poll::Pending }
    }

    fn try_down(&mut self) -> Option<Down> {
        loop {
            if let Some(down) = self.prefetch.pop() {
                return Some(down);
            }
            let first = self.inbox.pop()?;
            if let Some(down) = self.node.inner.take_run(&mut self.prefetch, self.pid, first, &*self.inbox) {
                return Some(down);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.prefetch.clear() {
            self.node.inner.forget_prefetch(self.pid);
        }
        self.node.inner.exited(self.pid, ExitReason::Normal);
    }
}
