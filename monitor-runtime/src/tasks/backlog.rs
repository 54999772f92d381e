//! The tasks that handle events of the peer service and the backlog of the core. They hold the node
//! weakly, so they do not keep it alive.

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

/// Time for which the frames of a backlog are collected before they are written. A write costs as
/// much as a hundred notices, and so does waking its reader. The first and the last batch do not
/// wait.
const GATHER_FOR: Duration = Duration::from_micros(200);

/// Starts both tasks.
pub(crate) fn start(node: &Arc<Inner>) {
    let event_task = events(node.service.clone(), Arc::downgrade(node));
    node.run_task(kinds::EVENTS, event_task, |node| {
        node.service.shutdown();
        node.end_peer_service();
    });
    let backlog_task = backlog(node.backlog.clone(), Arc::downgrade(node));
    node.run_task(kinds::BACKLOG, backlog_task, |node| node.work_off_backlog_inline());
}

/// Handles the events of the peer service until it has ended.
async fn events(service: Arc<dyn PeerService>, node: Weak<Inner>) {
    while let Some(event) = service.next().await {
        let Some(node) = node.upgrade() else { return };
        match event {
            PeerEvent::Session(session) => session::start(&node, session),
            PeerEvent::Failed { node: name, dial, end } => {
                log::dial_failed(&name, end);
                node.dial_failed(&name, dial, end);
            }
        }
    }
    if let Some(node) = node.upgrade() {
        node.end_peer_service();
    }
}

/// Works off the core's backlog, one batch at a time. Other tasks run between two batches.
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
        while node.upgrade().is_some_and(|node| node.resume_batch(&mut after, &mut flushed)) {
            smol::future::yield_now().await;
        }
    }
}

impl Inner {
    /// Makes each caller work off its own additions to the backlog, because the backlog task may be
    /// gone.
    pub(crate) fn work_off_backlog_inline(&self) {
        let set = || self.backlog_inline.store(true, Ordering::SeqCst);
        self.enter(|_, _| set()).unwrap_or_else(|NotAlive| set());
        self.work_off_backlog();
        // The task may have postponed the flush of frames.
        for handle in self.read_state(|state| state.sessions.values().cloned().collect::<Vec<_>>()) {
            handle.peer.channels.iter().for_each(|channel| handle.flush(channel));
        }
    }

    /// Wakes the backlog task after the backlog has grown, or works the backlog off inline.
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

    /// Works off one batch of the backlog. Returns true if more is left.
    pub(crate) fn resume(&self, after: &mut AfterUnlock) -> bool {
        self.resume_batch(after, &mut None)
    }

    /// [`Inner::resume`] for one batch of several. `flushed` is the time of the last flush. Flushes
    /// that are not due yet stay in `after`.
    fn resume_batch(&self, after: &mut AfterUnlock, flushed: &mut Option<Instant>) -> bool {
        let more = self.enter_with(after, |state, out| state.core.resume(out)).unwrap_or(false);
        after.backlog = false;
        let postpone = more && flushed.is_some_and(|flushed| self.environment.now() - flushed < GATHER_FOR);
        let postponed = if postpone { mem::take(&mut after.flushes) } else { Vec::new() };
        if !postpone && !after.flushes.is_empty() {
            *flushed = Some(self.environment.now());
        }
        after.run(self);
        after.flushes = postponed;
        // Messages that waited for a connection may have been sent.
        self.send_waiters.wake_all();
        self.yield_to_waiters();
        more
    }
}
