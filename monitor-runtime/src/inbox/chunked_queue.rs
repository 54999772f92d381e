//! A queue that grows without a stall.
//!
//! A vector that is full moves all it holds to a place twice as large: with a million notices that
//! takes tens of milliseconds, under a lock for which every other call of the node may wait. Here
//! what is queued stays where it is, and what was received gives its memory back.

use std::{
    collections::{VecDeque, vec_deque},
    iter,
};

/// How many things a segment holds.
const SEGMENT: usize = 512;

/// See the [module](self). What finds the queue empty stands in it, without a segment: most
/// mailboxes never hold more. What does not fit into the first segment is in the others, all full
/// but for the last; if the first is empty, so are the others.
#[derive(Debug)]
pub(crate) struct ChunkedQueue<T> {
    /// Before everything else.
    head: Option<T>,
    first: VecDeque<T>,
    others: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for ChunkedQueue<T> {
    fn default() -> Self {
        ChunkedQueue { head: None, first: VecDeque::new(), others: VecDeque::new(), len: 0 }
    }
}

impl<T> ChunkedQueue<T> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push_back(&mut self, thing: T) {
        self.len += 1;
        if self.len == 1 {
            self.head = Some(thing);
            return;
        }
        let last = self.others.back_mut().unwrap_or(&mut self.first);
        if last.len() < SEGMENT {
            return last.push_back(thing);
        }
        let mut segment = VecDeque::with_capacity(SEGMENT);
        segment.push_back(thing);
        self.others.push_back(segment);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if let Some(thing) = self.head.take() {
            self.len -= 1;
            return Some(thing);
        }
        let thing = self.first.pop_front()?;
        self.len -= 1;
        if self.first.is_empty()
            && let Some(next) = self.others.pop_front()
        {
            self.first = next;
        }
        Some(thing)
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.head.as_mut().or_else(|| self.first.front_mut())
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        self.others.back_mut().unwrap_or(&mut self.first).back_mut().or(self.head.as_mut())
    }

    /// The thing in that place, counted from the front. O(1).
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let place = match (&mut self.head, place) {
            (None, place) => place,
            (head, 0) => return head.as_mut(),
            (Some(_), place) => place - 1,
        };
        match place.checked_sub(self.first.len()) {
            None => self.first.get_mut(place),
            Some(behind) => self.others.get_mut(behind / SEGMENT)?.get_mut(behind % SEGMENT),
        }
    }
}

impl<T> IntoIterator for ChunkedQueue<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::iter::Flatten<AllSegments<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.head.into_iter().chain(iter::once(self.first).chain(self.others).flatten())
    }
}

type AllSegments<T> = iter::Chain<iter::Once<VecDeque<T>>, vec_deque::IntoIter<VecDeque<T>>>;

impl<T> Extend<T> for ChunkedQueue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, things: I) {
        things.into_iter().for_each(|thing| self.push_back(thing));
    }
}

impl<T> FromIterator<T> for ChunkedQueue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut segments = ChunkedQueue::default();
        segments.extend(things);
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue() {
        let (mut queue, mut model) = (ChunkedQueue::default(), VecDeque::new());
        // Fills more than it empties, across the bounds of segments, and is emptied in the end.
        for step in 0..10 * SEGMENT {
            queue.push_back(step);
            model.push_back(step);
            if step % 3 == 0 {
                assert_eq!(queue.pop_front(), model.pop_front());
            }
            assert_eq!((queue.len(), queue.back_mut().copied()), (model.len(), model.back().copied()));
            let place = step * 7 % (2 * model.len() + 1);
            assert_eq!(queue.get_mut(place), model.get_mut(place), "place {place} after step {step}");
        }
        while let Some(wanted) = model.pop_front() {
            assert_eq!(queue.pop_front(), Some(wanted));
        }
        assert!(queue.is_empty() && queue.pop_front().is_none());
        queue.push_back(1);
        assert_eq!(queue.get_mut(0), Some(&mut 1));
    }

    #[test]
    fn what_is_taken_apart_and_put_together_is_the_same() {
        let queue: ChunkedQueue<_> = (0..3 * SEGMENT).collect();
        assert!(queue.into_iter().eq(0..3 * SEGMENT));
    }

    #[test]
    fn what_was_received_takes_no_memory() {
        let mut queue: ChunkedQueue<_> = (0..100 * SEGMENT).collect();
        while queue.pop_front().is_some() {}
        assert!(queue.others.is_empty() && queue.first.capacity() <= 2 * SEGMENT);
    }
}
