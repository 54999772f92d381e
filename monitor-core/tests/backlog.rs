//! No input does more than its share of work, and calls in between are decided as if all work were
//! done.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Node, Pair, name, node_id, reg};
use monitor_core::{
    Demonitored, DownReason, Effect, ExitReason, LocalPid, MonitorId, RemoteTarget, Signal,
    refs::{EndKind, Serial, SessionId},
};

const MONITORS: usize = 1000;
const BATCH: usize = 10;

/// One input makes at most one effect for each step, and the effect that announces a process or a
/// dial.
fn expect_bounded(node: &Node) {
    assert!(node.last.len() <= BATCH + 1, "{} effects", node.last.len());
}

#[test]
fn f26_the_end_of_a_session_is_told_in_batches() {
    const MANY: usize = 100_000;
    let mut pair = Pair::new(BATCH);
    pair.connect();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for _ in 0..MANY {
        pair.a.monitor(w, pair.b.pid(t));
    }
    pair.settle();
    pair.cut(EndKind::Closed);
    expect_bounded(&pair.a);
    let mut inputs = 1;
    while pair.a.resume() {
        expect_bounded(&pair.a);
        inputs += 1;
    }
    assert!(inputs >= MANY / BATCH);
    assert_eq!(pair.a.downs(w).len(), MANY);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn the_exit_of_a_popular_process_is_told_in_batches() {
    let mut pair = Pair::new(BATCH);
    pair.connect();
    let (here, there, t) = (pair.b.spawn(), pair.a.spawn(), pair.b.spawn());
    for _ in 0..MONITORS {
        pair.b.monitor(here, pair.b.pid(t));
        pair.a.monitor(there, pair.b.pid(t));
    }
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    expect_bounded(&pair.b);
    while pair.b.resume() {
        expect_bounded(&pair.b);
    }
    pair.settle();
    assert_eq!((pair.b.downs(here).len(), pair.a.downs(there).len()), (MONITORS, MONITORS));
}

#[test]
fn a_monitor_that_was_not_told_yet_can_be_taken_back() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.a.settle();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let ids: Vec<_> = (0..10).map(|_| pair.a.monitor(w, pair.b.pid(t))).collect();
    pair.settle();
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.demonitor(w, ids[9], false), Demonitored::Active);
    assert_eq!(pair.a.demonitor(w, ids[0], false), Demonitored::Fired);
    pair.a.settle();
    let told: Vec<_> = pair.a.downs(w).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ids[..9]);
}

#[test]
fn a_watcher_that_dies_in_between_hears_nothing_more() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.a.settle();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for _ in 0..10 {
        pair.a.monitor(w, pair.b.pid(t));
    }
    pair.a.monitor_node(w, &pair.b.id.name.clone());
    pair.settle();
    pair.cut(EndKind::Closed);
    pair.a.exit(w, ExitReason::Normal); // the kit asserts that nothing is delivered to the dead
    pair.a.expect_empty();
    assert_eq!(pair.a.core.stats().peers, 0);
}

#[test]
fn new_monitors_of_a_node_whose_end_is_being_told_wait_for_the_next_session() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.a.settle();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for _ in 0..5 {
        pair.a.monitor(w, pair.b.pid(t));
    }
    pair.settle();
    pair.cut(EndKind::Closed);
    let next = pair.a.monitor(w, pair.b.pid(t));
    assert!(pair.a.core.nodes(monitor_core::NodeType::All).is_empty());
    pair.a.settle();
    assert_eq!(pair.a.downs(w).len(), 5);
    assert_eq!(pair.a.dials.len(), 1);
    pair.connect();
    pair.settle();
    pair.b.exit(t, ExitReason::Shutdown);
    pair.settle();
    assert_eq!(pair.a.downs(w)[0].0, next);
}

#[test]
fn peers_take_turns() {
    let mut a = Node::new("a", 1, BATCH);
    let w = a.spawn();
    for (session, label) in [(1, "b"), (2, "c")] {
        a.up(session, node_id(label, 5));
        for _ in 0..MONITORS {
            a.monitor(w, reg("x").at(name(label)));
        }
    }
    a.down(1, EndKind::Closed);
    a.down(2, EndKind::Closed);
    // After four turns each job has had two, in addition to the first at once.
    for _ in 0..4 {
        a.resume();
        let delivers = a.last.iter().filter(|effect| matches!(effect, Effect::Deliver { .. })).count();
        assert_eq!(delivers, BATCH);
    }
    let nodes: Vec<_> =
        a.core.monitors_of(w).filter(|(id, _)| a.core.is_fired(*id)).map(|(_, to)| to).collect();
    let of = |label| nodes.iter().filter(|target| *target.node() == name(label)).count();
    assert_eq!((of("b"), of("c")), (3 * BATCH, 3 * BATCH));
}

/// A node whose process has sent three messages to `b`. They wait for the session that has just
/// begun.
fn with_messages_that_wait() -> (Node, LocalPid) {
    let mut a = Node::new("a", 1, 1);
    let sender = a.spawn();
    for message in 0..3 {
        a.route(&name("b"), message);
    }
    a.up(1, node_id("b", 2));
    while a.admitted.is_empty() {
        a.resume();
    }
    assert!(a.core.stats().waiting > 0);
    (a, sender)
}

fn monitor_from_b(a: &mut Node, of: LocalPid) {
    let (id, target) = (MonitorId(Serial::new(0, 0)), RemoteTarget::Pid(of.0));
    a.signal(SessionId(1), Signal::Monitor { id, target }).unwrap();
}

/// The reasons that `b` is told from now on, each with the number of messages that went before it.
fn told_to_b(a: &mut Node) -> Vec<(usize, DownReason)> {
    let (mut told, mut more) = (Vec::new(), true);
    while more {
        for effect in &a.last {
            if let Effect::Send { signal: Signal::Down { reason, .. }, .. } = effect {
                told.push((a.forwarded.len(), reason.clone()));
            }
        }
        more = a.resume();
    }
    told
}

#[test]
fn what_a_process_has_sent_goes_before_the_news_of_its_exit_also_if_it_waits() {
    let (mut a, sender) = with_messages_that_wait();
    monitor_from_b(&mut a, sender);
    a.exit(sender, ExitReason::Normal);
    assert_eq!(told_to_b(&mut a), [(3, DownReason::Exit(ExitReason::Normal))]);
    a.expect_empty();
}

#[test]
fn what_a_process_has_sent_goes_before_the_news_that_it_is_gone() {
    let (mut a, sender) = with_messages_that_wait();
    a.exit(sender, ExitReason::Normal);
    monitor_from_b(&mut a, sender);
    assert_eq!(told_to_b(&mut a), [(3, DownReason::NoProc)]);
    a.expect_empty();
}

#[test]
fn what_an_exited_process_asked_for_and_did_not_get_is_not_asked_for_any_more() {
    let mut a = Node::new("a", 1, 1);
    let (w, t) = (a.spawn(), a.spawn());
    a.monitor(w, a.pid(t));
    a.monitor(w, reg("x").at(name("b")));
    a.up(1, node_id("b", 2));
    a.exit(w, ExitReason::Normal);
    a.settle();
    assert_eq!(a.outgoing[&SessionId(1)].len(), 0);
    a.expect_empty();
}

#[test]
fn the_down_of_an_exited_process_cannot_be_taken_though_its_row_is_left() {
    let mut a = Node::new("a", 1, 1);
    let (w, t) = (a.spawn(), a.spawn());
    a.monitor(t, a.pid(w));
    let m = a.monitor(w, reg("nobody").at(name("a")));
    a.exit(w, ExitReason::Normal);
    assert_eq!(a.core.stats().outgoing_fired, 2, "its own, too");
    assert!(a.core.take(m).is_none() && !a.core.is_fired(m));
    a.settle();
}

#[test]
fn a_monitor_of_nobody_is_answered_at_once_whatever_is_still_to_be_told() {
    let mut pair = Pair::new(1);
    pair.connect();
    let (here, gone) = (pair.b.spawn(), pair.b.spawn());
    pair.b.exit(gone, ExitReason::Normal);
    for _ in 0..MONITORS {
        pair.b.monitor(here, reg("x").at(name("c")));
    }
    pair.b.up(9, node_id("c", 5));
    pair.settle();
    pair.b.down(9, EndKind::Closed);
    let session = pair.b.core.nodes(monitor_core::NodeType::All)[0].session.as_ref().unwrap().0;
    let id = MonitorId(Serial::new(0, 0));
    let target = RemoteTarget::Pid(gone.0);
    pair.b.signal(session, Signal::Monitor { id, target }).unwrap();
    let answer = |effect: &Effect| {
        matches!(effect, Effect::Send { signal: Signal::Down { reason: DownReason::NoProc, .. }, .. })
    };
    assert!(pair.b.last.iter().any(answer), "{:?}", pair.b.last);
}
