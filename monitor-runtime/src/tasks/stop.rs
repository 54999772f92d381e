//! Stops a node in good order.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Instant,
};

use futures::future::{Either, select};
use refs::EndKind;

use crate::{
    engine::{
        address_cache::AddressCache,
        after_unlock::AfterUnlock,
        directory::{LiveProcess, Verdict},
        state::Inner,
    },
    error::NotAlive,
    records::log,
    session::handle::SessionHandle,
    tasks::kinds,
};

/// Stops the node, or waits until it has stopped. A task of the node does the work, so this future
/// may be dropped.
///
/// The caller watches the deadline as well: if the executor of the node is blocked, the caller ends
/// the node.
pub(crate) async fn stop(node: &Arc<Inner>) {
    if begin(node) {
        let end = End(node.clone());
        // The task holds `end`, whose drop completes the stop.
        node.run_task(kinds::STOP, async move { run(end).await }, kinds::settled_on_drop);
    }
    let is_done = pin!(wait_until(node, |node| node.stopping.done.load(Ordering::Acquire)));
    let late = node.environment.sleep_until(deadline(node));
    if let Either::Right(_) = select(is_done, late).await {
        log::stop_timed_out(&node.id);
        drop(End(node.clone()));
    }
}

/// Deadline of the stop. `None` if it is beyond the range of the clock.
fn deadline(node: &Inner) -> Option<Instant> {
    *node.stopping.deadline.get_or_init(|| node.environment.after(node.limits.stop_timeout))
}

/// Refuses later calls. Returns true the first time. Takes the state's lock, so no call is in
/// progress, except sends whose route is already known.
fn begin(node: &Inner) -> bool {
    let begin = || !node.stopping.begun.swap(true, Ordering::AcqRel);
    let first = node.enter(|_, _| begin()).unwrap_or_else(|NotAlive| begin());
    if first {
        node.service.shutdown();
    }
    first
}

async fn run(end: End) {
    let node = &*end.0;
    let deadline = deadline(node);
    drain(node).await;

    // Sends every peer the queued frames, then closes the sessions. Frames that arrive meanwhile
    // are still handled.
    with_deadline(node, deadline, wait_until(node, close_sessions)).await;
    abort_sessions(node);
    drain(node).await;

    // Local watchers have their `Down`s of the sessions. Now the spawned processes end, with the
    // `Down`s that follow.
    kill_spawned(node);
    let spawned_are_gone = |node: &Inner| processes(node).all(|process| process.abort.is_none());
    with_deadline(node, deadline, wait_until(node, spawned_are_gone)).await;
    drain(node).await;
}

fn kill_spawned(node: &Inner) {
    processes(node).filter(|process| process.abort.is_some()).for_each(|process| {
        process.kill(Verdict::Shutdown);
    });
}

/// Completes the stop on drop, even if the executor only drops the task of the stop, so that
/// callers of `stop` never wait forever. It may run twice.
struct End(Arc<Inner>);

impl Drop for End {
    fn drop(&mut self) {
        let node = &*self.0;
        close_sessions(node);
        abort_sessions(node);
        kill_spawned(node);
        // From here on each input works off its own backlog: the backlog task may be gone.
        node.work_off_backlog_inline();
        end_remaining(node);
        // Mailboxes close after the last notice.
        processes(node).for_each(|process| process.close());
        node.stopping.done.store(true, Ordering::Release);
        node.stopping.waiters.wake_all();
        // Ends the node's threads, after this task.
        drop(node.threads.lock().take());
    }
}

/// Ends all sessions and the peer service; no session can start afterwards.
fn abort_sessions(node: &Inner) {
    for handle in session_handles(node) {
        handle.abort.abort();
        let _ = node.enter(|state, out| {
            state.core.peer_down(handle.peer.session, EndKind::LocalShutdown.into(), out);
            state.sessions.remove(&handle.peer.session);
            node.routes.close(&handle);
        });
    }
    node.end_peer_service();
}

/// Every session and dial has ended, and spawned processes have exited or timed out. Guards exist
/// until the program drops them, and so may their monitors on each other. This ends those monitors,
/// and everything else that refers to the guards.
fn end_remaining(node: &Inner) {
    let endpoints: Vec<_> = node.directory.read().endpoints().map(|(pid, _)| pid).collect();
    for &pid in &endpoints {
        let _ = node.enter(|state, out| state.core.node_stopped(pid, EndKind::LocalShutdown.into(), out));
    }
    let _ = node.enter(|state, _| state.address_cache = AddressCache::new(node.limits.max_addresses));
    // Monitors have fired and calls have ended, so the remaining aliases are only addresses.
    for pid in endpoints {
        node.exit_aliases(pid);
    }
}

/// Works off the core's backlog.
async fn drain(node: &Inner) {
    let mut after = AfterUnlock::default();
    while node.resume(&mut after) {
        smol::future::yield_now().await;
    }
}

/// Closes every session. Returns whether all sessions and the peer service have ended.
fn close_sessions(node: &Inner) -> bool {
    let handles = session_handles(node);
    for handle in &handles {
        handle.close(EndKind::Left);
    }
    node.has_failed() || handles.is_empty() && node.read_state(|state| state.service_ended)
}

fn session_handles(node: &Inner) -> Vec<Arc<SessionHandle>> {
    node.read_state(|state| state.sessions.values().cloned().collect())
}

fn processes(node: &Inner) -> impl Iterator<Item = Arc<LiveProcess>> {
    let processes: Vec<_> = node.directory.read().processes().map(|(_, process)| process.clone()).collect();
    processes.into_iter()
}

/// Waits until the condition holds. Each change that may fulfill it wakes `stopping.waiters`.
async fn wait_until(node: &Inner, holds: impl Fn(&Inner) -> bool) {
    poll_fn(|cx| {
        node.stopping.waiters.register(cx);
        if holds(node) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn with_deadline(node: &Inner, deadline: Option<Instant>, work: impl Future<Output = ()>) {
    let work = pin!(work);
    if let Either::Right(_) = select(work, node.environment.sleep_until(deadline)).await {
        log::stop_timed_out(&node.id);
    }
}

impl Inner {
    /// Stops the node without waiting for sessions or processes.
    pub(crate) fn stop_at_once(self: &Arc<Self>) {
        if begin(self) {
            drop(End(self.clone()));
        }
    }

    /// Wakes a stop in progress, after a session, a process or the peer service has ended.
    pub(crate) fn wake_stop(&self) {
        if !self.is_alive() {
            self.stopping.waiters.wake_all();
        }
    }
}
