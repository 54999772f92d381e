//! Writes on behalf of those who push faster than a write each is worth.
//!
//! A call writes its frame itself while its link is quiet, or answers what was just heard: nothing is faster for one question
//! and its answer. A write costs far more than what is pushed, though; so after a few of them in a row the writing is left to
//! a task of the node, and everything that is pushed until the task runs goes out together.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use smol::Timer;

use crate::{handover::Handover, link::Link, state::Inner};

/// The least that lies between two writes of the task to one link while more and more is pushed: a burst goes out in pieces
/// that are worth a write and a wake of the reader.
const PACE: Duration = Duration::from_micros(50);

/// Who pushes more than that within a [`PACE`] pushes a flood.
const FLOOD: u32 = 64;

/// How long a flood is gathered before it is written.
const REST: Duration = Duration::from_micros(200);

/// The links that wait for the task.
#[derive(Default)]
pub(crate) struct Flusher(Handover<Arc<Link>>);

impl Flusher {
    /// Flushes a link that the caller has [touched](Link::touch), now or soon. Never waits; no lock may be held.
    pub(crate) fn flush(&self, link: &Arc<Link>) {
        if link.may_write() {
            return link.flush();
        }
        self.0.give(link.clone());
    }

    /// The task is to look whether the node is still there.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}

/// The task.
pub(crate) async fn run(flusher: Arc<Flusher>, node: Weak<Inner>) {
    let mut links = Vec::new();
    loop {
        poll_fn(|cx| flusher.0.poll_take(cx, &mut links, || node.strong_count() == 0)).await;
        if links.is_empty() {
            return;
        }
        for link in links.drain(..) {
            wait_while_more_comes(&link).await;
            link.flush();
        }
    }
}

/// Waits until nothing more is pushed while others have their turn, and no longer than the [`PACE`]; in a flood it rests
/// instead, and leaves the processor to those who push and to the peer.
async fn wait_while_more_comes(link: &Link) {
    let first = link.pushed();
    let mut pushed = first;
    let mut flood = link.is_flooded();
    while !flood && !link.is_quiet(PACE) {
        // Whoever pushes may want this processor. Who has given channels to what is not urgent has something that is, which
        // would wait for it to come back.
        if link.peer.channels.len() == 1 {
            thread::yield_now();
        }
        smol::future::yield_now().await;
        let before = mem::replace(&mut pushed, link.pushed());
        if before == pushed {
            return;
        }
        flood = pushed.wrapping_sub(first) > FLOOD;
    }
    if flood {
        link.gather(true);
        Timer::after(REST).await;
        link.gather(false);
        link.set_flooded(link.pushed().wrapping_sub(first) > FLOOD);
    }
}
