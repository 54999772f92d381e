//! Writes on behalf of those who push faster than a write each is worth.
//!
//! A call writes its frame itself while its link is quiet: nothing is faster for one question and its answer. A write costs
//! far more than what is pushed, though; so after a few of them in a row the writing is left to a task of the node, and
//! everything that is pushed until the task runs goes out together.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use crate::{link::Link, state::Inner};

/// A link that was written to less than this ago is not quiet. About what a write and the wake of its reader take.
const QUIET: Duration = Duration::from_micros(20);

/// How many calls in a row write themselves: a monitor, a message and what belongs to them.
const BURST: u32 = 4;

/// The links that wait for the task.
#[derive(Default)]
pub(crate) struct Flusher {
    links: Mutex<Vec<Arc<Link>>>,
    waker: AtomicWaker,
}

impl Flusher {
    /// Flushes a link that the caller has [touched](Link::touch), now or soon. Never waits; no lock may be held.
    pub(crate) fn flush(&self, link: &Arc<Link>) {
        if link.may_write(QUIET, BURST) {
            return link.flush();
        }
        self.links.lock().push(link.clone());
        self.waker.wake();
    }

    /// The task is to look whether the node is still there.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }
}

/// The task.
pub(crate) async fn run(flusher: Arc<Flusher>, node: Weak<Inner>) {
    let mut links = Vec::new();
    loop {
        poll_fn(|cx| {
            flusher.waker.register(cx.waker());
            mem::swap(&mut links, &mut *flusher.links.lock());
            if links.is_empty() && node.strong_count() > 0 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        if links.is_empty() {
            return;
        }
        links.drain(..).for_each(|link| link.flush());
        smol::future::yield_now().await;
    }
}
