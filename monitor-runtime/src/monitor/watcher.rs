//! A watcher that is not a process: the owner of a [`Monitor`](crate::Monitor), a
//! [`MonitorSet`](crate::MonitorSet) or a call.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use monitor_core::{Demonitored, Down, ExitReason, LocalPid, MonitorId, MonitorOptions};
use refs::Target;

use crate::{
    engine::{aliases::PendingCall, monitors::WatcherKey},
    error::{MonitorError, Refusal},
    inbox::{prefetch::Prefetch, watcher_inbox::Inbox},
    node::Node,
};

/// A future or a stream of `Down`s that watches without being a process. Its drop is its exit,
/// which ends its monitors.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) node: Node,
    /// `None` until the first monitor, which registers the watcher in the same step.
    pid: Option<LocalPid>,
    inbox: Arc<Inbox>,
    prefetch: Prefetch,
}

impl Watcher {
    pub(crate) fn new(node: &Node) -> Self {
        Watcher { node: node.clone(), pid: None, inbox: Arc::default(), prefetch: Prefetch::default() }
    }

    /// The number of the watcher on its node, once it has a monitor.
    pub(crate) const fn pid(&self) -> Option<LocalPid> {
        self.pid
    }

    pub(crate) fn monitor(
        &mut self,
        target: &Target,
        options: MonitorOptions,
    ) -> Result<MonitorId, MonitorError> {
        if options.alias.is_some() {
            return Err(MonitorError::AliasWithoutMailbox);
        }
        let (_, id) = self.monitor_for(target, options, None)?;
        Ok(id)
    }

    /// Monitors the target of a call, whose reply or `Down` goes to `call`.
    pub(crate) fn monitor_for(
        &mut self,
        target: &Target,
        options: MonitorOptions,
        call: Option<Arc<PendingCall>>,
    ) -> Result<(LocalPid, MonitorId), Refusal> {
        let key = self.pid.map_or_else(|| WatcherKey::New(self.inbox.clone()), WatcherKey::Registered);
        let (pid, id) = self.node.inner.monitor(key, target, options, call)?;
        self.pid = Some(pid);
        Ok((pid, id))
    }

    /// Ends one of its monitors, and drops its `Down` if it has fired.
    pub(crate) fn demonitor(&self, id: MonitorId) -> Demonitored {
        let Some(pid) = self.pid else { return Demonitored::Unknown };
        let found = self.node.inner.enter(|state, out| {
            let found = state.core.demonitor(pid, id, true, out);
            if found == Demonitored::Fired {
                self.inbox.record_flushed(|id| state.core.is_fired(id));
            }
            found
        });
        match found.unwrap_or(Demonitored::Unknown) {
            Demonitored::Unknown if self.prefetch.flush(id) => Demonitored::Fired,
            found => found,
        }
    }

    /// Returns the next `Down` that was not flushed. `None` if the node has failed and no `Down`
    /// will come.
    pub(crate) fn poll_down(&mut self, cx: &Context<'_>) -> Poll<Option<Down>> {
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        self.inbox.waker.register(cx.waker());
        // A monitor that fired before the waker was in place woke nothing.
        if let Some(down) = self.try_down() {
            return Poll::Ready(Some(down));
        }
        if self.node.inner.has_failed() { Poll::Ready(None) } else { Poll::Pending }
    }

    fn try_down(&mut self) -> Option<Down> {
        loop {
            if let Some(down) = self.prefetch.pop(&self.node.inner.environment) {
                return Some(down);
            }
            let (first, pid) = (self.inbox.pop()?, self.pid?);
            if let Some(down) = self.node.inner.take_run(&mut self.prefetch, pid, first, &*self.inbox) {
                return Some(down);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let Some(pid) = self.pid else { return };
        if self.prefetch.clear() {
            self.node.inner.forget_prefetch(pid);
        }
        self.node.inner.exited(pid, ExitReason::Normal);
    }
}
