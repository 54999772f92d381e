//! Schedules the fragments of long frames: piece by piece, in turns.

use std::collections::{BTreeMap, VecDeque};

use peer_service::Class;

use crate::proto::connection::{
    fragment::{self, MAX_OPEN, MAX_OPEN_BYTES},
    send_queue::{Chunk, Spares},
};

/// One place of an order.
pub(crate) enum Item {
    /// Whole frames.
    Chunk(Chunk),
    /// One that goes out in pieces.
    Long(Long),
}

/// A frame that is sent in fragments.
pub(crate) struct Long {
    pub(crate) order: u64,
    pub(crate) class: Class,
    /// The frame begins at `start`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: usize,
    /// Its sequence and how much of it has gone, once it has begun.
    pub(crate) begun: Option<(u32, usize)>,
}

impl Long {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// One lane for each order that has a long frame: everything of that order waits in it, behind that
/// frame.
///
/// A lane is made when such a frame is pushed, has its turn once the frame is
/// [reached](FragmentScheduler::reach), and is gone when it is empty.
#[derive(Default)]
pub(crate) struct FragmentScheduler {
    by_order: BTreeMap<u64, VecDeque<Item>>,
    /// The lanes that may go, in turn.
    turns: VecDeque<u64>,
    /// The number of the sequence that begins next.
    next: u32,
    /// How many sequences have begun and not ended, and how long they are together.
    open: usize,
    open_bytes: usize,
}

impl FragmentScheduler {
    /// The frames of that order that wait, if it has a lane.
    pub(crate) fn of(&mut self, order: u64) -> Option<&mut VecDeque<Item>> {
        self.by_order.get_mut(&order)
    }

    /// Makes a lane for what will follow a long frame that waits elsewhere for its turn.
    pub(crate) fn prepare(&mut self, order: u64) {
        self.by_order.insert(order, VecDeque::new());
    }

    /// Everything that was pushed before the long frame for which the lane was made has gone out.
    pub(crate) fn reach(&mut self, long: Long) {
        self.turns.push_back(long.order);
        let lane = self.by_order.get_mut(&long.order).expect("made when the frame was pushed");
        lane.push_front(Item::Long(long));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    /// The next chunk, of the next lane that may go.
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

    /// One chunk of that lane; none if the peer would not take another sequence yet. While one is
    /// open, its own lane may go; while none is, any.
    fn step(&mut self, order: u64, spares: &mut Spares) -> Option<Chunk> {
        let lane = self.by_order.get_mut(&order)?;
        let long = match lane.pop_front()? {
            // A writer that panicked leaves an empty one.
            Item::Chunk(chunk) => return Some(chunk).filter(|chunk| !chunk.bytes.is_empty()),
            Item::Long(long) => long,
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
                lane.push_front(Item::Long(long));
                return None;
            }
        };
        let mut chunk = Chunk::new(spares.take());
        let end = fragment::append(&mut chunk.bytes, sequence, &long.bytes[long.start..], offset);
        chunk.count(long.class, end - offset);
        if end < len {
            lane.push_front(Item::Long(Long { begun: Some((sequence, end)), ..long }));
        } else {
            self.open -= 1;
            self.open_bytes -= len;
        }
        Some(chunk)
    }
}
