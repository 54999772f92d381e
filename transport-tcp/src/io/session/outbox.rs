//! A connection's outbox: what the session's user pushes into.

use std::task::{Context, Poll};

use peer_service::{ChannelId, Class, Closed, EndKind, FrameMeta, Outbox, PushError};

use crate::{
    io::session::connection::{Connection, Phase},
    proto::connection::goodbye::is_good,
};

/// Frames are encoded straight into the buffer that goes to the socket, under one lock.
impl Outbox for Connection {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        let mut out = self.out.lock();
        if out.phase != Phase::Open {
            return Err(PushError::Closed);
        }
        if meta.class == Class::Message && out.queue.messages() >= self.limits.max_message_queue {
            self.counters.messages_full.add();
            return Err(PushError::Full);
        }
        let before = out.queue.signals();
        let pushed = out.queue.push(meta, self.limits.max_frame_out, write);
        pushed.map_err(|_| {
            self.counters.frames_too_large.add();
            PushError::TooLarge
        })?;
        if before > 0 && out.queue.signals() > self.limits.max_signal_queue {
            out.phase = Phase::Overflowed;
        }
        Ok(())
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
        if out.phase != Phase::Open {
            return Poll::Ready(Err(Closed));
        }
        if out.queue.messages() < self.limits.max_message_queue {
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
        let out = self.out.lock();
        out.queue.len()
    }
}
