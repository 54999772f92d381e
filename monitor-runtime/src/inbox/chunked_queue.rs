//! A queue that grows without a stall.
//!
//! A full vector moves all its elements to an allocation of twice the size. With a million notices
//! that takes tens of milliseconds, under a lock that every other call of the node may wait for.
//! This queue never moves more than one segment, and frees the memory of removed elements.

use std::{
    collections::{VecDeque, vec_deque},
    iter,
};

/// Number of elements of a segment.
const SEGMENT: usize = 512;

/// See the [module](self). An element that is pushed to an empty queue is stored in `head`, without
/// a segment: most mailboxes never hold more than one. Elements that do not fit into the first
/// segment are in the others, which are all full except the last one. If the first segment is
/// empty, so are the others.
#[derive(Debug)]
pub(crate) struct ChunkedQueue<T> {
    /// The front of the queue, before the segments.
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

    pub(crate) fn push_back(&mut self, element: T) {
        self.len += 1;
        if self.len == 1 {
            self.head = Some(element);
            return;
        }
        let last = self.others.back_mut().unwrap_or(&mut self.first);
        if last.len() < SEGMENT {
            return last.push_back(element);
        }
        let mut segment = VecDeque::with_capacity(SEGMENT);
        segment.push_back(element);
        self.others.push_back(segment);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if let Some(element) = self.head.take() {
            self.len -= 1;
            return Some(element);
        }
        let element = self.first.pop_front()?;
        self.len -= 1;
        if self.first.is_empty()
            && let Some(next) = self.others.pop_front()
        {
            self.first = next;
        }
        Some(element)
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.head.as_mut().or_else(|| self.first.front_mut())
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        self.others.back_mut().unwrap_or(&mut self.first).back_mut().or(self.head.as_mut())
    }

    /// Returns the element at that index, counted from the front. O(1).
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let index = match (&mut self.head, index) {
            (None, index) => index,
            (head, 0) => return head.as_mut(),
            (Some(_), index) => index - 1,
        };
        match index.checked_sub(self.first.len()) {
            None => self.first.get_mut(index),
            Some(offset) => self.others.get_mut(offset / SEGMENT)?.get_mut(offset % SEGMENT),
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
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push_back(element));
    }
}

impl<T> FromIterator<T> for ChunkedQueue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut queue = ChunkedQueue::default();
        queue.extend(elements);
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue() {
        let (mut queue, mut model) = (ChunkedQueue::default(), VecDeque::new());
        // Pushes more than it pops, across the bounds of segments, and pops the remaining elements
        // at the end.
        for step in 0..10 * SEGMENT {
            queue.push_back(step);
            model.push_back(step);
            if step % 3 == 0 {
                assert_eq!(queue.pop_front(), model.pop_front());
            }
            assert_eq!((queue.len(), queue.back_mut().copied()), (model.len(), model.back().copied()));
            let index = step * 7 % (2 * model.len() + 1);
            assert_eq!(queue.get_mut(index), model.get_mut(index), "index {index} after step {step}");
        }
        while let Some(wanted) = model.pop_front() {
            assert_eq!(queue.pop_front(), Some(wanted));
        }
        assert!(queue.is_empty() && queue.pop_front().is_none());
        queue.push_back(1);
        assert_eq!(queue.get_mut(0), Some(&mut 1));
    }

    #[test]
    fn a_queue_that_is_iterated_and_collected_is_the_same() {
        let queue: ChunkedQueue<_> = (0..3 * SEGMENT).collect();
        assert!(queue.into_iter().eq(0..3 * SEGMENT));
    }

    #[test]
    fn removed_elements_take_no_memory() {
        let mut queue: ChunkedQueue<_> = (0..100 * SEGMENT).collect();
        while queue.pop_front().is_some() {}
        assert!(queue.others.is_empty() && queue.first.capacity() <= 2 * SEGMENT);
    }
}
