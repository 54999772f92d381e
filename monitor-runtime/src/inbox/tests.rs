//! Both queues of monitors that have fired, compared with one simple model.

use std::{
    collections::{BTreeSet, VecDeque},
    task::Poll,
    time::Duration,
};

use allocation_counter::measure;
use monitor_core::MonitorId;
use proptest::prelude::*;
use refs::Serial;

use crate::{
    event::{Event, Message},
    inbox::{
        chunked_queue::ChunkedQueue,
        fired_queue::{Fired, FiredQueue, Popped},
        fired_runs::FiredRuns,
        queue::{MailboxLimits, Queue, QueueItem},
        watcher_inbox::Inbox,
    },
    threads::environment::CoarseTime,
};

fn time(millis: u64) -> CoarseTime {
    CoarseTime::new(Duration::from_millis(millis))
}

fn id(number: usize) -> MonitorId {
    MonitorId(Serial::from_u64(number as u64))
}

enum Subject {
    Mailbox(Queue),
    Watcher(Inbox),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Down(Fired),
    Message,
}

impl Subject {
    fn both() -> [Self; 2] {
        let limits = MailboxLimits { bytes: usize::MAX, messages: usize::MAX, node_events: 0 };
        [Subject::Mailbox(Queue::new(limits)), Subject::Watcher(Inbox::default())]
    }

    fn push(&self, ids: &[MonitorId], at: CoarseTime) {
        match self {
            Subject::Mailbox(queue) => assert!(queue.push_downs(ids, at).is_none()),
            Subject::Watcher(inbox) => inbox.push(ids, at),
        }
    }

    /// Pushes a message. Returns false if the queue takes none.
    fn push_message(&self) -> bool {
        match self {
            Subject::Mailbox(queue) => {
                queue.push_messages([Message::new(None, vec![7].into())], drop);
                true
            }
            Subject::Watcher(_) => false,
        }
    }

    fn pop(&self) -> Option<Item> {
        match self {
            Subject::Watcher(inbox) => inbox.pop().map(Item::Down),
            Subject::Mailbox(queue) => match queue.try_pop() {
                Poll::Pending => None,
                Poll::Ready(Some(QueueItem::Down(fired))) => Some(Item::Down(fired)),
                Poll::Ready(Some(QueueItem::Event(Event::Message(_)))) => Some(Item::Message),
                other => panic!("unexpected {other:?}"),
            },
        }
    }

    fn fired(&self) -> &dyn FiredQueue {
        match self {
            Subject::Mailbox(queue) => queue,
            Subject::Watcher(inbox) => inbox,
        }
    }

    fn record_flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        match self {
            Subject::Mailbox(queue) => queue.record_flushed(is_fired),
            Subject::Watcher(inbox) => inbox.record_flushed(is_fired),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Pushes so many monitors, so many milliseconds after the last ones.
    Push(usize, u64),
    Message,
    /// Flushes so many monitors, from that one on.
    Flush(usize, usize),
    Pop,
    PopRun(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40usize, 0..3u64).prop_map(|(count, later)| Step::Push(count, later)),
        2 => (1..3usize, 0..2u64).prop_map(|(count, later)| Step::Push(count, later)),
        1 => Just(Step::Message),
        2 => (any::<usize>(), 1..50usize).prop_map(|(first, count)| Step::Flush(first, count)),
        3 => Just(Step::Pop),
        2 => (0..60usize).prop_map(Step::PopRun),
    ]
}

/// A queue, and the items that it must still return.
struct Pair {
    subject: Subject,
    model: VecDeque<Item>,
    flushed: BTreeSet<MonitorId>,
    pushed: usize,
    now: u64,
}

impl Pair {
    fn new(subject: Subject) -> Self {
        Pair { subject, model: VecDeque::new(), flushed: BTreeSet::new(), pushed: 0, now: 0 }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Push(count, later) => {
                self.now += later;
                let ids: Vec<_> = (self.pushed..self.pushed + count).map(id).collect();
                self.pushed += count;
                self.subject.push(&ids, time(self.now));
                let at = time(self.now);
                self.model.extend(ids.into_iter().map(|id| Item::Down(Fired { id, at })));
            }
            Step::Message => {
                if self.subject.push_message() {
                    self.model.push_back(Item::Message);
                }
            }
            Step::Flush(first, count) => (0..count).for_each(|_| self.flush(first)),
            Step::Pop => _ = self.pop(),
            Step::PopRun(max) => self.pop_run(max),
        }
    }

    fn flush(&mut self, index: usize) {
        let index = index % self.model.len().max(1);
        let Some(&Item::Down(fired)) = self.model.get(index) else { return };
        self.model.remove(index);
        self.flushed.insert(fired.id);
        self.subject.record_flushed(|id| !self.flushed.contains(&id));
    }

    fn pop(&mut self) -> Option<Item> {
        let item = std::iter::from_fn(|| self.subject.pop()).find(|item| match item {
            Item::Down(fired) if self.flushed.contains(&fired.id) => {
                self.subject.fired().record_skipped();
                false
            }
            _ => true,
        });
        assert_eq!(item, self.model.pop_front());
        item
    }

    fn pop_run(&mut self, max: usize) {
        let mut popped = 0;
        self.subject.fired().pop_run(max, &mut |fired| {
            popped += 1;
            if self.flushed.contains(&fired.id) {
                return Popped::Flushed;
            }
            assert_eq!(Some(Item::Down(fired)), self.model.pop_front());
            Popped::Taken
        });
        assert!(popped <= max);
        let is_down = matches!(self.model.front(), Some(Item::Down(_)));
        assert!(popped == max || !is_down, "the run ended after {popped} of {max}");
    }
}

proptest! {
    #[test]
    fn every_monitor_is_popped_with_the_time_of_its_push(steps in prop::collection::vec(step(), 1..80)) {
        for subject in Subject::both() {
            let mut pair = Pair::new(subject);
            steps.iter().for_each(|step| pair.run(step));
            while pair.pop().is_some() {}
            prop_assert!(pair.model.is_empty());
        }
    }
}

#[test]
fn a_million_monitors_take_eight_bytes_each_however_many_runs() {
    const COUNT: usize = 1_000_000;
    for (runs, subject) in
        [1, 1000].into_iter().flat_map(|runs| Subject::both().map(|subject| (runs, subject)))
    {
        let ids: Vec<_> = (0..COUNT).map(id).collect();
        let push = |(run, ids): (usize, &[MonitorId])| subject.push(ids, time(run as u64));
        let taken = measure(|| ids.chunks(COUNT / runs).enumerate().for_each(push)).bytes_current;
        // Their segments have a table and some room at the end, and each run takes some bytes.
        let most = 8 * COUNT + COUNT / 5 + 64 * runs;
        assert!(taken <= most as i64, "{taken} bytes in {runs} runs");
        let popped = ids.iter().map(|_| subject.pop());
        let popped = popped.filter(|item| matches!(item, Some(Item::Down(_)))).count();
        assert_eq!((popped, subject.pop()), (COUNT, None));
    }
}

#[test]
fn a_queue_of_one_run_needs_two_words_more_than_its_monitors() {
    assert_eq!(size_of::<FiredRuns>(), size_of::<ChunkedQueue<MonitorId>>() + 16);
    let pushed = measure(|| {
        let mut queue = FiredRuns::default();
        queue.push(&[id(1)], time(5));
        assert_eq!(queue.pop(), Some(Fired { id: id(1), at: time(5) }));
    });
    assert_eq!(pushed.count_total, 0);
}
