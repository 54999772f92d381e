//! The queue of log lines, and the count of dropped lines.
//!
//! A push never blocks: if the queue is full, it drops the line and counts it. The count is written
//! in place of the missing lines: before the next line that the queue accepts, or once the queue is
//! empty.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// A queued line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogEntry {
    /// A line of the log, without its line break.
    Line(String),
    /// Stands for this number of dropped lines.
    Dropped(u64),
}

impl LogEntry {
    /// The line as it is written.
    pub(super) fn text(&self) -> String {
        match self {
            LogEntry::Line(line) => format!("{line}\n"),
            LogEntry::Dropped(1) => "1 log line was dropped: standard error is not being read\n".to_owned(),
            LogEntry::Dropped(n) => format!("{n} log lines were dropped: standard error is not being read\n"),
        }
    }

    /// Number of bytes that count against the limit of the queue.
    fn size(&self) -> usize {
        let text = match self {
            LogEntry::Line(line) => line.len(),
            LogEntry::Dropped(_) => 0,
        };
        mem::size_of::<LogEntry>() + text
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Queue {
    max_bytes: usize,
    state: Mutex<State>,
    /// Signaled when there may be an entry to write.
    arrived: Condvar,
    /// Signaled when everything may be written.
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<LogEntry>,
    /// Size of all entries.
    bytes: usize,
    /// Whether lines are being dropped. Once the queue is full, it drops lines until it is half
    /// empty, so that a slow reader gets long runs of lines, and not a count after each line.
    overflowing: bool,
    /// Number of dropped lines that no entry counts yet.
    dropped: u64,
    /// Whether the writer has taken an entry and not written it yet.
    writing: bool,
    /// Whether the last write failed. Then the count is not written before the next line, since its
    /// write would fail as well.
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
        self.state.lock().push(LogEntry::Line(line), self.max_bytes);
        self.arrived.notify_one();
    }

    /// Takes the next entry to write; blocks while there is none. A call of [`Queue::written`] must
    /// follow.
    pub(super) fn take(&self) -> LogEntry {
        let mut state = self.state.lock();
        loop {
            match state.take() {
                Some(entry) => return entry,
                None => self.arrived.wait(&mut state),
            }
        }
    }

    /// Takes the next entry to write; returns `None` if there is none. After an entry, a call of
    /// [`Queue::written`] must follow.
    pub(super) fn try_take(&self) -> Option<LogEntry> {
        self.state.lock().take()
    }

    /// Reports whether the entry that was taken could be written.
    pub(super) fn written(&self, entry: &LogEntry, written: bool) {
        let mut state = self.state.lock();
        state.writing = false;
        state.failing = !written;
        if !written {
            state.dropped += match entry {
                LogEntry::Line(_) => 1,
                LogEntry::Dropped(n) => *n,
            };
        }
        self.idle.notify_all();
    }

    /// Blocks until everything is written, the count of dropped lines included, or the time is up.
    pub(super) fn flush(&self, at_most: Duration) {
        let until = Instant::now() + at_most;
        let mut state = self.state.lock();
        state.report_again();
        self.arrived.notify_one();
        while !state.is_idle() && !self.idle.wait_until(&mut state, until).timed_out() {}
    }

    /// Allows a write of the count although the last write failed, when no further line will
    /// follow.
    pub(super) fn report_again(&self) {
        self.state.lock().report_again();
    }
}

impl State {
    fn push(&mut self, entry: LogEntry, max_bytes: usize) {
        let limit = if self.overflowing { max_bytes / 2 } else { max_bytes };
        self.overflowing = self.bytes + entry.size() > limit;
        if self.overflowing {
            self.dropped += 1;
            return;
        }
        self.failing = false;
        if self.dropped > 0 {
            let dropped = LogEntry::Dropped(mem::take(&mut self.dropped));
            self.append(dropped);
        }
        self.append(entry);
    }

    fn append(&mut self, entry: LogEntry) {
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    fn take(&mut self) -> Option<LogEntry> {
        let entry = match self.entries.pop_front() {
            Some(entry) => {
                self.bytes -= entry.size();
                entry
            }
            None if self.dropped > 0 && !self.failing => LogEntry::Dropped(mem::take(&mut self.dropped)),
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

    /// A queue with a capacity of this number of test lines.
    fn queue(lines: usize) -> Queue {
        Queue::new(lines * LogEntry::Line(line(0)).size())
    }

    /// Takes all entries as written, and returns them.
    fn drain(queue: &Queue) -> Vec<LogEntry> {
        let write = || queue.try_take().inspect(|entry| queue.written(entry, true));
        std::iter::from_fn(write).collect()
    }

    #[test]
    fn a_full_queue_drops_and_the_count_takes_the_place_of_the_missing_lines() {
        let queue = queue(4);
        (0..10).for_each(|number| queue.push(line(number)));
        let mut kept: Vec<_> = (0..4).map(|number| LogEntry::Line(line(number))).collect();
        kept.push(LogEntry::Dropped(6));
        assert_eq!(drain(&queue), kept);
        assert_eq!(drain(&queue), [], "the count is written once");
        queue.push(line(10));
        assert_eq!(drain(&queue), [LogEntry::Line(line(10))], "later lines are accepted again");
    }

    #[test]
    fn after_an_overflow_lines_are_accepted_again_once_the_queue_is_half_empty() {
        let queue = queue(4);
        (0..5).for_each(|number| queue.push(line(number)));
        let write = || queue.take();
        queue.written(&write(), true);
        queue.push(line(5));
        queue.written(&write(), true);
        queue.written(&write(), true);
        queue.push(line(6));
        let rest = [LogEntry::Line(line(3)), LogEntry::Dropped(2), LogEntry::Line(line(6))];
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
        assert_eq!(dropped, LogEntry::Dropped(1));
        queue.written(&dropped, false);
        queue.written(&queue.take(), false);
        assert_eq!(queue.try_take(), None);
        queue.report_again();
        assert_eq!(queue.try_take(), Some(LogEntry::Dropped(2)));
    }

    #[test]
    fn a_line_longer_than_the_whole_queue_is_dropped_and_no_other_with_it() {
        let queue = queue(4);
        queue.push("x".repeat(1000));
        queue.push(line(1));
        assert_eq!(drain(&queue), [LogEntry::Dropped(1), LogEntry::Line(line(1))]);
    }
}
