//! The queue of a mailbox.
//!
//! One lock is held for each push or pop. It also protects the waker of the receiver, so that a
//! push, or a pop of an empty queue, acquires it once. No waker is woken under the lock: a push
//! returns it. A `Down` is queued as the number of its monitor, and its content stays in the core
//! until it is received, so that a flush needs no search here.

use std::{
    mem,
    task::{Context, Poll, Waker},
};

use monitor_core::{MonitorId, NodeNotice, NodesOptions};
use parking_lot::Mutex;

mod node_events;

pub(crate) use self::node_events::GapId;
use self::node_events::{NodeEvents, Placement};
use crate::{
    event::{Event, Message},
    inbox::{
        chunked_queue::ChunkedQueue,
        fired_queue::{Fired, FiredQueue, Popped, is_mostly_stale},
        fired_runs::FiredRuns,
    },
    threads::environment::CoarseTime,
};

/// The queue of one mailbox, shared by the receiving process and all senders.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    limits: MailboxLimits,
}

/// The limits of one mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    /// Maximum number of bytes of the message bodies.
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
    /// Maximum number of node events of subscriptions by `monitor_nodes`.
    pub(crate) node_events: usize,
}

/// Number of node events that a push has left out, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// They cancel each other out.
    pub(crate) merged: usize,
    /// The limit was reached.
    pub(crate) missed: usize,
}

/// An item that a receiver pops from a queue.
#[derive(Debug)]
pub(crate) enum QueueItem {
    Event(Event),
    Down(Fired),
    /// Events of a subscription are missing at this place, unless the subscription has ended: see
    /// [`Queue::end_gap`].
    Gap(NodesOptions, GapId),
}

/// The outcome of a pushed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Kept,
    /// The mailbox is full, so the message is missing at this place.
    Full,
    Closed,
}

#[derive(Debug, Default)]
struct QueueState {
    entries: ChunkedQueue<QueueEntry>,
    /// Number of monitors in [`QueueEntry::Downs`], without the first one of each entry.
    extra_downs: usize,
    /// Number of the first entry. It counts the entries that were popped before, so that the number
    /// of an entry does not change.
    first_number: u64,
    messages: usize,
    /// Number of bytes of the message bodies.
    bytes: usize,
    /// Number of queued monitors that were flushed.
    stale: usize,
    /// Number of [`QueueEntry::Removed`].
    removed: usize,
    /// Created by the first node event, because few processes ever get one.
    node_events: Option<Box<NodeEvents>>,
    closed: bool,
    /// The waker of the receiver, if it waits.
    receiver: Option<Waker>,
}

#[derive(Debug)]
enum QueueEntry {
    Message(Message),
    Down(Fired),
    /// Several consecutive monitors. In this form a million notices take eight bytes each, and not
    /// the size of a message.
    Downs(Box<FiredRuns>),
    Node {
        notice: NodeNotice,
        missed: bool,
    },
    Missed(u64),
    NodeFailed,
    Gap(NodesOptions, GapId),
    /// A node event that was left out.
    Removed,
}

// The largest entry is a message.
const _: () = assert!(size_of::<QueueEntry>() <= size_of::<Message>() + 8);

impl Queue {
    /// Creates an empty queue.
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Queue { state: Mutex::default(), limits }
    }

    /// Returns the next item. `None` once the queue is closed and empty.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<QueueItem>> {
        let mut state = self.state.lock();
        if let Poll::Ready(item) = state.try_pop() {
            return Poll::Ready(item);
        }
        if state.receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // Wakers are code of the program, so they are cloned and dropped without the lock. Dropping
        // the last waker of a task may drop the task, and with it this mailbox.
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if let Poll::Ready(item) = state.try_pop() {
            return Poll::Ready(item);
        }
        let other = state.receiver.replace(waker);
        drop(state);
        drop(other);
        Poll::Pending
    }

    /// Returns the next item, or pending if the queue is empty. `None` once the queue is closed and
    /// empty.
    pub(crate) fn try_pop(&self) -> Poll<Option<QueueItem>> {
        self.state.lock().try_pop()
    }

    /// Appends messages without other entries between them, and passes the outcome of each to
    /// `record`. Returns the waker of the receiver, if it waits.
    pub(crate) fn push_messages(
        &self,
        messages: impl IntoIterator<Item = Message>,
        record: impl FnMut(Pushed),
    ) -> Option<Waker> {
        let mut state = self.state.lock();
        messages.into_iter().map(|message| state.push_message(message, self.limits)).for_each(record);
        state.receiver.take()
    }

    /// Appends monitors that have fired at that time. Returns the waker of the receiver, if it
    /// waits.
    pub(crate) fn push_downs(&self, ids: &[MonitorId], at: CoarseTime) -> Option<Waker> {
        let mut state = self.state.lock();
        if !state.closed {
            state.push_downs(ids, at);
        }
        state.receiver.take()
    }

    /// Appends a node event. Returns the number of events that were left out for it, and the waker
    /// of the receiver, if it waits.
    pub(crate) fn push_node(&self, notice: NodeNotice) -> (LeftOut, Option<Waker>) {
        let mut state = self.state.lock();
        let left_out =
            if state.closed { LeftOut::default() } else { state.push_node(notice, self.limits.node_events) };
        (left_out, state.receiver.take())
    }

    /// Ends a gap that the receiver has reached, so that later events are kept again. Returns the
    /// number of missing events, or `None` if the subscription has ended meanwhile.
    pub(crate) fn end_gap(&self, options: NodesOptions, gap: GapId) -> Option<u64> {
        self.state.lock().node_events.as_mut()?.end_gap(options, gap)
    }

    /// Records that a queued `Down` was flushed. Drops all stale entries once they are most of the
    /// queue. `is_fired` returns true for a `Down` that was not flushed.
    pub(crate) fn record_flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        let mut state = self.state.lock();
        state.stale += 1;
        if is_mostly_stale(state.stale + state.removed, state.len()) {
            state.compact(is_fired);
            (state.stale, state.removed) = (0, 0);
        }
    }

    /// Ends a subscription. Its queued events stay; a later subscription starts without state.
    pub(crate) fn unsubscribed(&self, options: NodesOptions) {
        if let Some(node_events) = &mut self.state.lock().node_events {
            node_events.restart(options);
        }
    }

    /// Closes the queue after a failure of the node. The receiver can pop the remaining entries
    /// except `Down`s, whose content was in the core, then one [`Event::NodeFailed`], and then
    /// `None`. Returns the waker of the receiver, if it waits.
    pub(crate) fn fail(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        if !mem::replace(&mut state.closed, true) {
            state.entries.push_back(QueueEntry::NodeFailed);
        }
        state.receiver.take()
    }

    /// Closes the queue. The receiver can pop the remaining entries. Returns the waker of the
    /// receiver, if it waits.
    pub(crate) fn close(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        state.closed = true;
        state.receiver.take()
    }

    /// Number of queued entries, and number of bytes of their messages.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.len(), state.bytes)
    }
}

impl FiredQueue for Queue {
    fn pop_run(&self, max: usize, take: &mut dyn FnMut(Fired) -> Popped) {
        let mut state = self.state.lock();
        for _ in 0..max {
            let Some(fired) = state.pop_down() else { return };
            match take(fired) {
                Popped::Taken => {}
                Popped::TakenLast => return,
                Popped::Flushed => state.record_skipped(),
            }
        }
    }

    fn record_skipped(&self) {
        self.state.lock().record_skipped();
    }
}

impl QueueState {
    /// Number of queued entries, with each monitor counted.
    fn len(&self) -> usize {
        self.entries.len() + self.extra_downs
    }

    fn push_message(&mut self, message: Message, limits: MailboxLimits) -> Pushed {
        if self.closed {
            return Pushed::Closed;
        }
        let bytes = self.bytes.saturating_add(message.body.len());
        if bytes > limits.bytes || self.messages >= limits.messages || limits.bytes == 0 {
            self.miss(1);
            return Pushed::Full;
        }
        self.bytes = bytes;
        self.messages += 1;
        self.entries.push_back(QueueEntry::Message(message));
        Pushed::Kept
    }

    /// Records that `more` messages are missing at the end of the queue.
    fn miss(&mut self, more: u64) {
        match self.entries.back_mut() {
            Some(QueueEntry::Missed(count)) => *count += more,
            _ => self.entries.push_back(QueueEntry::Missed(more)),
        }
    }

    fn push_downs(&mut self, ids: &[MonitorId], at: CoarseTime) {
        match (self.entries.back_mut(), ids) {
            (_, []) => {}
            (Some(QueueEntry::Downs(runs)), _) => {
                runs.push(ids, at);
                self.extra_downs += ids.len();
            }
            (Some(last @ QueueEntry::Down(_)), _) => {
                let QueueEntry::Down(first) = mem::replace(last, QueueEntry::Removed) else {
                    unreachable!("the pattern matched a Down")
                };
                let mut runs: FiredRuns = [first].into_iter().collect();
                runs.push(ids, at);
                *last = QueueEntry::Downs(Box::new(runs));
                self.extra_downs += ids.len();
            }
            (_, &[id]) => self.entries.push_back(QueueEntry::Down(Fired { id, at })),
            _ => {
                let mut runs = FiredRuns::default();
                runs.push(ids, at);
                self.entries.push_back(QueueEntry::Downs(Box::new(runs)));
                self.extra_downs += ids.len() - 1;
            }
        }
    }

    /// Pops a monitor, if the first entry contains one.
    fn pop_down(&mut self) -> Option<Fired> {
        let down = match self.entries.front_mut()? {
            QueueEntry::Down(fired) => *fired,
            QueueEntry::Downs(runs) => {
                let fired = runs.pop().expect("an empty entry is popped with its last monitor");
                if !runs.is_empty() {
                    self.extra_downs -= 1;
                    return Some(fired);
                }
                fired
            }
            _ => return None,
        };
        self.entries.pop_front();
        self.first_number += 1;
        Some(down)
    }

    /// As [`Queue::try_pop`].
    fn try_pop(&mut self) -> Poll<Option<QueueItem>> {
        while !self.entries.is_empty() {
            if let Some(item) = self.pop() {
                return Poll::Ready(Some(item));
            }
        }
        if self.closed { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Pops the first entry. `None` if the queue is empty or the entry was removed.
    fn pop(&mut self) -> Option<QueueItem> {
        if let Some(fired) = self.pop_down() {
            return Some(QueueItem::Down(fired));
        }
        let entry = self.entries.pop_front()?;
        let number = self.first_number;
        self.first_number += 1;
        match entry {
            QueueEntry::Message(message) => {
                self.bytes -= message.body.len();
                self.messages -= 1;
                Some(QueueItem::Event(Event::Message(message)))
            }
            QueueEntry::Down(_) | QueueEntry::Downs(_) => unreachable!("`pop_down` has popped monitors"),
            QueueEntry::Node { notice, missed } => {
                if let Some(node_events) = &mut self.node_events {
                    node_events.pop(&notice, number);
                }
                Some(QueueItem::Event(Event::of_node(notice, missed)))
            }
            QueueEntry::Missed(count) => Some(QueueItem::Event(Event::Missed(count))),
            QueueEntry::NodeFailed => Some(QueueItem::Event(Event::NodeFailed)),
            QueueEntry::Gap(options, gap) => Some(QueueItem::Gap(options, gap)),
            QueueEntry::Removed => {
                self.removed = self.removed.saturating_sub(1);
                None
            }
        }
    }

    /// Records that a popped monitor was flushed.
    fn record_skipped(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    fn push_node(&mut self, notice: NodeNotice, limit: usize) -> LeftOut {
        let number = self.first_number + self.entries.len() as u64;
        let mut left_out = LeftOut::default();
        match self.node_events.get_or_insert_default().push(&notice, number, limit) {
            Placement::Keep { missed } => self.entries.push_back(QueueEntry::Node { notice, missed }),
            Placement::Replace(first, second) => {
                self.leave_out(first);
                self.leave_out(second);
                self.entries.push_back(QueueEntry::Node { notice, missed: true });
                left_out.merged = 2;
            }
            Placement::LeaveOut(other) => {
                self.leave_out(other);
                left_out.merged = 2;
            }
            Placement::BeginGap(gap) => {
                let (NodeNotice::Up(options, _) | NodeNotice::Down(options, _)) = notice else {
                    unreachable!("only events of a subscription have gaps")
                };
                self.entries.push_back(QueueEntry::Gap(options, gap));
                left_out.missed = 1;
            }
            Placement::InGap => left_out.missed = 1,
        }
        // A node that connects and disconnects endlessly must not fill the queue with removed
        // entries, nor with counts of missed messages, of which there may be one between any two
        // removed entries.
        if is_mostly_stale(2 * self.removed, self.len()) {
            self.compact(|_| true);
            self.removed = 0;
        }
        left_out
    }

    fn leave_out(&mut self, number: u64) {
        let index = usize::try_from(number - self.first_number).expect("the queue contains the entry");
        *self.entries.get_mut(index).expect("the entry to remove is still queued") = QueueEntry::Removed;
        self.removed += 1;
    }

    /// Drops removed entries and flushed monitors. `is_fired` returns true for a monitor that was
    /// not flushed.
    fn compact(&mut self, is_fired: impl Fn(MonitorId) -> bool) {
        let old = mem::take(&mut self.entries);
        self.extra_downs = 0;
        for (number, entry) in (self.first_number..).zip(old) {
            match &entry {
                QueueEntry::Removed => continue,
                QueueEntry::Down(fired) if !is_fired(fired.id) => continue,
                QueueEntry::Node { notice, .. } => {
                    let to = self.first_number + self.entries.len() as u64;
                    if let Some(node_events) = &mut self.node_events {
                        node_events.renumber(notice, number, to);
                    }
                }
                QueueEntry::Down(_)
                | QueueEntry::Downs(_)
                | QueueEntry::Message(_)
                | QueueEntry::Missed(_)
                | QueueEntry::Gap(..)
                | QueueEntry::NodeFailed => {}
            }
            match entry {
                QueueEntry::Downs(runs) => {
                    let left = runs.into_fired().filter(|fired| is_fired(fired.id));
                    left.for_each(|Fired { id, at }| self.push_downs(&[id], at));
                }
                // Two counts may be adjacent now, so they are merged.
                QueueEntry::Missed(count) => self.miss(count),
                entry => self.entries.push_back(entry),
            }
        }
    }
}

#[cfg(test)]
mod tests;
