//! The queue behind [`PeerService::next`](crate::PeerService::next): keeps clause 1 for any
//! implementation.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Weak},
    task::{Poll, Waker},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use refs::{DialId, NodeName, SessionEnd};
use supervision::unwind;

use crate::{
    frame::FrameBuf,
    service::{Outbox, PeerEvent, PeerInfo, Session},
};

/// The events for the caller of `next`.
///
/// At most one session per node name is handed out at a time: later events of that name are held
/// back, in order, until `recv` has returned the session's end or the session was dropped. Of the
/// held-back sessions of one name only the newest is kept: no caller has seen the others, and a
/// newer one means that they have ended.
#[derive(Default)]
pub struct Events {
    shared: Arc<Mutex<Queue>>,
}

/// Takes no lock, so it can be printed anywhere.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// An event that was not handed out yet.
enum Held {
    Session(Box<dyn Session>),
    Failed(DialId, SessionEnd),
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<PeerEvent>,
    /// Names with a session that is ready or handed out, and the events held back for them.
    busy: HashMap<NodeName, VecDeque<Held>>,
    closed: bool,
    waker: Option<Waker>,
}

impl Events {
    /// An empty queue.
    pub fn new() -> Self {
        Events::default()
    }

    /// Adds a session that has begun.
    pub fn session(&self, session: Box<dyn Session>) {
        let name = session.peer().node.name.clone();
        self.push(name, Held::Session(session));
    }

    /// Adds a dial that has failed.
    pub fn failed(&self, node: NodeName, dial: DialId, end: SessionEnd) {
        self.push(node, Held::Failed(dial, end));
    }

    /// Closes the queue: no further events except those held back.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        wake(&self.shared);
    }

    /// The next event; `None` once the queue is closed and everything was handed out. Cancel-safe.
    pub async fn next(&self) -> Option<PeerEvent> {
        std::future::poll_fn(|cx| {
            // Cloned without the lock: a waker is code of the user.
            let waker = cx.waker().clone();
            let mut queue = self.shared.lock();
            if let Some(event) = queue.ready.pop_front() {
                return Poll::Ready(Some(event));
            }
            if queue.closed && queue.busy.values().all(VecDeque::is_empty) {
                return Poll::Ready(None);
            }
            queue.waker = Some(waker);
            Poll::Pending
        })
        .await
    }

    fn push(&self, name: NodeName, event: Held) {
        // Dropped after the lock is released: the drop of a session may run any code.
        let superseded = {
            let mut queue = self.shared.lock();
            match queue.busy.get_mut(&name) {
                Some(held) => hold(held, event),
                None => {
                    queue.hand_out(&name, event, &self.shared);
                    None
                }
            }
        };
        drop(superseded);
        wake(&self.shared);
    }
}

/// Holds an event back. Returns the session, if any, that it supersedes.
fn hold(held: &mut VecDeque<Held>, event: Held) -> Option<Held> {
    let superseded = match event {
        Held::Session(_) => held.iter().position(|earlier| matches!(earlier, Held::Session(_))),
        Held::Failed(..) => None,
    };
    let superseded = superseded.and_then(|at| held.remove(at));
    held.push_back(event);
    superseded
}

fn wake(shared: &Mutex<Queue>) {
    let waker = shared.lock().waker.take();
    if let Some(waker) = waker {
        unwind::wake(waker);
    }
}

impl Queue {
    /// Makes an event ready; a session occupies its name from here on.
    fn hand_out(&mut self, name: &NodeName, event: Held, shared: &Arc<Mutex<Queue>>) {
        match event {
            Held::Session(inner) => {
                self.busy.entry(name.clone()).or_default();
                let gated = Gated { inner, name: Some(name.clone()), queue: Arc::downgrade(shared) };
                self.ready.push_back(PeerEvent::Session(Box::new(gated)));
            }
            Held::Failed(dial, end) => {
                self.ready.push_back(PeerEvent::Failed { node: name.clone(), dial, end })
            }
        }
    }

    /// The session that was handed out has ended: makes the held-back events ready, up to and
    /// including the next session.
    fn release(&mut self, name: &NodeName, shared: &Arc<Mutex<Queue>>) {
        let mut held = self.busy.remove(name).unwrap_or_default();
        while let Some(event) = held.pop_front() {
            let occupies = matches!(event, Held::Session(_));
            self.hand_out(name, event, shared);
            if occupies {
                self.busy.insert(name.clone(), held);
                return;
            }
        }
    }
}

/// A session that releases its name once its end was returned.
struct Gated {
    inner: Box<dyn Session>,
    name: Option<NodeName>,
    queue: Weak<Mutex<Queue>>,
}

impl Gated {
    fn release(&mut self) {
        if let (Some(name), Some(queue)) = (self.name.take(), self.queue.upgrade()) {
            queue.lock().release(&name, &queue);
            wake(&queue);
        }
    }
}

#[async_trait]
impl Session for Gated {
    fn peer(&self) -> &PeerInfo {
        self.inner.peer()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.inner.outbox()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        let result = self.inner.recv(frames).await;
        if result.is_err() {
            self.release();
        }
        result
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.release();
    }
}
