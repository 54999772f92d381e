//! What waits in a mailbox.
//!
//! One lock, held for a push or a pop; with it comes who is to be woken, so that a push, and a look that finds nothing, take it
//! once. Nobody is woken under it: whoever pushes gets the waker. A `Down` waits as the number of its monitor: what it says
//! stands in the core until it is received, so that it can be flushed without a search here.

use std::{
    collections::HashMap,
    mem,
    task::{Context, Poll, Waker},
};

use monitor_core::{MonitorId, NodeNotice, NodesOptions};
use parking_lot::Mutex;
use refs::NodeName;

use crate::{
    event::{Event, Message},
    processes::is_mostly_stale,
    segments::Segments,
    taken::FiredQueue,
};

/// The queue of one mailbox, shared by the process that receives and everybody who has something for it.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    max_bytes: usize,
}

/// What comes out of a queue.
#[derive(Debug)]
pub(crate) enum Item {
    Event(Event),
    /// A monitor that has fired, or that was flushed after it had: the core knows.
    Down(MonitorId),
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
struct Waiting {
    entries: Segments<Entry>,
    /// How many monitors wait beyond one an entry.
    more: usize,
    /// How many entries were there before the first one of `entries`: with it an entry keeps its number.
    head: u64,
    /// What the messages take.
    bytes: usize,
    /// Entries that hold nothing any more.
    stale: usize,
    alternations: HashMap<(NodeName, NodesOptions), Alternation>,
    closed: bool,
    /// The receiver, if it waits.
    receiver: Option<Waker>,
}

#[derive(Debug)]
enum Entry {
    Message(Message),
    Down(MonitorId),
    /// Several in a row: a million notices are eight bytes each this way, and not as large as a message.
    Downs(Box<Segments<MonitorId>>),
    Node {
        notice: NodeNotice,
        missed: bool,
    },
    Missed(u64),
    NodeFailed,
    /// A node event that was left out.
    Gone,
}

/// The events of one node and subscription: at most two wait, by the numbers of their entries.
///
/// What is left out to keep it so is always a down and the up after it. So every message still lies between
/// the up and the down that the process sees, and the next thing it sees of that node is a down, marked as
/// `missed`.
#[derive(Debug, Default)]
struct Alternation {
    first: Option<u64>,
    second: Option<u64>,
    missed: bool,
}

impl Queue {
    /// An empty queue whose messages take at most so many bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Queue { waiting: Mutex::default(), max_bytes }
    }

    /// The next entry; none once the queue is closed and empty.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut waiting = self.waiting.lock();
        if let Poll::Ready(item) = waiting.try_pop() {
            return Poll::Ready(item);
        }
        if !waiting.receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            let other = waiting.receiver.replace(cx.waker().clone());
            // The last of a task is the end of what it holds, which may be this mailbox: not under the lock.
            drop(waiting);
            drop(other);
        }
        Poll::Pending
    }

    /// The next entry, if there is one; none once the queue is closed and empty.
    pub(crate) fn try_pop(&self) -> Poll<Option<Item>> {
        self.waiting.lock().try_pop()
    }

    /// Appends messages, nothing between them, and hands what became of each to `told`. Returns whom to wake.
    pub(crate) fn push_messages(
        &self,
        messages: impl IntoIterator<Item = Message>,
        told: impl FnMut(Pushed),
    ) -> Option<Waker> {
        let mut waiting = self.waiting.lock();
        messages.into_iter().map(|message| waiting.push_message(message, self.max_bytes)).for_each(told);
        waiting.receiver.take()
    }

    /// Appends monitors that have fired. Returns whom to wake.
    pub(crate) fn push_downs(&self, ids: &[MonitorId]) -> Option<Waker> {
        let mut waiting = self.waiting.lock();
        if !waiting.closed {
            ids.iter().for_each(|&id| waiting.push_down(id));
        }
        waiting.receiver.take()
    }

    /// Appends an event of a node. Returns how many were left out instead, and whom to wake.
    pub(crate) fn push_node(&self, notice: NodeNotice) -> (usize, Option<Waker>) {
        let mut waiting = self.waiting.lock();
        let left_out = if waiting.closed { 0 } else { waiting.push_node(notice) };
        (left_out, waiting.receiver.take())
    }

    /// A `Down` that waits here was flushed. Drops what is stale once that is most of the queue; `is_fired`
    /// tells whether a `Down` is not.
    pub(crate) fn flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        let mut waiting = self.waiting.lock();
        waiting.stale += 1;
        if is_mostly_stale(waiting.stale, waiting.len()) {
            waiting.compact(is_fired);
        }
    }

    /// A subscription is over: what waits of it stays, a later one begins anew.
    pub(crate) fn unsubscribed(&self, options: NodesOptions) {
        self.waiting.lock().alternations.retain(|(_, of), _| *of != options);
    }

    /// The node has failed: what waits stays readable as far as it stands here, then comes one
    /// [`Event::NodeFailed`], and nothing more. Returns whom to wake.
    pub(crate) fn fail(&self) -> Option<Waker> {
        let mut waiting = self.waiting.lock();
        if !mem::replace(&mut waiting.closed, true) {
            waiting.entries.push_back(Entry::NodeFailed);
        }
        waiting.receiver.take()
    }

    /// Takes nothing more; what waits stays readable. Returns whom to wake.
    pub(crate) fn close(&self) -> Option<Waker> {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.receiver.take()
    }

    /// How many entries wait, and how many bytes their messages take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        (waiting.len(), waiting.bytes)
    }
}

impl FiredQueue for Queue {
    fn pop_run(&self, most: usize, take: &mut dyn FnMut(MonitorId) -> bool) {
        let mut waiting = self.waiting.lock();
        for _ in 0..most {
            let Some(id) = waiting.pop_down() else { return };
            if !take(id) {
                waiting.skipped();
            }
        }
    }

    fn skipped(&self) {
        self.waiting.lock().skipped();
    }
}

/// What a message takes: small ones are not free.
fn cost(message: &Message) -> usize {
    message.body.len() + size_of::<Entry>()
}

impl Waiting {
    /// How many things wait.
    fn len(&self) -> usize {
        self.entries.len() + self.more
    }

    fn push_message(&mut self, message: Message, max_bytes: usize) -> Pushed {
        if self.closed {
            return Pushed::Closed;
        }
        let bytes = self.bytes.saturating_add(cost(&message));
        if bytes > max_bytes {
            match self.entries.back_mut() {
                Some(Entry::Missed(count)) => *count += 1,
                _ => self.entries.push_back(Entry::Missed(1)),
            }
            return Pushed::Full;
        }
        self.bytes = bytes;
        self.entries.push_back(Entry::Message(message));
        Pushed::Kept
    }

    fn push_down(&mut self, id: MonitorId) {
        match self.entries.back_mut() {
            Some(Entry::Downs(run)) => run.push_back(id),
            Some(last @ Entry::Down(_)) => {
                let Entry::Down(first) = mem::replace(last, Entry::Gone) else { unreachable!("it is one") };
                *last = Entry::Downs(Box::new([first, id].into_iter().collect()));
            }
            _ => return self.entries.push_back(Entry::Down(id)),
        }
        self.more += 1;
    }

    /// Takes a monitor out, if the first entry is one or more.
    fn pop_down(&mut self) -> Option<MonitorId> {
        let down = match self.entries.front_mut()? {
            Entry::Down(id) => *id,
            Entry::Downs(run) => {
                let id = run.pop_front().expect("what is empty is taken away");
                if !run.is_empty() {
                    self.more -= 1;
                    return Some(id);
                }
                id
            }
            _ => return None,
        };
        self.entries.pop_front();
        self.head += 1;
        Some(down)
    }

    /// As [`Queue::try_pop`].
    fn try_pop(&mut self) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.pop() {
                return Poll::Ready(Some(item));
            }
            if self.entries.is_empty() {
                return if self.closed { Poll::Ready(None) } else { Poll::Pending };
            }
        }
    }

    /// Takes the first entry out; none if there is none, or it holds nothing.
    fn pop(&mut self) -> Option<Item> {
        if let Some(id) = self.pop_down() {
            return Some(Item::Down(id));
        }
        let entry = self.entries.pop_front()?;
        let number = self.head;
        self.head += 1;
        match entry {
            Entry::Message(message) => {
                self.bytes -= cost(&message);
                Some(Item::Event(Event::Message(message)))
            }
            Entry::Down(_) | Entry::Downs(_) => unreachable!("it was looked for above"),
            Entry::Node { notice, missed } => {
                self.node_event_leaves(&notice, number);
                Some(Item::Event(Event::of_node(notice, missed)))
            }
            Entry::Missed(count) => Some(Item::Event(Event::Missed(count))),
            Entry::NodeFailed => Some(Item::Event(Event::NodeFailed)),
            Entry::Gone => {
                self.skipped();
                None
            }
        }
    }

    /// An entry that came out turned out to be stale.
    fn skipped(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    /// Returns how many events were left out.
    fn push_node(&mut self, notice: NodeNotice) -> usize {
        let number = self.head + self.entries.len() as u64;
        let Some(key) = key(&notice) else {
            // One notice per call of `monitor_node`: the process itself bounds them.
            self.entries.push_back(Entry::Node { notice, missed: false });
            return 0;
        };
        let alternation = self.alternations.entry(key).or_default();
        match (alternation.first, alternation.second, &notice) {
            // Down, up, and now a down: the first two are left out.
            (Some(first), Some(second), NodeNotice::Down(..)) => {
                *alternation = Alternation { first: Some(number), second: None, missed: false };
                self.leave_out(first);
                self.leave_out(second);
                self.entries.push_back(Entry::Node { notice, missed: true });
                2
            }
            // Up, down, and now an up: the last two are left out.
            (Some(_), Some(second), _) => {
                alternation.second = None;
                alternation.missed = true;
                self.leave_out(second);
                2
            }
            (first, _, _) => {
                let place = if first.is_none() { &mut alternation.first } else { &mut alternation.second };
                *place = Some(number);
                let missed = mem::take(&mut alternation.missed);
                self.entries.push_back(Entry::Node { notice, missed });
                0
            }
        }
    }

    fn leave_out(&mut self, number: u64) {
        let index = usize::try_from(number - self.head).expect("an index fitted when the entry was pushed");
        *self.entries.get_mut(index).expect("what is left out waits still") = Entry::Gone;
        self.stale += 1;
    }

    fn node_event_leaves(&mut self, notice: &NodeNotice, number: u64) {
        let Some(key) = key(notice) else { return };
        let Some(alternation) = self.alternations.get_mut(&key) else { return };
        if alternation.first == Some(number) {
            alternation.first = alternation.second.take();
        }
        if alternation.first.is_none() && !alternation.missed {
            self.alternations.remove(&key);
        }
    }

    fn compact(&mut self, is_fired: impl Fn(MonitorId) -> bool) {
        let old = mem::take(&mut self.entries);
        self.more = 0;
        for (number, entry) in (self.head..).zip(old) {
            match &entry {
                Entry::Gone => continue,
                Entry::Down(id) if !is_fired(*id) => continue,
                Entry::Node { notice, .. } => {
                    let to = self.head + self.entries.len() as u64;
                    if let Some(alternation) = key(notice).and_then(|key| self.alternations.get_mut(&key)) {
                        alternation.renumber(number, to);
                    }
                }
                Entry::Down(_)
                | Entry::Downs(_)
                | Entry::Message(_)
                | Entry::Missed(_)
                | Entry::NodeFailed => {}
            }
            match entry {
                Entry::Downs(run) => {
                    run.into_iter().filter(|&id| is_fired(id)).for_each(|id| self.push_down(id));
                }
                entry => self.entries.push_back(entry),
            }
        }
        self.stale = 0;
    }
}

impl Alternation {
    fn renumber(&mut self, from: u64, to: u64) {
        for number in [&mut self.first, &mut self.second] {
            if *number == Some(from) {
                *number = Some(to);
                return;
            }
        }
    }
}

/// The node and the subscription of an event that alternates.
fn key(notice: &NodeNotice) -> Option<(NodeName, NodesOptions)> {
    match notice {
        NodeNotice::Up(options, event) | NodeNotice::Down(options, event) => {
            Some((event.name.clone(), *options))
        }
        NodeNotice::MonitoredDown(_) => None,
    }
}

#[cfg(test)]
mod tests;
