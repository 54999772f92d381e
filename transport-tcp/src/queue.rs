//! What waits to be sent on one session, in the order in which it goes out.

use std::collections::VecDeque;

use peer_service::Class;

use crate::wire::{self, Kind, WireError};

/// Frames are gathered in chunks of about this many bytes; a chunk is what one write hands to the system.
const CHUNK: usize = 64 * 1024;
/// Buffers of written chunks that are kept for the next ones.
const SPARES: usize = 2;

/// Whole frames, encoded, and how much of it is of which class.
///
/// Pings and pongs overtake at the next chunk boundary. Nothing is allocated in a steady state: buffers of
/// written chunks are used again, until [`trim`](SendQueue::trim).
#[derive(Default)]
pub(crate) struct SendQueue {
    /// Pings and pongs; a few bytes.
    urgent: Vec<u8>,
    /// A chunk of which the system has taken a part.
    torn: Option<Chunk>,
    chunks: VecDeque<Chunk>,
    spares: Vec<Vec<u8>>,
    messages: usize,
    signals: usize,
}

/// Whole frames that go out together; the first `written` bytes are gone.
#[derive(Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    written: usize,
    messages: usize,
    signals: usize,
}

impl Chunk {
    /// What is still to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The system has taken that many bytes. True if all are gone.
    pub(crate) fn advance(&mut self, bytes: usize) -> bool {
        self.written += bytes;
        self.written == self.bytes.len()
    }
}

impl SendQueue {
    /// Appends a data frame whose body `write` appends.
    pub(crate) fn push(
        &mut self,
        class: Class,
        max_body: usize,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), WireError> {
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK) {
            let bytes = self.spares.pop().unwrap_or_default();
            self.chunks.push_back(Chunk { bytes, ..Chunk::default() });
        }
        let chunk = self.chunks.back_mut().expect("a chunk was just pushed if there was none");
        let before = chunk.bytes.len();
        wire::append(&mut chunk.bytes, Kind::Data, max_body, write)?;
        let added = chunk.bytes.len() - before;
        match class {
            Class::Message => {
                chunk.messages += added;
                self.messages += added;
            }
            Class::Signal => {
                chunk.signals += added;
                self.signals += added;
            }
        }
        Ok(())
    }

    /// Appends the frame that says goodbye, after everything else.
    pub(crate) fn push_goodbye(&mut self, reason: u8) {
        let mut bytes = Vec::new();
        append_control(&mut bytes, Kind::Goodbye, &[reason]);
        self.chunks.push_back(Chunk { bytes, ..Chunk::default() });
    }

    /// A ping or pong, before everything that is not being written already. Of several of a kind only the
    /// last is sent: its number speaks for the earlier ones, and a flood of pings cannot fill the memory.
    pub(crate) fn push_urgent(&mut self, kind: Kind, number: u64) {
        let mut kept = Vec::new();
        let mut at = 0;
        while let Ok(wire::Parsed::Frame(frame)) = wire::parse(&self.urgent[at..], 16) {
            let end = at + frame.body.end;
            if frame.kind != kind {
                kept.extend_from_slice(&self.urgent[at..end]);
            }
            at = end;
        }
        append_control(&mut kept, kind, &number.to_be_bytes());
        self.urgent = kept;
    }

    /// What to write next. Hand it back with [`sent`](Self::sent) or [`put_back`](Self::put_back).
    pub(crate) fn next(&mut self) -> Option<Chunk> {
        if let Some(torn) = self.torn.take() {
            return Some(torn);
        }
        if !self.urgent.is_empty() {
            return Some(Chunk { bytes: std::mem::take(&mut self.urgent), ..Chunk::default() });
        }
        let chunk = self.chunks.pop_front()?;
        if chunk.bytes.is_empty() {
            // Only a refused frame can have left it so; there is none behind it.
            self.keep(chunk.bytes);
            return None;
        }
        Some(chunk)
    }

    /// The chunk is written.
    pub(crate) fn sent(&mut self, chunk: Chunk) {
        self.messages -= chunk.messages;
        self.signals -= chunk.signals;
        self.keep(chunk.bytes);
    }

    /// The chunk is not wholly written; its rest comes next.
    pub(crate) fn put_back(&mut self, chunk: Chunk) {
        self.torn = Some(chunk);
    }

    /// Bytes of messages that wait or are being written.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes of signals that wait or are being written.
    pub(crate) fn signals(&self) -> usize {
        self.signals
    }

    /// Whether nothing waits. A chunk that is out to be written is not counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.torn.is_none()
            && self.urgent.is_empty()
            && self.chunks.iter().all(|chunk| chunk.bytes.is_empty())
    }

    /// Gives the memory of buffers back that are not in use.
    pub(crate) fn trim(&mut self) {
        self.spares = Vec::new();
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = SendQueue::default();
    }

    fn keep(&mut self, mut bytes: Vec<u8>) {
        if self.spares.len() < SPARES && bytes.capacity() <= 2 * CHUNK {
            bytes.clear();
            self.spares.push(bytes);
        }
    }
}

fn append_control(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    wire::append(out, kind, body.len(), &mut |out| out.extend_from_slice(body))
        .expect("a control frame is as long as itself");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Parsed, parse};

    fn push(queue: &mut SendQueue, class: Class, body: &[u8]) {
        queue.push(class, 1 << 20, &mut |out| out.extend_from_slice(body)).unwrap();
    }

    /// Writes everything, `at_once` bytes at a time, and returns the kinds and bodies that a reader would
    /// see.
    fn drain(queue: &mut SendQueue, at_once: usize) -> Vec<(Kind, Vec<u8>)> {
        let mut wire = Vec::new();
        while let Some(mut chunk) = queue.next() {
            let some = chunk.rest().len().min(at_once);
            wire.extend_from_slice(&chunk.rest()[..some]);
            if chunk.advance(some) { queue.sent(chunk) } else { queue.put_back(chunk) }
        }
        let mut frames = Vec::new();
        let mut rest = &wire[..];
        while let Parsed::Frame(frame) = parse(rest, 1 << 20).unwrap() {
            frames.push((frame.kind, rest[frame.body.clone()].to_vec()));
            rest = &rest[frame.body.end..];
        }
        assert!(rest.is_empty());
        frames
    }

    #[test]
    fn frames_go_out_in_order_whatever_the_system_takes_at_once() {
        for at_once in [1, 7, usize::MAX] {
            let mut queue = SendQueue::default();
            for n in 0..300_u16 {
                push(&mut queue, Class::Signal, &n.to_be_bytes());
            }
            push(&mut queue, Class::Message, &vec![1; CHUNK]);
            push(&mut queue, Class::Message, b"last");
            let frames = drain(&mut queue, at_once);
            assert_eq!(frames.len(), 302);
            assert!(frames[..300].iter().enumerate().all(|(n, (_, body))| *body == (n as u16).to_be_bytes()));
            assert_eq!(frames[301].1, b"last");
            assert_eq!((queue.messages(), queue.signals(), queue.is_empty()), (0, 0, true));
        }
    }

    #[test]
    fn a_ping_overtakes_what_is_not_being_written_and_never_tears_a_frame() {
        let mut queue = SendQueue::default();
        push(&mut queue, Class::Message, &vec![1; CHUNK]);
        push(&mut queue, Class::Message, b"behind");
        let mut chunk = queue.next().unwrap();
        assert!(!chunk.advance(10));
        queue.put_back(chunk);
        queue.push_urgent(Kind::Ping, 1);
        queue.push_urgent(Kind::Pong, 8);
        queue.push_urgent(Kind::Ping, 2);
        let mut chunk = queue.next().unwrap();
        let rest = chunk.rest().len();
        assert!(chunk.advance(rest));
        queue.sent(chunk);
        let frames = drain(&mut queue, usize::MAX);
        assert_eq!(frames[0], (Kind::Pong, 8_u64.to_be_bytes().to_vec()));
        assert_eq!(frames[1], (Kind::Ping, 2_u64.to_be_bytes().to_vec()));
        assert_eq!(frames[2], (Kind::Data, b"behind".to_vec()));
        assert_eq!(frames.len(), 3);
    }

    #[test]
    fn goodbye_is_the_last_word_and_a_refused_frame_leaves_no_trace() {
        let mut queue = SendQueue::default();
        assert!(queue.push(Class::Signal, 2, &mut |out| out.extend_from_slice(b"too long")).is_err());
        assert!(queue.is_empty() && queue.next().is_none());
        push(&mut queue, Class::Signal, b"s");
        queue.push_goodbye(1);
        let kinds: Vec<Kind> = drain(&mut queue, 3).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Data, Kind::Goodbye]);
    }

    #[test]
    fn buffers_are_used_again() {
        let mut queue = SendQueue::default();
        push(&mut queue, Class::Signal, &[0; 1000]);
        drain(&mut queue, usize::MAX);
        push(&mut queue, Class::Signal, b"x");
        assert!(queue.chunks[0].bytes.capacity() >= 1000);
        queue.trim();
        assert!(queue.spares.is_empty());
    }
}
