//! Readiness of a socket in one direction, as reported by the reactor.
//!
//! `Async::poll_readable` and `Async::poll_writable` ignore an event of the reactor's turn in which
//! the task registered, because that event may be older than the registration. They register again
//! instead. If the reactor has a thread of its own, that can repeat without end: the task is woken,
//! registers, is woken again, and never reads. So an event counts here in every turn: after it, the
//! next poll is ready, and the caller tries the socket. At worst it finds nothing.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// See the [module](self).
pub(super) struct Readiness {
    event: Arc<Event>,
    /// The last event was returned without polling the socket, whose next result may refer to that
    /// event.
    stale: AtomicBool,
    /// The waker that sets `event`.
    waker: Waker,
}

#[derive(Default)]
struct Event {
    /// The reactor has reported the event since the last poll.
    reported: AtomicBool,
    task: AtomicWaker,
}

impl Readiness {
    pub(super) fn new() -> Self {
        let event = Arc::<Event>::default();
        Readiness { waker: Waker::from(event.clone()), event, stale: AtomicBool::new(false) }
    }

    /// Ready if the reactor has reported an event since the last poll, or if `poll_socket` returns
    /// ready.
    pub(super) fn poll(
        &self,
        cx: &Context<'_>,
        poll_socket: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        self.event.task.register(cx.waker());
        if self.event.reported.swap(false, Ordering::Acquire) {
            self.stale.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(()));
        }
        let answer = poll_socket(&mut Context::from_waker(&self.waker));
        let stale = self.stale.swap(false, Ordering::Relaxed);
        match answer {
            // The second poll registers. An event that has happened meanwhile is reported then,
            // because the reactor checks the state of the socket at that time.
            Poll::Ready(Ok(())) if stale => poll_socket(&mut Context::from_waker(&self.waker)),
            answer => answer,
        }
    }
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reported.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures::task::noop_waker;

    use super::*;

    /// The result of the socket's next poll, and the waker of its last one.
    struct Socket {
        answer: Cell<Poll<()>>,
        waker: RefCell<Option<Waker>>,
        asked: Cell<usize>,
    }

    impl Socket {
        fn new() -> Self {
            Socket { answer: Cell::new(Poll::Pending), waker: RefCell::default(), asked: Cell::new(0) }
        }

        fn poll(&self, readiness: &Readiness) -> bool {
            let cx = noop_waker();
            let poll_socket = |cx: &mut Context<'_>| {
                self.asked.set(self.asked.get() + 1);
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                // As `Async` does: a result is returned once.
                self.answer.replace(Poll::Pending).map(Ok)
            };
            readiness.poll(&Context::from_waker(&cx), poll_socket).is_ready()
        }

        fn report(&self) {
            self.waker.borrow_mut().take().expect("it was polled").wake();
        }
    }

    #[test]
    fn an_event_counts_even_if_the_socket_ignores_it() {
        let (socket, readiness) = (Socket::new(), Readiness::new());
        for _ in 0..3 {
            assert!(!socket.poll(&readiness));
            socket.report();
            assert!(socket.poll(&readiness));
        }
        assert_eq!(socket.asked.get(), 3, "the event is taken without asking");
        assert!(!socket.poll(&readiness), "an event counts once");
    }

    #[test]
    fn an_event_that_was_taken_is_not_reported_again_by_the_socket() {
        let (socket, readiness) = (Socket::new(), Readiness::new());
        assert!(!socket.poll(&readiness));
        socket.answer.set(Poll::Ready(()));
        socket.report();
        assert!(socket.poll(&readiness));
        assert!(!socket.poll(&readiness));
        socket.answer.set(Poll::Ready(()));
        assert!(socket.poll(&readiness), "of its own accord");
    }
}
