//! The task of a session. It receives frames and waits on behalf of the driver.

use std::{
    future::poll_fn,
    sync::{Arc, Weak},
    task::Poll,
};

use futures::future::{AbortHandle, Abortable};
use peer_service::Session;
use refs::EndKind;

use crate::{
    engine::{after_unlock::AfterUnlock, state::Inner},
    records::log,
    session::{flusher, handle::SessionHandle},
    tasks::{
        driver::{Driver, NextStep},
        kinds,
    },
};

/// Starts the task of a session that the peer service has made.
pub(crate) fn start(node: &Arc<Inner>, session: Box<dyn Session>) {
    let peer = session.peer().clone();
    if peer.node.name == node.id.name {
        // The peer service must not connect a node to itself, and the core cannot represent such a
        // session.
        node.counters.sessions_with_itself.add_one();
        return session.outbox().close(EndKind::DuplicateName);
    }
    let (abort, aborted) = AbortHandle::new_pair();
    let handle = Arc::new(SessionHandle::new(peer, session.outbox(), abort, &node.environment));
    // Created before the task runs, so that a stop sees the session.
    let Ok(driver) = Driver::new(handle.clone(), node) else {
        return handle.outbox.close(EndKind::NodeFailed);
    };
    let mut guard = DriverGuard { driver, handle: handle.clone(), node: Arc::downgrade(node) };
    for channel in handle.peer.channels.iter() {
        let outbox = handle.outbox.clone();
        let flusher_task = flusher::run(handle.clone(), channel);
        node.run_task(kinds::FLUSHER, flusher_task, move |_| outbox.close(EndKind::Internal));
    }
    let task = async move {
        // When the session has ended or is abandoned, `run` drops it and closes its connection.
        let _ = Abortable::new(run(&mut guard.driver, &handle, session, &guard.node), aborted).await;
        log::session_over(&handle.peer);
    };
    // On drop of the task, its guard reports the end of the session.
    node.run_task(kinds::SESSION, task, kinds::settled_on_drop);
    node.wake_stop();
}

/// Reports the end of the session on drop.
struct DriverGuard {
    driver: Driver,
    handle: Arc<SessionHandle>,
    node: Weak<Inner>,
}

impl Drop for DriverGuard {
    /// Ends the session even if its task was aborted or dropped by its executor.
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let mut after = AfterUnlock::default();
            self.driver.abandon(node.internal_end_kind().into(), &node, &mut after);
            after.run(&node);
        }
        self.handle.close_flushers();
    }
}

/// Runs until the session has ended or the node was dropped.
async fn run(
    driver: &mut Driver,
    handle: &Arc<SessionHandle>,
    mut session: Box<dyn Session>,
    node: &Weak<Inner>,
) {
    let mut after = AfterUnlock::of_session(handle);
    while let Some(next) = step(driver, node, &mut after) {
        match next {
            NextStep::Admission => wait_for_admission(handle, node).await,
            NextStep::Frames => {
                let result = session.recv(driver.buffer()).await;
                handle.flush_policy(driver.buffer().channel).allow_burst();
                if let Err(end) = result {
                    log::session_ended(&handle.peer, end);
                }
                driver.received(result.map_err(|end| map_end(node, end)));
            }
            NextStep::Yield => smol::future::yield_now().await,
            NextStep::Ended => return,
        }
    }
}

/// Runs one step of the driver. `None` if the node was dropped. The task does not hold the node
/// while it waits.
fn step(driver: &mut Driver, node: &Weak<Inner>, after: &mut AfterUnlock) -> Option<NextStep> {
    let node = node.upgrade()?;
    let next = driver.advance(&node, after);
    after.run(&node);
    if next == NextStep::Yield {
        node.yield_to_waiters();
    }
    Some(next)
}

async fn wait_for_admission(handle: &SessionHandle, node: &Weak<Inner>) {
    poll_fn(|cx| {
        handle.waker.register(cx.waker());
        let must_wait = !handle.is_admitted() && node.strong_count() > 0;
        if must_wait { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Maps the end of a session during the stop of this node: [`EndKind::Left`] becomes
/// [`EndKind::LocalShutdown`].
fn map_end(node: &Weak<Inner>, end: refs::SessionEnd) -> refs::SessionEnd {
    let stopping = node.upgrade().is_some_and(|node| !node.is_alive());
    if stopping && end.kind == EndKind::Left { EndKind::LocalShutdown.into() } else { end }
}
