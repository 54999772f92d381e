//! The queued frames of one connection, in the order in which they are sent.

use std::collections::VecDeque;

use peer_service::{Class, FrameMeta};

use crate::proto::{
    connection::{
        chunk::{self, Chunk, Spares},
        fragment_scheduler::{FragmentScheduler, Item, LongFrame},
    },
    wire::{self, Kind, WireError},
};

/// Encoded frames, and the number of bytes of each class.
///
/// Frames wait in one queue. A frame longer than `cut_at` leaves it when it reaches its front. It
/// is then sent in fragments by the scheduler, where later frames of its order queue behind it; the
/// queue and the scheduler take turns. So frames of one order never pass each other, and no other
/// frame waits for more than a chunk. Pings and pongs overtake at the next chunk boundary. A steady
/// state of short frames allocates nothing: buffers of written chunks are reused, until
/// [`trim`](SendQueue::trim).
pub(crate) struct SendQueue {
    cut_at: usize,
    /// Pings and pongs; a few bytes.
    urgent: Vec<u8>,
    /// A chunk that was written in part.
    partly_written: Option<Chunk>,
    fifo: VecDeque<Item>,
    scheduler: FragmentScheduler,
    /// Whether the last chunk came from the scheduler.
    last_was_fragment: bool,
    /// The reason in the goodbye, which is sent after everything else.
    goodbye: Option<u8>,
    spares: Spares,
    messages: usize,
    signals: usize,
}

impl SendQueue {
    /// Frames whose body is longer than `cut_at` are sent in fragments.
    pub(crate) fn new(cut_at: usize) -> Self {
        SendQueue {
            cut_at,
            urgent: Vec::new(),
            partly_written: None,
            fifo: VecDeque::new(),
            scheduler: FragmentScheduler::default(),
            last_was_fragment: false,
            goodbye: None,
            spares: Spares::default(),
            messages: 0,
            signals: 0,
        }
    }

    /// Appends a data frame whose body `write` appends.
    pub(crate) fn push(
        &mut self,
        meta: FrameMeta,
        max_body: usize,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), WireError> {
        let order_queue = self.scheduler.of(meta.order);
        let has_order_queue = order_queue.is_some();
        let items = order_queue.unwrap_or(&mut self.fifo);
        // The chunk stays in its place during the call of `write`, which may panic.
        if !matches!(items.back(), Some(Item::Chunk(chunk)) if chunk.bytes.len() < chunk::SIZE) {
            items.push_back(Item::Chunk(Chunk::new(self.spares.take())));
        }
        let Some(Item::Chunk(chunk)) = items.back_mut() else {
            unreachable!("a chunk was just pushed if there was none")
        };
        let before = chunk.bytes.len();
        let written = wire::append_body(&mut chunk.bytes, max_body, write);
        let (mut added, mut long) = (0, None);
        match written {
            Ok(body) if body <= self.cut_at => {
                wire::seal(&mut chunk.bytes, Kind::Data, body);
                added = chunk.bytes.len() - before;
                chunk.count(meta.class, added);
            }
            Ok(body) => {
                // The frame keeps the buffer that has grown for it; the bytes before it are few.
                let rest = chunk.bytes[..before].to_vec();
                let bytes = std::mem::replace(&mut chunk.bytes, rest);
                let (order, class, start) = (meta.order, meta.class, bytes.len() - body);
                long = Some(LongFrame { order, class, bytes, start, begun: None });
                added = body;
            }
            Err(_) => {}
        }
        if chunk.bytes.is_empty() {
            items.pop_back();
        }
        if let Some(long) = long {
            items.push_back(Item::LongFrame(long));
            if !has_order_queue {
                self.scheduler.prepare(meta.order);
            }
        }
        match meta.class {
            Class::Message => self.messages += added,
            Class::Signal => self.signals += added,
        }
        written.map(drop)
    }

    /// Appends the goodbye, after everything else. Nothing may be pushed after it.
    pub(crate) fn push_goodbye(&mut self, reason: u8) {
        self.goodbye = Some(reason);
    }

    /// Queues a ping or pong ahead of everything that is not being written already. Only the last
    /// one of each kind is kept: its number includes the earlier ones, and a flood of pings cannot
    /// fill the memory.
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

    /// The next chunk to write. Return it with [`sent`](Self::sent) or
    /// [`put_back`](Self::put_back).
    pub(crate) fn next(&mut self) -> Option<Chunk> {
        if let Some(partly_written) = self.partly_written.take() {
            return Some(partly_written);
        }
        if !self.urgent.is_empty() {
            return Some(Chunk::new(std::mem::take(&mut self.urgent)));
        }
        self.next_fragment(!self.last_was_fragment)
            .or_else(|| self.next_of_fifo())
            .or_else(|| self.next_fragment(true))
            .or_else(|| self.goodbye.take().map(goodbye))
    }

    fn next_fragment(&mut self, is_allowed: bool) -> Option<Chunk> {
        if !is_allowed {
            return None;
        }
        self.last_was_fragment = true;
        self.scheduler.next(&mut self.spares)
    }

    fn next_of_fifo(&mut self) -> Option<Chunk> {
        self.last_was_fragment = false;
        while let Some(item) = self.fifo.pop_front() {
            match item {
                // A `write` callback that panicked leaves an empty chunk.
                Item::Chunk(chunk) if chunk.bytes.is_empty() => {}
                Item::Chunk(chunk) => return Some(chunk),
                Item::LongFrame(long) => self.scheduler.reach(long),
            }
        }
        None
    }

    /// Reports that the chunk is written.
    pub(crate) fn sent(&mut self, chunk: Chunk) {
        self.messages -= chunk.messages;
        self.signals -= chunk.signals;
        self.spares.keep(chunk.bytes);
    }

    /// Puts back a chunk that was written in part; its remaining bytes come next.
    pub(crate) fn put_back(&mut self, chunk: Chunk) {
        self.partly_written = Some(chunk);
    }

    /// Bytes of messages that are queued or being written.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes of signals that are queued or being written.
    pub(crate) fn signals(&self) -> usize {
        self.signals
    }

    /// Bytes of data that are queued or being written.
    pub(crate) fn len(&self) -> usize {
        self.messages + self.signals
    }

    /// Whether a ping, a pong or the goodbye is queued: they do not count in the length.
    pub(crate) fn has_control(&self) -> bool {
        !self.urgent.is_empty() || self.goodbye.is_some()
    }

    /// Whether nothing is queued. A chunk that is being written does not count.
    pub(crate) fn is_empty(&self) -> bool {
        self.partly_written.is_none()
            && self.urgent.is_empty()
            && self.fifo.is_empty()
            && self.scheduler.is_empty()
            && self.goodbye.is_none()
    }

    /// Frees the memory of unused buffers.
    pub(crate) fn trim(&mut self) {
        self.spares = Spares::default();
    }

    /// Discards everything.
    pub(crate) fn clear(&mut self) {
        *self = SendQueue::new(self.cut_at);
    }
}

fn goodbye(reason: u8) -> Chunk {
    let mut bytes = Vec::new();
    append_control(&mut bytes, Kind::Goodbye, &[reason]);
    Chunk::new(bytes)
}

fn append_control(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    wire::append(out, kind, body.len(), &mut |out| out.extend_from_slice(body))
        .expect("a control frame is as long as itself");
}

#[cfg(test)]
mod tests;
