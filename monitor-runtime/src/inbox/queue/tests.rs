use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use monitor_core::{Core, CoreConfig, Effect, LocalPid, Notice};
use refs::{EndKind, Incarnation, NodeId, Serial, SessionId};

use super::*;
use crate::event::{NodeDown, NodeUp};

/// The time at which all monitors here fire; `inbox/tests.rs` tests different times.
const AT: CoarseTime = CoarseTime::ZERO;

const CAPACITY: usize = 10_000;

const LIMITS: MailboxLimits = MailboxLimits { bytes: CAPACITY, messages: 1000, node_events: 100 };

fn message(len: usize) -> Message {
    Message::new(None, vec![7; len].into())
}

fn received(queue: &Queue) -> Vec<QueueItem> {
    std::iter::from_fn(|| match queue.try_pop() {
        Poll::Ready(item) => item,
        Poll::Pending => None,
    })
    .collect()
}

/// The events of a node that connects and disconnects, as the core delivers them to one subscriber:
/// up, down, up, down, ...
fn node_events(count: u64) -> Vec<NodeNotice> {
    node_events_of("b@local", count)
}

fn node_events_of(name: &str, count: u64) -> Vec<NodeNotice> {
    let id =
        |name: &str, incarnation| NodeId::new(name.parse().unwrap(), Incarnation::new(incarnation).unwrap());
    let mut core = Core::new(CoreConfig::new(id("a@local", 1), 0));
    core.monitor_nodes(LocalPid(Serial::new(0, 1)), NodesOptions::new());
    let mut out = Vec::new();
    for i in 0..count {
        let session = SessionId(i / 2 + 1);
        if i % 2 == 0 {
            core.peer_up(session, id(name, session.0), false, &mut out);
        } else {
            core.peer_down(session, EndKind::Closed.into(), &mut out);
        }
    }
    let notices = out.into_iter().filter_map(|effect| match effect {
        Effect::Deliver { notice: Notice::Node(notice), .. } => Some(notice),
        _ => None,
    });
    notices.collect()
}

/// Renders items: `u3` is the up of session 3, `d3` its down, `d3!` a down with missed events
/// before it, and `m` a message.
fn render(items: &[QueueItem]) -> String {
    let word = |item: &QueueItem| match item {
        QueueItem::Event(Event::NodeUp(NodeUp { session, .. })) => format!("u{session}"),
        QueueItem::Event(Event::NodeDown(NodeDown { session, missed, .. })) => {
            format!("d{}{}", session.unwrap(), if *missed { "!" } else { "" })
        }
        QueueItem::Event(Event::Message(_)) => "m".to_owned(),
        QueueItem::Event(Event::Missed(count)) => format!("missed{count}"),
        QueueItem::Down(fired) => format!("Down({:?})", fired.id),
        other => format!("{other:?}"),
    };
    items.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn push(queue: &Queue, message: Message) -> Pushed {
    let mut outcome = None;
    queue.push_messages([message], |pushed| outcome = Some(pushed));
    outcome.expect("a message was pushed")
}

#[test]
fn items_are_popped_in_the_order_of_their_pushes() {
    let queue = Queue::new(LIMITS);
    let id = MonitorId(Serial::new(3, 1));
    push(&queue, message(1));
    queue.push_downs(&[id], AT);
    push(&queue, message(2));
    let items = received(&queue);
    assert!(
        matches!(&items[..], [QueueItem::Event(Event::Message(a)), QueueItem::Down(down), QueueItem::Event(Event::Message(b))]
        if a.body.len() == 1 && down.id == id && b.body.len() == 2)
    );
    assert_eq!(queue.size(), (0, 0));
}

#[test]
fn monitors_in_a_row_come_out_one_by_one_and_in_runs_that_end_with_the_row() {
    let queue = Queue::new(LIMITS);
    let ids: Vec<_> = (0..1000).map(|slot| MonitorId(Serial::new(slot, 1))).collect();
    queue.push_downs(&ids[..1], AT);
    queue.push_downs(&ids[1..600], AT);
    push(&queue, message(1));
    queue.push_downs(&ids[600..], AT);
    assert_eq!(queue.size().0, 1001);
    assert!(matches!(queue.try_pop(), Poll::Ready(Some(QueueItem::Down(fired))) if fired.id == ids[0]));
    let mut taken = Vec::new();
    let mut take = |fired: Fired| {
        taken.push(fired.id);
        Popped::Taken
    };
    queue.pop_run(10, &mut take);
    queue.pop_run(1000, &mut take);
    assert_eq!(taken, ids[1..600]);
    assert_eq!(queue.size().0, 401);
    assert_eq!(render(&received(&queue)[..1]), "m");
    assert_eq!(queue.size(), (0, 0));
}

#[test]
fn messages_that_do_not_fit_are_one_notice_at_their_place() {
    let queue = Queue::new(LIMITS);
    assert_eq!(push(&queue, message(CAPACITY / 2)), Pushed::Kept);
    for _ in 0..3 {
        assert_eq!(push(&queue, message(CAPACITY / 2 + 1)), Pushed::Full);
    }
    // A notice always fits.
    queue.push_downs(&[MonitorId(Serial::new(0, 1))], AT);
    assert_eq!(push(&queue, message(CAPACITY / 2 + 1)), Pushed::Full);
    assert_eq!(push(&queue, message(10)), Pushed::Kept);
    assert_eq!(render(&received(&queue)), "m missed3 Down(MonitorId(0.1)) missed1 m");
    assert_eq!(push(&queue, message(CAPACITY / 2)), Pushed::Kept);
}

#[test]
fn bodies_fill_the_mailbox_to_the_byte() {
    for (last, outcome) in [(999, Pushed::Kept), (1000, Pushed::Kept), (1001, Pushed::Full)] {
        let queue = Queue::new(MailboxLimits { bytes: 4000, ..LIMITS });
        (0..3).for_each(|_| assert_eq!(push(&queue, message(1000)), Pushed::Kept));
        assert_eq!(push(&queue, message(last)), outcome, "{last}");
        let (_, bytes) = queue.size();
        assert_eq!(push(&queue, message(4000 - bytes + 1)), Pushed::Full);
        assert_eq!(push(&queue, message(4000 - bytes)), Pushed::Kept);
        // A received message frees as many bytes.
        assert!(queue.try_pop().is_ready());
        assert_eq!(push(&queue, message(1000)), Pushed::Kept);
    }
}

#[test]
fn messages_are_counted_whatever_their_length() {
    let queue = Queue::new(MailboxLimits { messages: 3, ..LIMITS });
    (0..3).for_each(|_| assert_eq!(push(&queue, message(0)), Pushed::Kept));
    assert_eq!(push(&queue, message(0)), Pushed::Full);
    assert!(queue.try_pop().is_ready());
    assert_eq!(push(&queue, message(0)), Pushed::Kept);
    assert_eq!(render(&received(&queue)), "m m missed1 m");
    for none in [MailboxLimits { messages: 0, ..LIMITS }, MailboxLimits { bytes: 0, ..LIMITS }] {
        assert_eq!(push(&Queue::new(none), message(0)), Pushed::Full);
    }
}

#[test]
fn a_closed_queue_yields_its_entries_and_then_none() {
    let queue = Queue::new(LIMITS);
    push(&queue, message(1));
    assert!(queue.try_pop().is_ready());
    assert!(queue.try_pop().is_pending());
    push(&queue, message(1));
    queue.close();
    assert_eq!(push(&queue, message(1)), Pushed::Closed);
    queue.push_downs(&[MonitorId(Serial::new(0, 1))], AT);
    assert_eq!(render(&received(&queue)), "m");
    assert!(matches!(queue.try_pop(), Poll::Ready(None)));
}

#[test]
fn at_most_two_node_events_wait_and_messages_stay_between_an_up_and_a_down() {
    let expectations = ["", "u1", "u1 d1", "u1", "u1 d2!", "u1", "u1 d3!", "u1"];
    for (count, expected) in (0..).zip(expectations) {
        let queue = Queue::new(LIMITS);
        let left_out: usize =
            node_events(count).into_iter().map(|event| queue.push_node(event).0.merged).sum();
        let queued = queue.size().0 - queue.state.lock().removed;
        assert_eq!((left_out + queued) as u64, count, "each event is queued or counted");
        assert_eq!(render(&received(&queue)), expected, "after {count} events");
    }

    let queue = Queue::new(LIMITS);
    for event in node_events(8) {
        let is_up = matches!(event, NodeNotice::Up(..));
        queue.push_node(event);
        if is_up {
            push(&queue, message(1));
        }
    }
    assert_eq!(render(&received(&queue)), "u1 m m m m d4!");
}

#[test]
fn a_receiver_that_has_seen_the_up_gets_one_down() {
    let queue = Queue::new(LIMITS);
    let events = node_events(7);
    queue.push_node(events[0].clone());
    assert_eq!(render(&received(&queue)), "u1");
    events[1..6].iter().for_each(|event| _ = queue.push_node(event.clone()));
    assert_eq!(render(&received(&queue)), "d3!");
    queue.push_node(events[6].clone());
    assert_eq!(render(&received(&queue)), "u4");
}

#[test]
fn a_node_that_connects_and_disconnects_endlessly_leaves_no_removed_entries() {
    let queue = Queue::new(LIMITS);
    push(&queue, message(CAPACITY));
    for event in node_events(10_000) {
        queue.push_node(event);
        // A message that does not fit, between any two of the events.
        push(&queue, message(1));
    }
    let (entries, _) = queue.size();
    assert!(entries < 200, "{entries} entries");
    let left = received(&queue);
    let missed =
        |item: &QueueItem| if let QueueItem::Event(Event::Missed(count)) = item { *count } else { 0 };
    assert_eq!(left.iter().map(missed).sum::<u64>(), 10_000);
    let others: Vec<_> = left.into_iter().filter(|item| missed(item) == 0).collect();
    assert_eq!(render(&others), "m u1 d5000!");
}

#[test]
fn flushed_notices_are_counted_while_a_node_connects_and_disconnects() {
    let queue = Queue::new(LIMITS);
    let mut events = node_events(20_000).into_iter();
    for slot in 0..1000 {
        events.by_ref().take(20).for_each(|event| _ = queue.push_node(event));
        queue.push_downs(&[MonitorId(Serial::new(slot, 1))], AT);
        queue.record_flushed(|_| false);
    }
    let (entries, _) = queue.size();
    assert!(entries < 200, "{entries} entries");
}

/// Pops the next item, which must be a gap.
fn next_gap(queue: &Queue) -> (NodesOptions, GapId) {
    match queue.try_pop() {
        Poll::Ready(Some(QueueItem::Gap(options, gap))) => (options, gap),
        other => panic!("no gap: {other:?}"),
    }
}

#[test]
fn beyond_the_limit_of_all_nodes_a_gap_stands_for_every_later_event_until_it_is_reached() {
    let queue = Queue::new(MailboxLimits { node_events: 4, ..LIMITS });
    let mut left_out = Vec::new();
    for node in 0..5 {
        for event in node_events_of(&format!("n{node}@local"), 2) {
            left_out.push(queue.push_node(event).0);
        }
    }
    let missed = LeftOut { merged: 0, missed: 1 };
    assert_eq!(left_out, [&[LeftOut::default(); 4][..], &[missed; 6][..]].concat());
    (0..4).for_each(|_| assert!(matches!(queue.try_pop(), Poll::Ready(Some(QueueItem::Event(_))))));
    // The queue is below its limit again, but later events are useless without the missing ones.
    assert_eq!(queue.push_node(node_events(1).remove(0)).0, missed);
    let (options, gap) = next_gap(&queue);
    assert_eq!(queue.push_node(node_events(2).remove(1)).0, missed);
    assert_eq!(queue.end_gap(options, gap), Some(8));
    assert_eq!(queue.end_gap(options, gap), None);
    assert!(queue.try_pop().is_pending());
    node_events(2).into_iter().for_each(|event| assert_eq!(queue.push_node(event).0, LeftOut::default()));
    assert_eq!(render(&received(&queue)), "u1 d1");
    assert_eq!(queue.state.lock().node_events.as_ref().expect("there were node events").nodes(), 0);
}

#[test]
fn a_gap_goes_with_its_subscription_and_is_not_taken_for_a_later_one() {
    let queue = Queue::new(MailboxLimits { node_events: 1, ..LIMITS });
    node_events(2).into_iter().for_each(|event| _ = queue.push_node(event));
    queue.unsubscribed(NodesOptions::new());
    assert!(matches!(queue.try_pop(), Poll::Ready(Some(QueueItem::Event(_)))));
    node_events(2).into_iter().for_each(|event| _ = queue.push_node(event));
    let (options, first) = next_gap(&queue);
    assert_eq!(queue.end_gap(options, first), None, "its subscription has ended");
    assert!(matches!(queue.try_pop(), Poll::Ready(Some(QueueItem::Event(_)))));
    let (options, second) = next_gap(&queue);
    assert_eq!(queue.end_gap(options, second), Some(1));
}

#[test]
fn another_subscription_begins_anew() {
    let queue = Queue::new(LIMITS);
    let events = node_events(5);
    queue.push_node(events[0].clone());
    queue.unsubscribed(NodesOptions::new());
    events[2..5].iter().for_each(|event| _ = queue.push_node(event.clone()));
    assert_eq!(render(&received(&queue)), "u1 u2");
    assert!(queue.state.lock().node_events.as_ref().expect("there were node events").nodes() <= 1);
}

#[test]
fn flushed_notices_are_dropped_once_they_are_most_of_the_queue() {
    let queue = Queue::new(LIMITS);
    let ids: Vec<_> = (0..100).map(|slot| MonitorId(Serial::new(slot, 1))).collect();
    let events = node_events(2);
    queue.push_node(events[0].clone());
    for &id in &ids {
        queue.push_downs(&[id], AT);
    }
    queue.push_node(events[1].clone());
    push(&queue, message(1));
    for flushed in 1..=90 {
        queue.record_flushed(|id| ids[flushed..].contains(&id));
    }
    let (entries, _) = queue.size();
    assert!(entries < 50, "{entries} entries are queued");
    // The remaining entries keep their order, and the node events have their new numbers.
    let left = render(&received(&queue));
    assert!(left.starts_with("u1 ") && left.ends_with("Down(MonitorId(99.1)) d1 m"), "{left}");
    assert_eq!(queue.state.lock().node_events.as_ref().expect("there were node events").nodes(), 0);
}

#[test]
fn the_waker_of_the_receiver_is_returned_once_by_any_push() {
    let queue = Queue::new(LIMITS);
    let [first, second] = [0; 2].map(|_| futures::task::noop_waker());
    let counted = Arc::new(Count::default());
    let waker = Waker::from(counted.clone());
    let is_pending = |waker: &Waker| queue.poll_pop(&mut Context::from_waker(waker)).is_pending();
    let pushes: [&dyn Fn() -> Option<Waker>; 4] = [
        &|| queue.push_messages([message(1)], drop),
        &|| queue.push_downs(&[MonitorId(Serial::new(1, 1))], AT),
        &|| queue.push_node(node_events(1).remove(0)).1,
        &|| queue.close(),
    ];
    for push in pushes {
        // Only the task that polled last is woken.
        assert!(is_pending(&first) && is_pending(&waker) && is_pending(&waker));
        push().expect("a task waits").wake();
        assert!(push().is_none());
        received(&queue);
    }
    assert!(!is_pending(&second), "the queue is closed");
    assert_eq!(counted.0.load(Ordering::Relaxed), pushes.len());
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
