//! What waits in a mailbox.
//!
//! One lock, held for a push or a pop; with it comes who is to be woken, so that a push, and a look
//! that finds nothing, take it once. Nobody is woken under it: whoever pushes gets the waker. A
//! `Down` waits as the number of its monitor: what it says stands in the core until it is received,
//! so that it can be flushed without a search here.

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
        fired_queue::{FiredQueue, Popped, is_mostly_stale},
    },
};

/// The queue of one mailbox, shared by the process that receives and everybody who has something
/// for it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    limits: MailboxLimits,
}

/// What one mailbox holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    /// Of the bodies of messages.
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
    /// Of those that subscriptions by `monitor_nodes` bring.
    pub(crate) node_events: usize,
}

/// How many node events do not wait after one was pushed, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// They cancel each other.
    pub(crate) merged: usize,
    /// There was no room.
    pub(crate) missed: usize,
}

/// What comes out of a queue.
#[derive(Debug)]
pub(crate) enum QueueItem {
    Event(Event),
    /// A monitor that has fired, or that was flushed after it had: the core knows.
    Down(MonitorId),
    /// Events of a subscription are missing here, unless it is over: [`Queue::end_gap`] tells.
    Gap(NodesOptions, GapId),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Kept,
    /// The mailbox is full: one more is missing at this place.
    Full,
    Closed,
}

#[derive(Debug, Default)]
struct QueueState {
    entries: ChunkedQueue<QueueEntry>,
    /// How many monitors wait beyond one an entry.
    extra_downs: usize,
    /// How many entries were there before the first one of `entries`: with it an entry keeps its
    /// number.
    first_number: u64,
    messages: usize,
    /// What their bodies take.
    bytes: usize,
    /// Monitors that were flushed.
    stale: usize,
    /// Entries of node events that were left out.
    removed: usize,
    /// Made by the first node event: few processes ever get one.
    node_events: Option<Box<NodeEvents>>,
    closed: bool,
    /// The receiver, if it waits.
    receiver: Option<Waker>,
}

#[derive(Debug)]
enum QueueEntry {
    Message(Message),
    Down(MonitorId),
    /// Several in a row: a million notices are eight bytes each this way, and not as large as a
    /// message.
    Downs(Box<ChunkedQueue<MonitorId>>),
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

impl Queue {
    /// An empty queue.
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Queue { state: Mutex::default(), limits }
    }

    /// The next entry; none once the queue is closed and empty.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<QueueItem>> {
        let mut state = self.state.lock();
        if let Poll::Ready(item) = state.try_pop() {
            return Poll::Ready(item);
        }
        if state.receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // Wakers are code of the user, cloned and dropped without the lock. The last waker of a
        // task may drop the task, and with it this mailbox.
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

    /// The next entry, if there is one; none once the queue is closed and empty.
    pub(crate) fn try_pop(&self) -> Poll<Option<QueueItem>> {
        self.state.lock().try_pop()
    }

    /// Appends messages, nothing between them, and hands what became of each to `record`. Returns
    /// whom to wake.
    pub(crate) fn push_messages(
        &self,
        messages: impl IntoIterator<Item = Message>,
        record: impl FnMut(Pushed),
    ) -> Option<Waker> {
        let mut state = self.state.lock();
        messages.into_iter().map(|message| state.push_message(message, self.limits)).for_each(record);
        state.receiver.take()
    }

    /// Appends monitors that have fired. Returns whom to wake.
    pub(crate) fn push_downs(&self, ids: &[MonitorId]) -> Option<Waker> {
        let mut state = self.state.lock();
        if !state.closed {
            ids.iter().for_each(|&id| state.push_down(id));
        }
        state.receiver.take()
    }

    /// Appends an event of a node. Returns how many were left out instead, and whom to wake.
    pub(crate) fn push_node(&self, notice: NodeNotice) -> (LeftOut, Option<Waker>) {
        let mut state = self.state.lock();
        let left_out =
            if state.closed { LeftOut::default() } else { state.push_node(notice, self.limits.node_events) };
        (left_out, state.receiver.take())
    }

    /// The receiver has reached a gap; what is pushed from now on is kept again. Returns how many
    /// events are missing, or `None` if the subscription ended meanwhile.
    pub(crate) fn end_gap(&self, options: NodesOptions, gap: GapId) -> Option<u64> {
        self.state.lock().node_events.as_mut()?.end_gap(options, gap)
    }

    /// A `Down` that waits here was flushed. Drops what is stale once that is most of the queue;
    /// `is_fired` tells whether a `Down` is not.
    pub(crate) fn flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        let mut state = self.state.lock();
        state.stale += 1;
        if is_mostly_stale(state.stale + state.removed, state.len()) {
            state.compact(is_fired);
            (state.stale, state.removed) = (0, 0);
        }
    }

    /// A subscription is over: what waits of it stays, a later one begins anew.
    pub(crate) fn unsubscribed(&self, options: NodesOptions) {
        if let Some(node_events) = &mut self.state.lock().node_events {
            node_events.begin_anew(options);
        }
    }

    /// The node has failed: what waits stays readable as far as it stands here, then comes one
    /// [`Event::NodeFailed`], and nothing more. Returns whom to wake.
    pub(crate) fn fail(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        if !mem::replace(&mut state.closed, true) {
            state.entries.push_back(QueueEntry::NodeFailed);
        }
        state.receiver.take()
    }

    /// Takes nothing more; what waits stays readable. Returns whom to wake.
    pub(crate) fn close(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        state.closed = true;
        state.receiver.take()
    }

    /// How many entries wait, and how many bytes their messages take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.len(), state.bytes)
    }
}

impl FiredQueue for Queue {
    fn pop_run(&self, most: usize, take: &mut dyn FnMut(MonitorId) -> Popped) {
        let mut state = self.state.lock();
        for _ in 0..most {
            let Some(id) = state.pop_down() else { return };
            match take(id) {
                Popped::Taken => {}
                Popped::TakenLast => return,
                Popped::Flushed => state.skipped(),
            }
        }
    }

    fn skipped(&self) {
        self.state.lock().skipped();
    }
}

impl QueueState {
    /// How many things wait.
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

    /// So many messages are missing at the end of the queue.
    fn miss(&mut self, more: u64) {
        match self.entries.back_mut() {
            Some(QueueEntry::Missed(count)) => *count += more,
            _ => self.entries.push_back(QueueEntry::Missed(more)),
        }
    }

    fn push_down(&mut self, id: MonitorId) {
        match self.entries.back_mut() {
            Some(QueueEntry::Downs(run)) => run.push_back(id),
            Some(last @ QueueEntry::Down(_)) => {
                let QueueEntry::Down(first) = mem::replace(last, QueueEntry::Removed) else {
                    unreachable!("it is one")
                };
                *last = QueueEntry::Downs(Box::new([first, id].into_iter().collect()));
            }
            _ => return self.entries.push_back(QueueEntry::Down(id)),
        }
        self.extra_downs += 1;
    }

    /// Takes a monitor out, if the first entry is one or more.
    fn pop_down(&mut self) -> Option<MonitorId> {
        let down = match self.entries.front_mut()? {
            QueueEntry::Down(id) => *id,
            QueueEntry::Downs(run) => {
                let id = run.pop_front().expect("what is empty is taken away");
                if !run.is_empty() {
                    self.extra_downs -= 1;
                    return Some(id);
                }
                id
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

    /// Takes the first entry out; none if there is none, or it holds nothing.
    fn pop(&mut self) -> Option<QueueItem> {
        if let Some(id) = self.pop_down() {
            return Some(QueueItem::Down(id));
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
            QueueEntry::Down(_) | QueueEntry::Downs(_) => unreachable!("it was looked for above"),
            QueueEntry::Node { notice, missed } => {
                if let Some(node_events) = &mut self.node_events {
                    node_events.leaves(&notice, number);
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

    /// A monitor that came out turned out to be flushed.
    fn skipped(&mut self) {
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
        // A node that comes and goes without end must not fill the queue with the places of what
        // was left out, nor with counts of missed messages, of which one can be between any two
        // such places.
        if is_mostly_stale(2 * self.removed, self.len()) {
            self.compact(|_| true);
            self.removed = 0;
        }
        left_out
    }

    fn leave_out(&mut self, number: u64) {
        let index =
            usize::try_from(number - self.first_number).expect("an index fitted when the entry was pushed");
        *self.entries.get_mut(index).expect("what is left out waits still") = QueueEntry::Removed;
        self.removed += 1;
    }

    /// Drops what holds nothing; `is_fired` tells whether a monitor was not flushed.
    fn compact(&mut self, is_fired: impl Fn(MonitorId) -> bool) {
        let old = mem::take(&mut self.entries);
        self.extra_downs = 0;
        for (number, entry) in (self.first_number..).zip(old) {
            match &entry {
                QueueEntry::Removed => continue,
                QueueEntry::Down(id) if !is_fired(*id) => continue,
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
                QueueEntry::Downs(run) => {
                    run.into_iter().filter(|&id| is_fired(id)).for_each(|id| self.push_down(id));
                }
                // Nothing may be between two of them any more.
                QueueEntry::Missed(count) => self.miss(count),
                entry => self.entries.push_back(entry),
            }
        }
    }
}

#[cfg(test)]
mod tests;
