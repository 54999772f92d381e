//! The sending half of a connection: its phase, the queued frames, and the turns of its writers.
//!
//! A frame is encoded in place, under the lock that guards this half. One writer at a time has a
//! [`Turn`]: it takes a chunk, writes it without the lock, and reports how many bytes the socket
//! accepted.

use peer_service::{Class, EndKind, FrameMeta, PushError, SessionEnd};

use super::{
    chunk::Chunk,
    goodbye::{goodbye_code, is_good},
    limits::Limits,
    send_queue::SendQueue,
};
use crate::proto::wire::Kind;

/// Number of bytes that one turn writes before it leaves the remaining ones to the driver, so that
/// frames of other callers do not delay a caller that flushes.
const WRITE_BUDGET: usize = 256 * 1024;

/// See the [module](self).
pub struct Sending {
    phase: Phase,
    queue: SendQueue,
    /// Nothing can be written any more.
    broken: bool,
    /// Whether a writer has its turn.
    writing: bool,
    /// Whether another caller requested a turn meanwhile: the current writer writes its frames,
    /// too.
    again: bool,
    /// Whether the socket accepted only a part of the last write: the driver waits until it is
    /// writable.
    blocked: bool,
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection accepts frames.
    Open,
    /// Too many signals are queued; the next flush ends the session.
    Overflowed,
    /// The connection ends once everything is sent and the peer has closed its side.
    Closing(EndKind),
    /// The connection has ended.
    Over,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The end of the session.
    pub end: SessionEnd,
    /// Whether the other connections of the session end with it. After a goodbye they receive their
    /// own one.
    pub is_premature: bool,
    /// Number of bytes that were not sent.
    pub unsent: usize,
}

/// The state of the writing.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// Whether the socket accepts no bytes.
    pub blocked: bool,
    /// Whether signals are queued.
    pub signals: bool,
    /// Whether nothing is queued.
    pub idle: bool,
    /// Nothing can be written any more.
    pub broken: bool,
}

/// One writer's turn. End it with [`Sending::finish_turn`].
#[derive(Debug)]
pub struct Turn {
    budget: usize,
    /// Number of bytes to be written in this turn. Frames that are pushed meanwhile need a turn of
    /// their own: if the turn continued with them, a flood would be written in chunks of a few
    /// frames, and each chunk costs both ends more than its frames.
    left: usize,
    wake_driver: bool,
    unsent: usize,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The socket has accepted the chunk.
    All,
    /// The socket accepted a part, and accepts no more for now.
    Part,
    /// The socket accepts no more bytes.
    Failed,
}

/// The result of a turn.
#[derive(Clone, Copy, Debug)]
pub struct TurnEnd {
    /// The driver must be woken.
    pub wake_driver: bool,
    /// Callers that wait for space in the queue must be woken.
    pub has_room: bool,
    /// Number of bytes that were discarded because nothing can be written any more.
    pub unsent: usize,
    /// The phase after the turn.
    pub phase: Phase,
}

impl Sending {
    /// The sending half of a connection, with an empty queue.
    pub fn new(limits: &Limits) -> Self {
        Sending {
            phase: Phase::Open,
            queue: SendQueue::new(limits.cut_at.unwrap_or(usize::MAX)),
            broken: false,
            writing: false,
            again: false,
            blocked: false,
        }
    }

    /// The phase of the connection.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Appends a frame whose contents `write` appends.
    ///
    /// # Errors
    /// As [`Outbox::push`](peer_service::Outbox::push).
    #[inline]
    pub fn push(
        &mut self,
        limits: &Limits,
        meta: FrameMeta,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), PushError> {
        if self.phase != Phase::Open {
            return Err(PushError::Closed);
        }
        if meta.class == Class::Message && !self.takes_messages(limits) {
            return Err(PushError::Full);
        }
        let before = self.queue.signals();
        self.queue.push(meta, limits.max_frame_out, write).map_err(|_| PushError::TooLarge)?;
        if before > 0 && self.queue.signals() > limits.max_signal_queue {
            self.phase = Phase::Overflowed;
        }
        Ok(())
    }

    /// Whether a message would be accepted.
    #[inline]
    pub fn takes_messages(&self, limits: &Limits) -> bool {
        self.queue.messages() < limits.max_message_queue
    }

    /// Number of bytes of data that are queued or being written.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Queues a ping or pong ahead of the frames. Returns false after a goodbye, when nothing more
    /// may be sent.
    pub(crate) fn push_urgent(&mut self, kind: Kind, number: u64) -> bool {
        let is_open = self.phase == Phase::Open;
        if is_open {
            self.queue.push_urgent(kind, number);
        }
        is_open
    }

    /// Queues a ping with that number ahead of the frames.
    pub fn ping(&mut self, number: u64) -> bool {
        self.queue.trim();
        self.push_urgent(Kind::Ping, number)
    }

    /// Answers a ping with that number ahead of the queued frames.
    pub fn pong(&mut self, number: u64) -> bool {
        self.push_urgent(Kind::Pong, number)
    }

    // Ends.

    /// Closes the connection: it sends the queued frames, then a goodbye. Returns false if it is no
    /// longer open.
    pub fn close(&mut self, kind: EndKind) -> bool {
        let is_open = self.phase == Phase::Open;
        if is_open {
            self.phase = Phase::Closing(kind);
            self.queue.push_goodbye(goodbye_code(kind));
        }
        is_open
    }

    /// Ends the connection now; a connection that is closing ends with the kind with which it was
    /// closed. `None` if it has ended.
    pub fn end(&mut self, end: SessionEnd) -> Option<Ended> {
        let (end, is_premature) = match self.phase {
            Phase::Over => return None,
            Phase::Closing(kind) => (kind.into(), false),
            Phase::Open | Phase::Overflowed => (end, !is_good(end.kind)),
        };
        self.phase = Phase::Over;
        self.blocked = false;
        Some(Ended { end, is_premature, unsent: self.discard() })
    }

    fn discard(&mut self) -> usize {
        let unsent = self.queue.len();
        self.queue.clear();
        unsent
    }

    // Writing.

    /// Takes the turn. `None` if another writer has it or the socket accepts no bytes.
    #[inline]
    pub fn begin_turn(&mut self) -> Option<Turn> {
        if self.writing || self.blocked {
            self.again = self.writing;
            return None;
        }
        if self.broken || self.phase == Phase::Over {
            return None;
        }
        self.writing = true;
        Some(Turn { budget: WRITE_BUDGET, left: self.queue.len(), wake_driver: false, unsent: 0 })
    }

    /// The next chunk for the writer. Report it with [`written`](Self::written). `None` at the end
    /// of the turn.
    #[inline]
    pub fn next_chunk(&mut self, turn: &mut Turn) -> Option<Chunk> {
        if turn.wake_driver || turn.left == 0 && !self.queue.has_control() {
            return None;
        }
        let chunk = self.queue.next()?;
        turn.left = turn.left.saturating_sub(chunk.len());
        Some(chunk)
    }

    /// Reports that the socket has accepted `bytes` bytes of the chunk. Returns false if the
    /// connection has ended meanwhile.
    #[inline]
    pub fn written(&mut self, turn: &mut Turn, chunk: Chunk, bytes: usize, written: Written) -> bool {
        if self.phase == Phase::Over {
            return false;
        }
        match written {
            Written::All => {
                self.queue.sent(chunk);
                turn.budget = turn.budget.saturating_sub(bytes);
                turn.wake_driver = turn.budget == 0;
            }
            Written::Part => {
                self.queue.put_back(chunk);
                self.blocked = true;
                turn.wake_driver = true;
            }
            // The peer's last frames may still be unread, and with them the reason of its end: the
            // reader ends the session.
            Written::Failed => {
                turn.unsent = self.discard();
                self.broken = true;
                turn.wake_driver = true;
            }
        }
        if std::mem::take(&mut self.again) {
            turn.left = self.queue.len();
        }
        true
    }

    /// Ends the turn.
    #[inline]
    pub fn finish_turn(&mut self, limits: &Limits, turn: Turn) -> TurnEnd {
        self.writing = false;
        TurnEnd {
            wake_driver: turn.wake_driver || matches!(self.phase, Phase::Closing(_)),
            has_room: self.queue.messages() <= limits.max_message_queue / 2,
            unsent: turn.unsent,
            phase: self.phase,
        }
    }

    /// Whether the socket accepted only a part of the last write.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Reports that the socket is writable again.
    pub fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Whether nothing can be written any more.
    pub fn is_broken(&self) -> bool {
        self.broken || self.phase == Phase::Over
    }

    /// The state of the writing.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            blocked: self.blocked,
            signals: self.queue.signals() > 0,
            idle: !self.writing && self.queue.is_empty(),
            broken: self.is_broken(),
        }
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("phase", &self.phase).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
