//! A queue that grows without a stall.
//!
//! A vector that is full moves all it holds to a place twice as large: with a million notices that takes tens of
//! milliseconds, under a lock for which every other call of the node may wait. Here what is queued stays where it is, and what
//! was received gives its memory back.

use std::collections::VecDeque;

/// How many things a segment holds.
const SEGMENT: usize = 512;

/// See the [module](self). What does not fit into the first segment is in the others, all full but for the last; if the first is
/// empty, so is the queue. A queue that never holds much is the first segment alone.
#[derive(Debug)]
pub(crate) struct Segments<T> {
    first: VecDeque<T>,
    others: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Segments { first: VecDeque::new(), others: VecDeque::new(), len: 0 }
    }
}

impl<T> Segments<T> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push_back(&mut self, thing: T) {
        self.len += 1;
        let last = self.others.back_mut().unwrap_or(&mut self.first);
        if last.len() < SEGMENT {
            return last.push_back(thing);
        }
        let mut segment = VecDeque::with_capacity(SEGMENT);
        segment.push_back(thing);
        self.others.push_back(segment);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let thing = self.first.pop_front()?;
        self.len -= 1;
        if self.first.is_empty()
            && let Some(next) = self.others.pop_front()
        {
            self.first = next;
        }
        Some(thing)
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        self.others.back_mut().unwrap_or(&mut self.first).back_mut()
    }

    /// The thing in that place, counted from the front. O(1).
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        match place.checked_sub(self.first.len()) {
            None => self.first.get_mut(place),
            Some(behind) => self.others.get_mut(behind / SEGMENT)?.get_mut(behind % SEGMENT),
        }
    }
}

impl<T> IntoIterator for Segments<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::iter::Chain<std::option::IntoIter<VecDeque<T>>, Rest<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        Some(self.first).into_iter().chain(self.others).flatten()
    }
}

/// The segments behind the first.
type Rest<T> = std::collections::vec_deque::IntoIter<VecDeque<T>>;

impl<T> FromIterator<T> for Segments<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut segments = Segments::default();
        things.into_iter().for_each(|thing| segments.push_back(thing));
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue() {
        let (mut queue, mut model) = (Segments::default(), VecDeque::new());
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
        let queue: Segments<_> = (0..3 * SEGMENT).collect();
        assert!(queue.into_iter().eq(0..3 * SEGMENT));
    }

    #[test]
    fn what_was_received_takes_no_memory() {
        let mut queue: Segments<_> = (0..100 * SEGMENT).collect();
        while queue.pop_front().is_some() {}
        assert!(queue.others.is_empty() && queue.first.capacity() <= 2 * SEGMENT);
    }
}
