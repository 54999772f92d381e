//! Monitors between two nodes: the signals of a peer, the signals that a peer must not send, and
//! the end of a session.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Node, Pair, name, noconnection, node_id, reg};
use monitor_core::{
    Connect, CoreConfig, CoreLimits, DownReason, Effect, ExitReason, LocalPid, MonitorId, MonitorOptions,
    RemoteTarget, Route, Signal, Ticket, Violation,
    refs::{EndKind, Pid, Serial, SessionId, Target},
};

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

#[test]
fn a_remote_exit_is_told_with_its_reason() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.b.register("job", t);
    let by_pid = pair.a.monitor(w, pair.b.pid(t));
    let by_name = pair.a.monitor(w, pair.b.named("job"));
    pair.expect_agreement();
    assert_eq!(pair.b.core.watchers_of(t).count(), 2);
    let reason = ExitReason::panicked("boom");
    pair.b.exit(t, reason.clone());
    pair.settle();
    assert_eq!(pair.a.downs(w), [(by_pid, exit(reason.clone())), (by_name, exit(reason))]);
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn the_monitors_between_two_nodes_are_counted_at_both_ends() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.b.register("job", t);
    pair.a.monitor(w, pair.b.pid(t));
    let by_name = pair.a.monitor(w, pair.b.named("job"));
    pair.settle();
    let counts = |node: &Node| {
        let of = node.core.by_peer().into_iter();
        of.map(|peer| (peer.node.to_string(), peer.held, peer.incoming)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&pair.a), [("b@test".to_owned(), 2, 0)]);
    assert_eq!(counts(&pair.b), [("a@test".to_owned(), 0, 2)]);
    pair.a.demonitor(w, by_name, true);
    pair.settle();
    assert_eq!((counts(&pair.a)[0].1, counts(&pair.b)[0].2), (1, 1));
}

#[test]
fn a_session_end_is_noconnection_once_and_the_peer_forgets() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let ids: Vec<_> = (0..3).map(|_| pair.a.monitor(w, pair.b.pid(t))).collect();
    pair.settle();
    pair.cut(EndKind::Timeout);
    let expected: Vec<_> = ids.into_iter().map(|id| (id, noconnection(EndKind::Timeout))).collect();
    assert_eq!(pair.a.downs(w), expected);
    assert_eq!(pair.b.core.watchers_of(t).count(), 0);
    // The target is alive; no watcher is told of its later exit.
    pair.connect();
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    assert_eq!(pair.a.receive(w), []);
    pair.a.expect_empty();
}

#[test]
fn nothing_is_kept_of_a_node_whose_last_monitor_ended_before_its_session() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for target in [pair.b.pid(t).into(), pair.b.named("job").into()] {
        let target: Target = target;
        let first = pair.a.monitor(w, target.clone());
        pair.a.demonitor(w, first, true);
        let again = pair.a.monitor(w, target);
        pair.a.demonitor(w, again, true);
    }
    pair.settle();
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.core.stats().peers, 0);
    let never = pair.a.monitor_with(w, pair.b.pid(t), MonitorOptions::new().connect(Connect::Never));
    assert_eq!(pair.a.downs(w), [(never, noconnection(EndKind::NotConnected))]);
    assert_eq!(pair.a.core.stats().peers, 0);
}

#[test]
fn a_demonitor_clears_the_peers_side() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    assert_eq!(pair.b.core.stats().incoming, 1);
    pair.a.demonitor(w, m, true);
    pair.settle();
    assert_eq!(pair.b.core.stats().incoming, 0);
}

#[test]
fn the_death_of_a_watcher_clears_the_peers_side() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    for _ in 0..10 {
        pair.a.monitor(w, pair.b.pid(t));
    }
    pair.settle();
    pair.a.exit(w, ExitReason::Normal);
    pair.settle();
    pair.a.expect_empty();
    pair.b.expect_empty();
}

#[test]
fn the_same_down_twice_is_delivered_once() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let id = pair.a.monitor(w, pair.b.pid(t));
    let session = SessionId(pair.session.unwrap());
    for reason in [ExitReason::Normal, ExitReason::Killed] {
        pair.a.signal(session, Signal::Down { id, reason: exit(reason) }).unwrap();
    }
    assert_eq!(pair.a.downs(w), [(id, exit(ExitReason::Normal))]);
}

#[test]
fn a_peer_cannot_speak_of_what_is_not_its_own() {
    let mut a = Node::new("a", 1, 256);
    a.up(1, node_id("b", 2));
    a.up(2, node_id("c", 3));
    let (w, local) = (a.spawn(), a.spawn());
    let on_b = a.monitor(w, Pid::new(node_id("b", 2), Serial::new(0, 0)));
    let on_a = a.monitor(w, a.pid(local));
    let from_c = |id| Signal::Down { id, reason: exit(ExitReason::Killed) };
    for id in [on_b, on_a, MonitorId(Serial::new(5, 5)), MonitorId(Serial::new(u32::MAX, u32::MAX))] {
        a.signal(SessionId(2), from_c(id)).unwrap();
    }
    a.signal(SessionId(9), from_c(on_b)).unwrap();
    assert_eq!(a.receive(w), []);
    a.signal(SessionId(1), from_c(on_b)).unwrap();
    assert_eq!(a.downs(w).len(), 1);
}

#[test]
fn nothing_of_a_session_counts_before_it_is_admitted() {
    let mut a = Node::new("a", 1, 256);
    a.up(1, node_id("b", 2));
    let (w, t) = (a.spawn(), a.spawn());
    let id = a.monitor(w, Pid::new(node_id("b", 2), Serial::new(0, 0)));
    a.up(2, node_id("b", 2)); // its turn comes when the end of session 1 was told
    a.signal(SessionId(2), Signal::Down { id, reason: DownReason::NoProc }).unwrap();
    a.signal(SessionId(2), Signal::Monitor { id, target: RemoteTarget::Pid(t.0) }).unwrap();
    assert_eq!(a.receive(w), []);
    assert_eq!(a.core.stats().incoming, 0);
}

#[test]
fn a_number_in_use_is_a_violation_and_changes_nothing() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let id = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    let again = Signal::Monitor { id, target: RemoteTarget::Pid(t.0) };
    let session = SessionId(pair.session.unwrap());
    assert_eq!(pair.b.signal(session, again), Err(Violation::SerialInUse));
    assert_eq!(pair.b.core.stats().incoming, 1);
    pair.expect_agreement();
}

#[test]
fn two_peers_may_use_the_same_number() {
    let mut a = Node::new("a", 1, 256);
    a.up(1, node_id("b", 2));
    a.up(2, node_id("c", 3));
    let t = a.spawn();
    let id = MonitorId(Serial::new(0, 0));
    for session in [1, 2] {
        a.signal(SessionId(session), Signal::Monitor { id, target: RemoteTarget::Pid(t.0) }).unwrap();
    }
    a.signal(SessionId(1), Signal::Demonitor { id }).unwrap();
    a.exit(t, ExitReason::Normal);
    let told: Vec<_> =
        a.last.iter().filter(|e| matches!(e, Effect::Send { session: SessionId(2), .. })).collect();
    assert_eq!((told.len(), a.last.len()), (1, 1));
}

#[test]
fn not_connected_on_demand_waits_and_never_answers_at_once() {
    let mut pair = Pair::new(256);
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let never = MonitorOptions::new().connect(Connect::Never).tag(3);
    let m = pair.a.monitor_with(w, pair.b.pid(t), never);
    assert_eq!(pair.a.downs(w), [(m, noconnection(EndKind::NotConnected))]);
    assert!(pair.a.dials.is_empty());

    let m = pair.a.monitor(w, pair.b.pid(t));
    pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.dials.len(), 1, "one dial, however many wait");
    assert_eq!(pair.a.receive(w), []);
    pair.connect();
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    let downs = pair.a.downs(w);
    assert_eq!((downs.len(), &downs[0]), (2, &(m, exit(ExitReason::Normal))));
}

#[test]
fn the_failure_of_an_earlier_dial_is_no_news() {
    let mut pair = Pair::new(256);
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.a.monitor(w, pair.b.pid(t));
    let (node, first) = pair.a.dials[0].clone();
    pair.connect();
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.downs(w).len(), 1);
    pair.a.monitor(w, pair.b.pid(t));
    pair.a.input(|core, _, out| core.peer_unreachable(&node, first, EndKind::Refused.into(), out));
    assert_eq!(pair.a.receive(w), []);
}

#[test]
fn no_more_than_the_limit_waits_for_one_node() {
    let mut a = Node::with(CoreConfig::new(node_id("a", 1), 0).limits(CoreLimits::new().max_waiting(2)));
    let w = a.spawn();
    let target = reg("x").at(name("b"));
    let ids: Vec<_> = (0..2).map(|_| a.monitor(w, &target)).collect();
    let refused = a.monitor(w, &target);
    assert_eq!(a.downs(w), [(refused, noconnection(EndKind::Quota))]);
    assert_eq!(a.route(&name("b"), 1), Route::No(EndKind::Quota.into()));
    a.demonitor(w, ids[0], true);
    a.monitor(w, &target);
    assert_eq!(a.receive(w), [], "there is room again");
}

#[test]
fn what_waits_goes_out_in_the_order_it_was_asked_for() {
    // One step at a time, so that the list is still long when the next calls come.
    let mut pair = Pair::new(1);
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let b = pair.b.id.name.clone();
    pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.route(&b, 1), Route::Later);
    pair.a.monitor(w, pair.b.pid(t));
    assert_eq!(pair.a.route(&b, 2), Route::Later);
    pair.connect();
    let mut order: Vec<Effect> = Vec::new();
    let wanted = |effects: &[Effect]| -> Vec<Effect> {
        effects
            .iter()
            .filter(|e| matches!(e, Effect::Send { .. } | Effect::Forward { .. }))
            .cloned()
            .collect()
    };
    order.extend(wanted(&pair.a.last));
    assert_eq!(pair.a.route(&b, 3), Route::Later, "behind those that wait");
    order.extend(wanted(&pair.a.last));
    while pair.a.resume() {
        order.extend(wanted(&pair.a.last));
    }
    order.extend(wanted(&pair.a.last));
    let shape: Vec<Option<Ticket>> = order
        .iter()
        .map(|effect| if let Effect::Forward { ticket, .. } = effect { Some(*ticket) } else { None })
        .collect();
    assert_eq!(shape, [None, Some(Ticket(1)), None, Some(Ticket(2)), Some(Ticket(3))]);
    assert_eq!(pair.a.route(&b, 4), Route::Now(SessionId(1)));
}

#[test]
fn every_signal_speaks_for_a_process() {
    let mut a = Node::new("a", 1, 256);
    a.up(1, node_id("b", 2));
    let sent = |a: &Node| -> Vec<LocalPid> {
        let of = |effect: &Effect| if let Effect::Send { from, .. } = effect { Some(*from) } else { None };
        a.last.iter().filter_map(of).collect()
    };
    // Requests and demonitors go out for the watcher, when it calls and when it exits.
    let (w, t) = (a.spawn(), a.spawn());
    let there = Pid::new(node_id("b", 2), Serial::new(7, 0));
    let id = a.monitor(w, there.clone());
    assert_eq!(sent(&a), [w]);
    a.demonitor(w, id, false);
    assert_eq!(sent(&a), [w]);
    a.monitor(w, there);
    a.exit(w, ExitReason::Normal);
    assert_eq!(sent(&a), [w]);

    // Downs go out for the process, also after its exit. For a name that no process holds there is
    // no process to name.
    let ask = |a: &mut Node, number, target| {
        let id = MonitorId(Serial::new(number, 0));
        a.signal(SessionId(1), Signal::Monitor { id, target }).unwrap();
    };
    ask(&mut a, 0, RemoteTarget::Pid(t.0));
    a.exit(t, ExitReason::Normal);
    assert_eq!(sent(&a), [t]);
    ask(&mut a, 1, RemoteTarget::Pid(t.0));
    assert_eq!(sent(&a), [t]);
    ask(&mut a, 2, RemoteTarget::Name("jobs".parse().unwrap()));
    assert_eq!(sent(&a), [LocalPid::NONE]);

    // Also the signals that an exit has left for later.
    let mut slow = Node::new("a", 1, 1);
    slow.up(1, node_id("b", 2));
    slow.settle();
    let t = slow.spawn();
    (0..2).for_each(|number| ask(&mut slow, number, RemoteTarget::Pid(t.0)));
    slow.exit(t, ExitReason::Normal);
    assert_eq!(sent(&slow), [t]);
    slow.resume();
    assert_eq!(sent(&slow), [t]);
}

#[test]
fn f22_a_message_of_an_earlier_connection_that_is_handled_late_is_ignored() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    let first = SessionId(pair.session.unwrap());
    pair.cut(EndKind::Closed);
    pair.connect();
    let id = pair.a.monitor(w, pair.b.pid(t));
    pair.settle();
    // Every signal that either end can send about the present monitors.
    pair.a.signal(first, Signal::Down { id, reason: DownReason::NoProc }).unwrap();
    pair.b.signal(first, Signal::Demonitor { id }).unwrap();
    let other = MonitorId(Serial::new(9, 0));
    pair.b.signal(first, Signal::Monitor { id: other, target: RemoteTarget::Pid(t.0) }).unwrap();
    assert_eq!(pair.a.receive(w), []);
    assert_eq!(pair.b.core.watchers_of(t).count(), 1);
    pair.expect_agreement();
}

#[test]
fn f34_references_of_every_width_are_told_apart() {
    let mut a = Node::new("a", 1, 256);
    a.up(1, node_id("b", 2));
    let t = a.spawn();
    // Equal in one half, in the low bytes, or in the sum of the halves; a careless comparison would
    // confuse them.
    let wide = [0, 1, 1 << 16, (1 << 16) + 1, 1 << 31, u32::MAX - 1, u32::MAX];
    let ids: Vec<_> = wide
        .iter()
        .flat_map(|&slot| wide.map(|generation| MonitorId(Serial::new(slot, generation))))
        .collect();
    for &id in &ids {
        a.signal(SessionId(1), Signal::Monitor { id, target: RemoteTarget::Pid(t.0) }).unwrap();
    }
    assert_eq!(a.core.stats().incoming, ids.len());
    let (gone, stay) = ids.split_at(ids.len() / 2);
    let mut stay = stay.to_vec();
    for &id in gone {
        a.signal(SessionId(1), Signal::Demonitor { id }).unwrap();
    }
    a.exit(t, ExitReason::Normal);
    let mut told: Vec<_> = a
        .last
        .iter()
        .map(|effect| match effect {
            Effect::Send { signal: Signal::Down { id, .. }, .. } => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    stay.sort();
    assert_eq!(told, stay);
}
