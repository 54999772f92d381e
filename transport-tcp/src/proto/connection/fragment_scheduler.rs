//! Schedules the fragments of long frames in turns.

use std::collections::{BTreeMap, VecDeque};

use peer_service::Class;

use crate::proto::connection::{
    chunk::{Chunk, Spares},
    fragment::{self, MAX_OPEN, MAX_OPEN_BYTES},
};

/// An item in the queue of an order.
pub(crate) enum Item {
    /// Whole frames.
    Chunk(Chunk),
    /// A frame that is sent in fragments.
    LongFrame(LongFrame),
}

/// A frame that is sent in fragments.
pub(crate) struct LongFrame {
    pub(crate) order: u64,
    pub(crate) class: Class,
    /// The frame begins at `start`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: usize,
    /// Its sequence number and the number of bytes sent, once it has begun.
    pub(crate) begun: Option<(u32, usize)>,
}

impl LongFrame {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// One queue for each order that has a long frame: later frames of that order wait in it behind
/// that frame.
///
/// A queue is created when a long frame is pushed, takes part in the turns once the frame is
/// [reached](FragmentScheduler::reach), and is removed when it is empty.
#[derive(Default)]
pub(crate) struct FragmentScheduler {
    by_order: BTreeMap<u64, VecDeque<Item>>,
    /// The orders whose queues may send, in turn.
    turns: VecDeque<u64>,
    /// The number of the sequence that begins next.
    next: u32,
    /// Number of unfinished sequences, and their total length.
    open: usize,
    open_bytes: usize,
}

impl FragmentScheduler {
    /// The queue of that order, if it has one.
    pub(crate) fn of(&mut self, order: u64) -> Option<&mut VecDeque<Item>> {
        self.by_order.get_mut(&order)
    }

    /// Creates a queue for the frames behind a long frame that waits elsewhere for its turn.
    pub(crate) fn prepare(&mut self, order: u64) {
        self.by_order.insert(order, VecDeque::new());
    }

    /// Everything that was pushed before this long frame has been sent: its order takes part in the
    /// turns.
    pub(crate) fn reach(&mut self, long: LongFrame) {
        self.turns.push_back(long.order);
        let queue = self.by_order.get_mut(&long.order).expect("made when the frame was pushed");
        queue.push_front(Item::LongFrame(long));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    /// The next chunk, from the next queue that may send.
    pub(crate) fn next(&mut self, spares: &mut Spares) -> Option<Chunk> {
        for _ in 0..self.turns.len() {
            let order = self.turns.pop_front()?;
            let chunk = self.step(order, spares);
            if self.by_order[&order].is_empty() {
                self.by_order.remove(&order);
            } else {
                self.turns.push_back(order);
            }
            if chunk.is_some() {
                return chunk;
            }
        }
        None
    }

    /// One chunk of that order; `None` if the peer would not accept another sequence yet. While a
    /// sequence is open, its own queue may send; while none is open, every queue may.
    fn step(&mut self, order: u64, spares: &mut Spares) -> Option<Chunk> {
        let queue = self.by_order.get_mut(&order)?;
        let long = match queue.pop_front()? {
            // A `write` callback that panicked leaves an empty chunk.
            Item::Chunk(chunk) => return Some(chunk).filter(|chunk| !chunk.bytes.is_empty()),
            Item::LongFrame(long) => long,
        };
        let len = long.len();
        let (sequence, offset) = match long.begun {
            Some(begun) => begun,
            None if self.open < MAX_OPEN && self.open_bytes + len <= MAX_OPEN_BYTES => {
                self.open += 1;
                self.open_bytes += len;
                self.next = self.next.wrapping_add(1);
                (self.next.wrapping_sub(1), 0)
            }
            None => {
                queue.push_front(Item::LongFrame(long));
                return None;
            }
        };
        let mut chunk = Chunk::new(spares.take());
        let end = fragment::append(&mut chunk.bytes, sequence, &long.bytes[long.start..], offset);
        chunk.count(long.class, end - offset);
        if end < len {
            queue.push_front(Item::LongFrame(LongFrame { begun: Some((sequence, end)), ..long }));
        } else {
            self.open -= 1;
            self.open_bytes -= len;
        }
        Some(chunk)
    }
}
