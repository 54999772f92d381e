//! The lines that wait to be written, and the count of those that were dropped.
//!
//! Pushing never blocks: a line for which there is no room is dropped and counted. The count takes
//! the place of the missing lines: it is written before the next line for which there is room, or
//! once everything else is written.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// A line that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Of the log, without its line break.
    Line(String),
    /// In place of this many lines that were dropped.
    Dropped(u64),
}

impl Entry {
    /// The line as it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Entry::Line(line) => format!("{line}\n"),
            Entry::Dropped(1) => "1 log line was dropped: standard error is not being read\n".to_owned(),
            Entry::Dropped(n) => format!("{n} log lines were dropped: standard error is not being read\n"),
        }
    }

    /// Number of bytes that count against the limit of the queue.
    fn size(&self) -> usize {
        let text = match self {
            Entry::Line(line) => line.len(),
            Entry::Dropped(_) => 0,
        };
        mem::size_of::<Entry>() + text
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Queue {
    max_bytes: usize,
    state: Mutex<State>,
    /// Signaled when there may be an entry to write.
    arrived: Condvar,
    /// Signaled when there may be none left.
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    /// Of the entries.
    bytes: usize,
    /// Whether lines are being dropped. They are until half of the room is free, so that a slow
    /// reader gets stretches of the log, and not a count after each line.
    overflowing: bool,
    /// Number of lines that were dropped and are in no entry.
    dropped: u64,
    /// Whether an entry has been taken that is not written yet.
    writing: bool,
    /// Whether the last write failed: then the count waits for the next line, since it would fail
    /// as well.
    failing: bool,
}

impl Queue {
    pub(super) const fn new(max_bytes: usize) -> Self {
        let state = State {
            entries: VecDeque::new(),
            bytes: 0,
            overflowing: false,
            dropped: 0,
            writing: false,
            failing: false,
        };
        Queue { max_bytes, state: Mutex::new(state), arrived: Condvar::new(), idle: Condvar::new() }
    }

    /// Adds a line, or drops it and counts it.
    pub(super) fn push(&self, line: String) {
        self.state.lock().push(Entry::Line(line), self.max_bytes);
        self.arrived.notify_one();
    }

    /// Takes the next entry to write, which [`Queue::written`] must follow; blocks while there is
    /// none.
    pub(super) fn take(&self) -> Entry {
        let mut state = self.state.lock();
        loop {
            match state.take() {
                Some(entry) => return entry,
                None => self.arrived.wait(&mut state),
            }
        }
    }

    /// Takes the next entry to write, which [`Queue::written`] must follow, if there is one.
    pub(super) fn try_take(&self) -> Option<Entry> {
        self.state.lock().take()
    }

    /// The entry that was taken has been written, or could not be.
    pub(super) fn written(&self, entry: &Entry, written: bool) {
        let mut state = self.state.lock();
        state.writing = false;
        state.failing = !written;
        if !written {
            state.dropped += match entry {
                Entry::Line(_) => 1,
                Entry::Dropped(n) => *n,
            };
        }
        self.idle.notify_all();
    }

    /// Blocks until everything is written, the count of dropped lines included, for at most that
    /// long.
    pub(super) fn flush(&self, at_most: Duration) {
        let until = Instant::now() + at_most;
        let mut state = self.state.lock();
        state.report_again();
        self.arrived.notify_one();
        while !state.is_idle() && !self.idle.wait_until(&mut state, until).timed_out() {}
    }

    /// Lets the count be written although the last write failed: no further line will come.
    pub(super) fn report_again(&self) {
        self.state.lock().report_again();
    }
}

impl State {
    fn push(&mut self, entry: Entry, max_bytes: usize) {
        let room = if self.overflowing { max_bytes / 2 } else { max_bytes };
        self.overflowing = self.bytes + entry.size() > room;
        if self.overflowing {
            self.dropped += 1;
            return;
        }
        self.failing = false;
        if self.dropped > 0 {
            let dropped = Entry::Dropped(mem::take(&mut self.dropped));
            self.append(dropped);
        }
        self.append(entry);
    }

    fn append(&mut self, entry: Entry) {
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    fn take(&mut self) -> Option<Entry> {
        let entry = match self.entries.pop_front() {
            Some(entry) => {
                self.bytes -= entry.size();
                entry
            }
            None if self.dropped > 0 && !self.failing => Entry::Dropped(mem::take(&mut self.dropped)),
            None => return None,
        };
        self.writing = true;
        Some(entry)
    }

    const fn report_again(&mut self) {
        self.failing = false;
    }

    fn is_idle(&self) -> bool {
        self.entries.is_empty() && !self.writing && (self.dropped == 0 || self.failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!("line {number:02}")
    }

    /// A queue that has room for so many of these lines.
    fn queue(lines: usize) -> Queue {
        Queue::new(lines * Entry::Line(line(0)).size())
    }

    /// Writes everything, and returns it.
    fn drain(queue: &Queue) -> Vec<Entry> {
        let write = || queue.try_take().inspect(|entry| queue.written(entry, true));
        std::iter::from_fn(write).collect()
    }

    #[test]
    fn a_full_queue_drops_and_the_count_takes_the_place_of_the_missing_lines() {
        let queue = queue(4);
        (0..10).for_each(|number| queue.push(line(number)));
        let mut kept: Vec<_> = (0..4).map(|number| Entry::Line(line(number))).collect();
        kept.push(Entry::Dropped(6));
        assert_eq!(drain(&queue), kept);
        assert_eq!(drain(&queue), [], "the count is written once");
        queue.push(line(10));
        assert_eq!(drain(&queue), [Entry::Line(line(10))], "what follows is written again");
    }

    #[test]
    fn after_an_overflow_half_of_the_room_is_made_before_lines_are_taken_again() {
        let queue = queue(4);
        (0..5).for_each(|number| queue.push(line(number)));
        let write = || queue.take();
        queue.written(&write(), true);
        queue.push(line(5));
        queue.written(&write(), true);
        queue.written(&write(), true);
        queue.push(line(6));
        let rest = [Entry::Line(line(3)), Entry::Dropped(2), Entry::Line(line(6))];
        assert_eq!(drain(&queue), rest);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_count_is_not_tried_over_and_over() {
        let queue = queue(4);
        queue.push(line(0));
        queue.written(&queue.take(), false);
        assert_eq!(queue.try_take(), None);
        queue.push(line(1));
        let dropped = queue.take();
        assert_eq!(dropped, Entry::Dropped(1));
        queue.written(&dropped, false);
        queue.written(&queue.take(), false);
        assert_eq!(queue.try_take(), None);
        queue.report_again();
        assert_eq!(queue.try_take(), Some(Entry::Dropped(2)));
    }

    #[test]
    fn a_line_longer_than_the_whole_queue_is_dropped_and_no_other_with_it() {
        let queue = queue(4);
        queue.push("x".repeat(1000));
        queue.push(line(1));
        assert_eq!(drain(&queue), [Entry::Dropped(1), Entry::Line(line(1))]);
    }
}
