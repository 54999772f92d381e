//! The task of a session: waits on behalf of its driver.

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
        driver::{Driver, Next},
        kinds,
    },
};

/// Starts the task of a session that was handed out.
pub(crate) fn start(node: &Arc<Inner>, session: Box<dyn Session>) {
    let peer = session.peer().clone();
    if peer.node.name == node.id.name {
        // No session with oneself: the service must not make one, and the core has no place for it.
        node.counters.sessions_with_itself.add_one();
        return session.outbox().close(EndKind::DuplicateName);
    }
    let (abort, aborted) = AbortHandle::new_pair();
    let handle = Arc::new(SessionHandle::new(peer, session.outbox(), abort, &node.environment));
    // Before the task runs: a stop must not overlook the session.
    let Ok(driver) = Driver::new(handle.clone(), node) else {
        return handle.outbox.close(EndKind::NodeFailed);
    };
    let mut guard = DriverGuard { driver, handle: handle.clone(), node: Arc::downgrade(node) };
    for channel in handle.peer.channels.iter() {
        let outbox = handle.outbox.clone();
        let writing = flusher::run(handle.clone(), channel);
        node.run_task(kinds::FLUSHER, writing, move |_| outbox.close(EndKind::Internal));
    }
    let task = async move {
        // Once the session is over, or abandoned, it is dropped, and with it what it holds of the
        // network.
        let _ = Abortable::new(run(&mut guard.driver, &handle, session, &guard.node), aborted).await;
        log::session_over(&handle.peer);
    };
    // The driver, dropped with its task, reports the end of the session.
    node.run_task(kinds::SESSION, task, kinds::nothing);
    node.progress();
}

/// The driver, while its task lives.
struct DriverGuard {
    driver: Driver,
    handle: Arc<SessionHandle>,
    node: Weak<Inner>,
}

impl Drop for DriverGuard {
    /// A task that was aborted, or that an executor has dropped, leaves no session behind that
    /// never ends.
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let mut after = AfterUnlock::default();
            self.driver.abandon(node.end_of_abandoned().into(), &node, &mut after);
            after.run(&node);
        }
        self.handle.over();
    }
}

/// Runs until the session is over, or the node is gone.
async fn run(
    driver: &mut Driver,
    handle: &Arc<SessionHandle>,
    mut session: Box<dyn Session>,
    node: &Weak<Inner>,
) {
    let mut after = AfterUnlock::of_session(handle);
    while let Some(next) = step(driver, node, &mut after) {
        match next {
            Next::Admission => admission(handle, node).await,
            Next::Frames => {
                let result = session.recv(driver.buffer()).await;
                handle.flush_policy(driver.buffer().channel).allow_burst();
                if let Err(end) = result {
                    log::session_ended(&handle.peer, end);
                }
                driver.received(result.map_err(|end| seen_from(node, end)));
            }
            Next::Turn => smol::future::yield_now().await,
            Next::Over => return,
        }
    }
}

/// One step of the driver; none if the node is gone. The node is not held while the task waits.
fn step(driver: &mut Driver, node: &Weak<Inner>, after: &mut AfterUnlock) -> Option<Next> {
    let node = node.upgrade()?;
    let next = driver.advance(&node, after);
    after.run(&node);
    if next == Next::Turn {
        node.yield_to_waiters();
    }
    Some(next)
}

async fn admission(handle: &SessionHandle, node: &Weak<Inner>) {
    poll_fn(|cx| {
        handle.waker.register(cx.waker());
        let waits = !handle.is_admitted() && node.strong_count() > 0;
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// A session that ends because this node leaves has, for this node, ended by its own stop.
fn seen_from(node: &Weak<Inner>, end: refs::SessionEnd) -> refs::SessionEnd {
    let stopping = node.upgrade().is_some_and(|node| !node.is_alive());
    if stopping && end.kind == EndKind::Left { EndKind::LocalShutdown.into() } else { end }
}
