//! A session that takes no more frames before its end is reported; and the end of the node itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Got, Node, end, name, noconnection, node_id};
use monitor_core::{
    Connect, DownReason, Effect, ExitReason, MonitorOptions, NodesOptions, Route, Signal, Ticket,
    refs::{EndKind, Serial, SessionId, Target},
};

const FIRST: SessionId = SessionId(1);
const SECOND: SessionId = SessionId(2);

/// A node with a closing session to a peer that has a process.
fn closing() -> (Node, Target) {
    let mut a = Node::new("a", 1, 256);
    let peer = node_id("b", 2);
    a.up(FIRST.0, peer.clone());
    (a, monitor_core::refs::Pid::new(peer, Serial::new(0, 1)).into())
}

fn close(node: &mut Node, session: SessionId) {
    node.input(|core, _, _| core.session_closing(session));
}

#[test]
fn r30_calls_on_a_session_that_closes_wait_for_the_next_in_their_order() {
    let (mut a, target) = closing();
    let w = a.spawn();
    let early = a.monitor(w, target.clone());
    let told = a.monitor(w, target.clone());
    close(&mut a, FIRST);
    assert_eq!(a.route(&name("b"), 1), Route::Later);
    let late = a.monitor(w, target.clone());
    assert_eq!(a.route(&name("b"), 2), Route::Later);
    assert!(a.dials.is_empty(), "the session is up still");

    // Signals that have arrived on the session count.
    let reason = DownReason::Exit(ExitReason::Shutdown);
    a.signal(FIRST, Signal::Down { id: told, reason: reason.clone() }).unwrap();
    assert_eq!(a.downs(w), [(told, reason)]);
    a.down(FIRST.0, EndKind::Closed);
    assert_eq!(a.downs(w), [(early, noconnection(EndKind::Closed))]);
    assert_eq!((a.core.stats().waiting, a.dials.len(), a.discarded.len()), (3, 1, 0));

    a.up(SECOND.0, node_id("b", 2));
    let sent: Vec<_> = a.last.iter().filter(|effect| !matches!(effect, Effect::Admit { .. })).collect();
    assert!(
        matches!(
            sent[..],
            [
                Effect::Forward { ticket: Ticket(1), session: SECOND },
                Effect::Send { session: SECOND, signal: Signal::Monitor { id, .. }, .. },
                Effect::Forward { ticket: Ticket(2), session: SECOND },
            ] if *id == late
        ),
        "{sent:?}"
    );
    assert_eq!(a.route(&name("b"), 3), Route::Now(SECOND), "the next one is open");
}

#[test]
fn r30_a_monitor_that_the_session_did_not_take_joins_the_next() {
    let (mut a, target) = closing();
    let w = a.spawn();
    let id = a.monitor(w, target.clone());
    a.input(|core, _, out| core.monitor_not_sent(id, Connect::OnDemand, out));
    assert!(a.last.is_empty());
    // The order of the calls prevents that it is overtaken.
    assert_eq!(a.route(&name("b"), 1), Route::Later);
    a.down(FIRST.0, EndKind::Closed);
    assert_eq!(a.downs(w), []);
    a.up(SECOND.0, node_id("b", 2));
    assert!(matches!(
        a.last[..],
        [Effect::Admit { .. }, Effect::Send { session: SECOND, .. }, Effect::Forward { .. }]
    ));
    let down = Signal::Down { id, reason: DownReason::NoProc };
    a.signal(SECOND, down).unwrap();
    assert_eq!(a.downs(w), [(id, DownReason::NoProc)]);
    a.expect_empty();
}

#[test]
fn a_monitor_that_must_not_connect_is_told_so_and_one_that_is_over_is_left_alone() {
    let (mut a, target) = closing();
    let w = a.spawn();
    let id = a.monitor(w, target.clone());
    a.input(|core, _, out| core.monitor_not_sent(id, Connect::Never, out));
    assert_eq!(a.downs(w), [(id, noconnection(EndKind::NotConnected))]);
    let never = a.monitor_with(w, target.clone(), MonitorOptions::new().connect(Connect::Never));
    assert_eq!(a.downs(w), [(never, noconnection(EndKind::NotConnected))]);
    a.down(FIRST.0, EndKind::Closed);
    assert!(a.dials.is_empty(), "nothing waits");

    a.up(SECOND.0, node_id("b", 2));
    let gone = a.monitor(w, target);
    a.down(SECOND.0, EndKind::Timeout);
    a.input(|core, _, out| core.monitor_not_sent(gone, Connect::OnDemand, out));
    assert_eq!(a.downs(w), [(gone, noconnection(EndKind::Timeout))]);
    a.input(|core, _, out| core.monitor_not_sent(gone, Connect::OnDemand, out));
    assert!(a.last.is_empty() && a.dials.is_empty());
    a.expect_empty();
}

#[test]
fn whatever_waits_when_a_session_closes_waits_on_and_a_stranger_changes_nothing() {
    // One step for each input: the session is up, and the waiting calls still wait.
    let mut a = Node::new("a", 1, 1);
    for ticket in 1..=3 {
        assert_eq!(a.route(&name("b"), ticket), Route::Later);
    }
    a.up(FIRST.0, node_id("b", 2));
    close(&mut a, SessionId(7));
    close(&mut a, FIRST);
    a.settle();
    assert!(a.admitted.contains(&FIRST) && a.forwarded.is_empty());
    a.down(FIRST.0, EndKind::Closed);
    a.settle();
    a.up(SECOND.0, node_id("b", 2));
    a.settle();
    let forwarded: Vec<_> = a.forwarded.iter().map(|(ticket, session)| (ticket.0, *session)).collect();
    assert_eq!(forwarded, [(1, SECOND), (2, SECOND), (3, SECOND)]);
    assert_eq!(a.discarded, []);
    close(&mut a, FIRST);
    assert_eq!(a.route(&name("b"), 4), Route::Now(SECOND));
}

#[test]
fn a_dial_that_fails_after_a_session_that_closed_ends_what_waits() {
    let (mut a, target) = closing();
    let w = a.spawn();
    close(&mut a, FIRST);
    let id = a.monitor(w, target);
    assert_eq!(a.route(&name("b"), 1), Route::Later);
    a.down(FIRST.0, EndKind::Closed);
    a.fail_dial(EndKind::Unreachable);
    assert_eq!(a.downs(w), [(id, noconnection(EndKind::Unreachable))]);
    assert_eq!(a.discarded.len(), 1);
    a.expect_empty();
    assert_eq!(a.core.stats().peers, 0);
}

#[test]
fn a_node_that_stops_ends_monitors_on_processes_that_are_left() {
    let mut a = Node::new("a", 1, 2);
    let (w, t) = (a.spawn(), a.spawn());
    a.monitor_nodes(t, NodesOptions::new());
    let own_of_t = a.monitor(t, a.pid(w));
    let ids: Vec<_> = (0..5).map(|_| a.monitor(w, a.pid(t))).collect();
    let shutdown = end(EndKind::LocalShutdown);
    a.input(|core, _, out| core.node_stopped(t, shutdown, out));
    assert!(a.core.has_backlog(), "two steps an input");
    a.settle();
    let expected: Vec<_> = ids.into_iter().map(|id| (id, noconnection(EndKind::LocalShutdown))).collect();
    assert_eq!(a.downs(w), expected);
    assert_eq!(a.core.stats().nodes_subscriptions, 0);
    assert_eq!(a.core.monitors_of(t).map(|(id, _)| id).collect::<Vec<_>>(), [own_of_t], "its own stay");
    a.input(|core, _, out| core.node_stopped(w, shutdown, out));
    a.settle();
    assert_eq!(a.downs(t), [(own_of_t, noconnection(EndKind::LocalShutdown))]);
    // The exit is not told twice to any watcher.
    a.exit(t, ExitReason::Normal);
    a.exit(w, ExitReason::Normal);
    a.settle();
    assert_eq!(a.receive(w), Vec::<Got>::new());
    a.expect_empty();
}
