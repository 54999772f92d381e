//! The outbox of a connection, into which the session's user pushes frames.

use std::task::{Context, Poll};

use peer_service::{ChannelId, Closed, EndKind, FrameMeta, Outbox, PushError};

use crate::{
    io::session::connection::Connection,
    proto::connection::{goodbye::is_good, sending::Phase},
};

/// Frames are encoded directly into the buffer that is written to the socket, under one lock.
impl Outbox for Connection {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        let pushed = self.out.lock().sending.push(&self.limits, meta, write);
        match pushed {
            Err(PushError::Full) => self.counters.messages_full.add(),
            Err(PushError::TooLarge) => self.counters.frames_too_large.add(),
            _ => {}
        }
        pushed
    }

    fn flush(&self) {
        if self.write_out() == Phase::Overflowed {
            self.end_now(EndKind::Overloaded.into());
        }
    }

    fn poll_ready(&self, _: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        // Cloned without the lock: a waker is code of the user.
        let waker = cx.waker().clone();
        let mut out = self.out.lock();
        if out.sending.phase() != Phase::Open {
            return Poll::Ready(Err(Closed));
        }
        if out.sending.takes_messages(&self.limits) {
            return Poll::Ready(Ok(()));
        }
        if !out.waiting.iter().any(|other| other.will_wake(&waker)) {
            out.waiting.push(waker);
        }
        Poll::Pending
    }

    fn close(&self, kind: EndKind) {
        match kind {
            kind if is_good(kind) => self.end_gracefully(kind),
            kind => self.end_now(kind.into()),
        }
    }

    fn queued(&self) -> usize {
        self.out.lock().sending.queued()
    }
}
