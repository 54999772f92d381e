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

/// Events on their way to the one who calls `next`.
///
/// Per node name at most one session is out at a time: what happens to that name meanwhile is held
/// back, in order, until the session's end was returned by `recv` or the session was dropped. Of
/// the sessions that are held back for one name only the newest is kept: nobody has seen the
/// others, and a newer one means that they are over.
#[derive(Default)]
pub struct Events {
    shared: Arc<Mutex<Queue>>,
}

/// Takes no lock: it may be printed from anywhere.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// What has happened and was not handed out yet.
enum Held {
    Session(Box<dyn Session>),
    Failed(DialId, SessionEnd),
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<PeerEvent>,
    /// Names with a session that is ready or out, and what waits behind it.
    busy: HashMap<NodeName, VecDeque<Held>>,
    closed: bool,
    waker: Option<Waker>,
}

impl Events {
    /// An empty queue.
    pub fn new() -> Self {
        Events::default()
    }

    /// A session stands.
    pub fn session(&self, session: Box<dyn Session>) {
        let name = session.peer().node.name.clone();
        self.push(name, Held::Session(session));
    }

    /// A dial has failed.
    pub fn failed(&self, node: NodeName, dial: DialId, end: SessionEnd) {
        self.push(node, Held::Failed(dial, end));
    }

    /// Nothing more will come, except what is held back.
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

    fn push(&self, name: NodeName, what: Held) {
        // Dropped after the lock is released: a session may do anything when it is dropped.
        let superseded = {
            let mut queue = self.shared.lock();
            match queue.busy.get_mut(&name) {
                Some(held) => hold(held, what),
                None => {
                    queue.hand_out(&name, what, &self.shared);
                    None
                }
            }
        };
        drop(superseded);
        wake(&self.shared);
    }
}

/// Holds an event back; returns the session, if any, that it supersedes.
fn hold(held: &mut VecDeque<Held>, what: Held) -> Option<Held> {
    let superseded = match what {
        Held::Session(_) => held.iter().position(|earlier| matches!(earlier, Held::Session(_))),
        Held::Failed(..) => None,
    };
    let superseded = superseded.and_then(|at| held.remove(at));
    held.push_back(what);
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
    fn hand_out(&mut self, name: &NodeName, what: Held, shared: &Arc<Mutex<Queue>>) {
        match what {
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

    /// The session that was out is over: hands on what was held back, up to and with the next
    /// session.
    fn release(&mut self, name: &NodeName, shared: &Arc<Mutex<Queue>>) {
        let mut held = self.busy.remove(name).unwrap_or_default();
        while let Some(what) = held.pop_front() {
            let occupies = matches!(what, Held::Session(_));
            self.hand_out(name, what, shared);
            if occupies {
                self.busy.insert(name.clone(), held);
                return;
            }
        }
    }
}

/// A session that releases its name when its end was seen.
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
