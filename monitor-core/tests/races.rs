//! The races that lose, duplicate or misdate notices elsewhere, each forced by hand:
//! `docs/RACES.md` lists them.
//!
//! The races about which connection becomes the session are in `transport-tcp/tests/races.rs`.
//! Those about silence and pauses need a clock, and run on the memory network, in
//! `monitor-runtime/tests/conformance/races.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Got, Node, Pair, name, noconnection, node_id, reg};
use monitor_core::{
    CoreConfig, CoreLimits, Demonitored, DownReason, ExitReason, NodesOptions, Route, Signal, Signals,
    refs::{EndKind, Incarnation, NodeId, Pid, SessionId},
};

const ALL: NodesOptions = NodesOptions::new();

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

/// The frames that a node has sent on a session and that the other end has not read.
fn on_the_way(node: &mut Node, session: u64) -> Vec<Signal> {
    let frames = node.outgoing.get_mut(&SessionId(session)).unwrap().drain(..);
    frames.flat_map(|frame| Signals::new(&frame).map(Result::unwrap).collect::<Vec<_>>()).collect()
}

#[test]
fn r01_an_exit_before_the_monitor_arrives_is_noproc() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.core.monitors_of(w).count(), 1, "recorded before it is sent: no answer can be lost");
    pair.b.exit(t, ExitReason::Normal);
    pair.step_to_b();
    pair.step_to_a();
    assert_eq!(pair.a.downs(w), [(m, DownReason::NoProc)]);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r02_an_exit_after_the_monitor_has_arrived_is_told_with_its_reason() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.step_to_b();
    pair.b.exit(t, ExitReason::Shutdown);
    pair.step_to_a();
    assert_eq!(pair.a.downs(w), [(m, exit(ExitReason::Shutdown))]);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r03_a_down_that_crosses_a_demonitor_is_dropped() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.step_to_b();
    pair.b.exit(t, ExitReason::Normal); // the Down is on its way
    assert_eq!(pair.a.demonitor(w, m, false), Demonitored::Active);
    pair.settle();
    assert_eq!(pair.a.receive(w), []);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r04_an_exit_after_the_demonitor_has_arrived_is_not_even_sent() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.demonitor(w, m, false), Demonitored::Active);
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    assert_eq!(on_the_way(&mut pair.b, 1), []);
    assert_eq!(pair.a.receive(w), []);
    pair.b.expect_empty();
}

#[test]
fn r05_a_down_that_waits_in_the_mailbox_is_flushed_and_the_caller_told_that_it_had_fired() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    assert_eq!(pair.a.mailboxes[&w].len(), 1);
    assert_eq!(pair.a.demonitor(w, m, true), Demonitored::Fired);
    assert_eq!(pair.a.receive(w), []);
    pair.a.expect_empty();
}

#[test]
fn r06_a_link_that_ends_before_the_monitor_has_arrived_is_noconnection() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.downs(w), [(m, noconnection(EndKind::Closed))]);
    assert_eq!(pair.b.core.watchers_of(t).count(), 0);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r07_a_link_that_ends_under_a_monitor_is_noconnection_and_a_later_exit_concerns_nobody() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    pair.cut(EndKind::Timeout);
    assert_eq!(pair.a.downs(w), [(m, noconnection(EndKind::Timeout))]);
    assert_eq!(pair.b.core.stats().incoming, 0);
    pair.connect();
    pair.b.exit(t, ExitReason::Normal);
    assert_eq!(on_the_way(&mut pair.b, 2), []);
    assert_eq!(pair.a.receive(w), []);
}

#[test]
fn r08_a_link_that_ends_while_a_down_is_on_its_way_gives_one_of_the_two() {
    for arrives in [true, false] {
        let mut pair = Pair::connected();
        let (w, t) = (pair.a.spawn(), pair.b.spawn());
        let m = pair.a.monitor(w, pair.b.pid(t));
        pair.settle();
        pair.b.exit(t, ExitReason::Killed);
        let expected = if arrives { exit(ExitReason::Killed) } else { noconnection(EndKind::Closed) };
        if arrives {
            pair.step_to_a();
        }
        let late = on_the_way(&mut pair.b, 1);
        pair.cut(EndKind::Closed);
        for signal in late {
            pair.a.signal(SessionId(1), signal).unwrap();
        }
        assert_eq!(pair.a.downs(w), [(m, expected)]);
        pair.a.expect_empty();
    }
}

#[test]
fn r09_what_an_earlier_session_has_left_in_the_reader_changes_nothing_in_the_next() {
    let mut pair = Pair::connected();
    let (w, t, other) = (pair.a.spawn(), pair.b.spawn(), pair.b.spawn());
    // Left over: a Monitor from a to b, and a Down from b to a.
    let first = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    pair.a.monitor(w, pair.b.pid(other));
    let (to_b, to_a) = (on_the_way(&mut pair.a, 1), on_the_way(&mut pair.b, 1));
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.downs(w).len(), 2);
    pair.connect();
    let again = pair.a.monitor(w, pair.b.pid(other));
    pair.settle();
    // A Down from the previous session does not count, not even for the monitor that is active now.
    let forged = Signal::Down { id: again, reason: DownReason::NoProc };
    for signal in to_a.into_iter().chain([forged]) {
        pair.a.signal(SessionId(1), signal).unwrap();
    }
    for signal in to_b.into_iter().chain([Signal::Demonitor { id: again }]) {
        pair.b.signal(SessionId(1), signal).unwrap();
    }
    assert_ne!(first, again);
    assert_eq!(pair.a.receive(w), []);
    assert_eq!(pair.b.core.watchers_of(other).count(), 1);
    pair.expect_agreement();
}

#[test]
fn r10_a_watcher_that_dies_while_its_down_is_on_the_way_hears_nothing_and_is_forgotten_there() {
    let mut pair = Pair::connected();
    let (w, dies, lives) = (pair.a.spawn(), pair.b.spawn(), pair.b.spawn());
    for target in [dies, lives, lives] {
        pair.a.monitor(w, pair.b.pid(target));
    }
    pair.settle();
    pair.b.exit(dies, ExitReason::Normal); // its Down is on its way
    pair.a.exit(w, ExitReason::Normal); // the kit asserts that nothing is delivered to the dead
    // The present owner of its slot is told nothing either.
    let successor = pair.a.spawn();
    assert_eq!(successor.0.slot(), w.0.slot());
    pair.settle();
    assert_eq!(pair.a.receive(successor), []);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r11_the_death_of_a_watching_node_leaves_nothing_behind() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for _ in 0..3 {
        pair.a.monitor(w, pair.b.pid(t));
    }
    pair.settle();
    assert_eq!(pair.b.core.watchers_of(t).count(), 3);
    // Only b is left to see it.
    pair.b.down(1, EndKind::Closed);
    assert_eq!(pair.b.core.watchers_of(t).count(), 0);
    pair.b.expect_empty();
    assert_eq!(pair.b.core.stats().peers, 0);
}

#[test]
fn r12_a_restart_is_noconnection_then_down_then_up_and_nothing_of_the_old_life_is_in_the_new() {
    let mut pair = Pair::new(256);
    let w = pair.a.spawn();
    pair.a.monitor_nodes(w, ALL);
    pair.connect();
    let t = pair.b.spawn();
    let old = pair.b.pid(t);
    pair.a.monitor(w, &old);
    pair.settle();
    pair.restart_b();
    let same_slot = pair.b.spawn();
    assert_eq!(same_slot.0, t.0, "the number alone would name the new process");
    pair.connect();
    pair.settle();
    let got = pair.a.receive(w);
    let [
        Got::Up(_, _, SessionId(1)),
        Got::Down(down),
        Got::NodeDown(_, _, SessionId(1), _),
        Got::Up(_, _, SessionId(2)),
    ] = &got[..]
    else {
        panic!("{got:?}")
    };
    assert_eq!(down.reason, noconnection(EndKind::Closed));
    assert_eq!(pair.b.core.stats().incoming, 0);

    let m = pair.a.monitor(w, &old);
    pair.settle();
    assert_eq!(pair.a.downs(w), [(m, DownReason::NoProc)]);
    pair.expect_agreement();
}

#[test]
fn r13_of_another_incarnation_only_the_peer_says_noproc() {
    let mut pair = Pair::connected();
    let (w, same_number) = (pair.a.spawn(), pair.b.spawn());
    let old_life = NodeId::new(pair.b.id.name.clone(), Incarnation::new(77).unwrap());
    let of_old_life = Pid::new(old_life, same_number.0);
    let m = pair.a.monitor(w, &of_old_life);
    assert_eq!(pair.a.receive(w), [], "a itself cannot know which incarnation is the later");
    assert!(pair.step_to_b());
    assert!(pair.step_to_a());
    assert!(!pair.step_to_a() && !pair.step_to_b(), "one signal each way");
    assert_eq!(pair.a.downs(w), [(m, DownReason::NoProc)]);

    // If the session ends first, neither node has reported anything.
    let m = pair.a.monitor(w, &of_old_life);
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.downs(w), [(m, noconnection(EndKind::Closed))]);
}

#[test]
fn r14_a_monitor_made_while_its_node_is_dialled_is_noconnection_once_if_the_dial_fails() {
    let mut a = Node::new("a", 1, 256);
    let w = a.spawn();
    let target = reg("x").at(name("b"));
    let gone = a.monitor(w, &target);
    let m = a.monitor(w, &target);
    assert_eq!(a.dials.len(), 1, "one dial, however many wait");
    a.demonitor(w, gone, false);
    a.fail_dial(EndKind::Refused);
    assert_eq!(a.downs(w), [(m, noconnection(EndKind::Refused))]);
    a.expect_empty();
    assert_eq!(a.core.stats().peers, 0, "a node that was only dialled leaves nothing behind");
}

#[test]
fn r15_a_monitor_taken_back_while_its_node_is_dialled_is_never_sent() {
    let mut pair = Pair::new(256);
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.demonitor(w, m, false), Demonitored::Active);
    pair.connect();
    assert!(pair.a.outgoing[&SessionId(1)].is_empty());
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    assert_eq!(pair.a.receive(w), []);
    pair.a.expect_empty();
}

#[test]
fn r22_one_target_monitored_often_gives_as_many_references_rows_and_downs() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let ids: Vec<_> = (0..4).map(|_| pair.a.monitor(w, pair.b.pid(t))).collect();
    pair.settle();
    assert_eq!(pair.b.core.watchers_of(t).count(), 4);
    assert_eq!(pair.a.demonitor(w, ids[2], false), Demonitored::Active);
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    let downs: Vec<_> = pair.a.downs(w).into_iter().map(|(id, _)| id).collect();
    assert_eq!(downs, [ids[0], ids[1], ids[3]]);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn r23_a_subscription_at_any_step_of_a_sessions_end_sees_either_the_node_or_its_absence() {
    for steps in 0..8 {
        // One step at a time, so that many inputs can come in between.
        let mut a = Node::new("a", 1, 1);
        let (w, early, late) = (a.spawn(), a.spawn(), a.spawn());
        a.monitor_nodes(early, ALL);
        a.up(1, node_id("b", 2));
        a.settle();
        for _ in 0..4 {
            a.monitor(w, reg("x").at(name("b")));
        }
        let before = steps == 0;
        if before {
            assert_eq!(a.monitor_nodes(late, ALL), [name("b")]);
        }
        a.down(1, EndKind::Closed);
        for _ in 1..steps {
            a.resume();
        }
        if !before {
            assert_eq!(a.monitor_nodes(late, ALL), []);
        }
        a.settle();
        let down = Got::NodeDown(ALL, name("b"), SessionId(1), EndKind::Closed);
        let expected = if before { vec![down.clone()] } else { vec![] };
        assert_eq!(a.receive(late), expected, "after {steps} steps");
        assert_eq!(a.receive(early), [Got::Up(ALL, name("b"), SessionId(1)), down]);
    }
}

#[test]
fn r24_a_name_that_moves_on_after_the_monitor_has_arrived_is_that_of_its_old_holder() {
    let mut pair = Pair::connected();
    let (w, first, second) = (pair.a.spawn(), pair.b.spawn(), pair.b.spawn());
    pair.b.register("job", first);
    let m = pair.a.monitor(w, pair.b.named("job"));
    pair.settle();
    pair.b.register("job", second);
    pair.b.exit(second, ExitReason::Normal);
    pair.settle();
    assert_eq!(pair.a.receive(w), []);
    pair.b.exit(first, ExitReason::Shutdown);
    pair.settle();
    assert_eq!(pair.a.downs(w), [(m, exit(ExitReason::Shutdown))]);
}

#[test]
fn r25_a_monitor_beyond_the_quota_is_refused_and_the_others_stand() {
    let mut pair = Pair::new(256);
    pair.b = Node::with(CoreConfig::new(node_id("b", 2), 0).limits(CoreLimits::new().max_incoming(2)));
    pair.connect();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let ids: Vec<_> = (0..3).map(|_| pair.a.monitor(w, pair.b.pid(t))).collect();
    pair.settle();
    assert_eq!(pair.a.downs(w), [(ids[2], noconnection(EndKind::Quota))]);
    assert_eq!(pair.b.core.watchers_of(t).count(), 2);
    pair.a.demonitor(w, ids[0], true);
    let again = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    assert_eq!(pair.a.receive(w), []);
    assert!(pair.a.core.monitors_of(w).any(|(id, _)| id == again));

    // The same limit where calls wait for a connection.
    let mut a = Node::with(CoreConfig::new(node_id("a", 1), 0).limits(CoreLimits::new().max_waiting(1)));
    let w = a.spawn();
    a.monitor(w, reg("x").at(name("b")));
    let refused = a.monitor(w, reg("x").at(name("b")));
    assert_eq!(a.downs(w), [(refused, noconnection(EndKind::Quota))]);
    assert_eq!(a.route(&name("b"), 1), Route::No(EndKind::Quota.into()));
}

#[test]
fn r26_a_watcher_that_does_not_receive_has_every_notice_later_each_in_the_row_of_its_monitor() {
    const MONITORS: usize = 1_000_000;
    let mut a = Node::new("a", 1, 256);
    let (stuck, t) = (a.spawn(), a.spawn());
    for _ in 0..MONITORS {
        a.monitor(stuck, a.pid(t));
    }
    a.exit(t, ExitReason::Normal);
    a.settle();
    let stats = a.core.stats();
    // No row was added for these events: the notices are stored where the monitors were.
    assert_eq!((stats.outgoing_active, stats.outgoing_fired), (0, MONITORS));
    // Meanwhile other peers are served as before.
    let (w, other) = (a.spawn(), a.spawn());
    let m = a.monitor(w, a.pid(other));
    a.exit(other, ExitReason::Normal);
    assert_eq!(a.downs(w), [(m, exit(ExitReason::Normal))]);
    assert_eq!(a.downs(stuck).len(), MONITORS);
    a.expect_empty();
}

#[test]
fn r27_a_process_of_the_own_node_gives_the_same_notices_without_any_session() {
    let mut a = Node::new("a", 1, 256);
    let (w, t) = (a.spawn(), a.spawn());
    a.register("job", t);
    let ids = [a.monitor(w, a.pid(t)), a.monitor(w, a.named("job")), a.monitor(w, a.named("nobody"))];
    assert_eq!(a.downs(w), [(ids[2], DownReason::NoProc)]);
    a.exit(t, ExitReason::Killed);
    assert_eq!(a.downs(w), [(ids[0], exit(ExitReason::Killed)), (ids[1], exit(ExitReason::Killed))]);
    let stats = a.core.stats();
    assert_eq!((a.dials.len(), stats.peers, stats.sessions), (0, 0, 0));
    a.expect_empty();
}
