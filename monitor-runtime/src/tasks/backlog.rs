//! The node's own tasks. They hold it weakly: a node that nobody holds is gone.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Weak, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use peer_service::{PeerEvent, PeerService};

use crate::{
    engine::{after_unlock::AfterUnlock, state::Inner},
    error::NotAlive,
    records::log,
    tasks::{kinds, session},
};

/// How long the frames of a backlog gather before they are written: a write costs as much as a
/// hundred notices, and so does its reader's wake. The first batch does not wait, and the last one
/// neither.
const GATHER: Duration = Duration::from_micros(200);

/// Starts them.
pub(crate) fn start(node: &Arc<Inner>) {
    let handing_on = events(node.service.clone(), Arc::downgrade(node));
    node.run_task(kinds::EVENTS, handing_on, |node| {
        node.service.shutdown();
        node.service_is_over();
    });
    let working_off = backlog(node.backlog.clone(), Arc::downgrade(node));
    node.run_task(kinds::BACKLOG, working_off, |node| node.work_off_backlog_inline());
}

/// Hands on what the peer service has to tell, until it has nothing more to tell.
async fn events(service: Arc<dyn PeerService>, node: Weak<Inner>) {
    while let Some(event) = service.next().await {
        let Some(node) = node.upgrade() else { return };
        match event {
            PeerEvent::Session(session) => session::start(&node, session),
            PeerEvent::Failed { node: name, dial, end } => {
                log::dial_failed(&name, end);
                node.unreachable(&name, dial, end);
            }
        }
    }
    if let Some(node) = node.upgrade() {
        node.service_is_over();
    }
}

/// Works off the core's backlog, a batch at a time, letting others go first in between.
async fn backlog(waker: Arc<futures::task::AtomicWaker>, node: Weak<Inner>) {
    let mut after = AfterUnlock::default();
    loop {
        let has_backlog = poll_fn(|cx| {
            waker.register(cx.waker());
            match node.upgrade() {
                Some(node) if node.read_state(|state| state.core.has_backlog()) => Poll::Ready(true),
                Some(_) => Poll::Pending,
                None => Poll::Ready(false),
            }
        });
        if !has_backlog.await {
            return;
        }
        let mut flushed = None;
        while node.upgrade().is_some_and(|node| node.resume_gathering(&mut after, &mut flushed)) {
            smol::future::yield_now().await;
        }
    }
}

impl Inner {
    /// From now on each caller works off what it adds to the backlog: the task for that may be
    /// gone.
    pub(crate) fn work_off_backlog_inline(&self) {
        let set = || self.backlog_inline.store(true, Ordering::SeqCst);
        self.enter(|_, _| set()).unwrap_or_else(|NotAlive| set());
        self.work_off_backlog();
        // The task may have gathered frames whose senders left the flush to it.
        for handle in self.read_state(|state| state.sessions.values().cloned().collect::<Vec<_>>()) {
            handle.peer.channels.iter().for_each(|channel| handle.flush(channel));
        }
    }

    /// The backlog has grown: sees to it that it is worked off.
    pub(crate) fn backlog_grows(&self) {
        if self.backlog_inline.load(Ordering::SeqCst) {
            self.work_off_backlog();
        } else {
            self.backlog.wake();
        }
    }

    fn work_off_backlog(&self) {
        let mut after = AfterUnlock::default();
        while self.resume(&mut after) {}
    }

    /// One batch of the backlog; returns whether more is left.
    pub(crate) fn resume(&self, after: &mut AfterUnlock) -> bool {
        self.resume_gathering(after, &mut None)
    }

    /// [`Inner::resume`] for one batch of many. `flushed` is when links were flushed last; those
    /// that are not worth a write yet stay in `after`.
    fn resume_gathering(&self, after: &mut AfterUnlock, flushed: &mut Option<Instant>) -> bool {
        let more = self.enter_with(after, |state, out| state.core.resume(out)).unwrap_or(false);
        after.backlog = false;
        let waits = more && flushed.is_some_and(|flushed| self.environment.now() - flushed < GATHER);
        let postponed = if waits { mem::take(&mut after.flushes) } else { Vec::new() };
        if !waits && !after.flushes.is_empty() {
            *flushed = Some(self.environment.now());
        }
        after.run(self);
        after.flushes = postponed;
        // What waited for a connection may have gone.
        self.send_waiters.wake_all();
        self.yield_to_waiters();
        more
    }
}
