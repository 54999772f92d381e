//! Node monitors. Rules: `erlang:monitor_node/2`, `net_kernel:monitor_nodes/2`; the order between
//! the two is a promise of this crate.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Got, Node, Pair, name, node_id, reg};
use monitor_core::{
    Connect, NodeType, NodesOptions,
    refs::{EndKind, SessionId},
};

const ALL: NodesOptions = NodesOptions::new();

fn node() -> Node {
    Node::new("a", 1, 256)
}

#[test]
fn monitor_node_is_told_once_however_often_it_was_called() {
    let mut a = node();
    let w = a.spawn();
    a.up(1, node_id("b", 2));
    for _ in 0..3 {
        a.monitor_node(w, &name("b"));
    }
    a.down(1, EndKind::Closed);
    assert_eq!(a.receive(w), [Got::MonitoredDown(name("b"), EndKind::Closed)]);
    // A reconnect does not arm the monitor again.
    a.up(2, node_id("b", 2));
    a.down(2, EndKind::Closed);
    assert_eq!(a.receive(w), []);
    a.expect_empty();
    assert_eq!(a.core.stats().peers, 0);
}

#[test]
fn demonitor_node_takes_all_calls_back_and_never_connects() {
    let mut a = node();
    let w = a.spawn();
    a.up(1, node_id("b", 2));
    a.monitor_node(w, &name("b"));
    a.monitor_node(w, &name("b"));
    a.input(|core, _, _| core.demonitor_node(w, &name("b")));
    a.input(|core, _, _| core.demonitor_node(w, &name("elsewhere")));
    a.down(1, EndKind::Closed);
    assert_eq!(a.receive(w), []);
    assert!(a.dials.is_empty());
}

#[test]
fn monitor_node_of_an_unknown_node_reports_each_failed_dial_or_each_call() {
    let mut a = node();
    let w = a.spawn();
    for _ in 0..2 {
        a.monitor_node(w, &name("b"));
    }
    a.fail_dial(EndKind::Unreachable);
    assert_eq!(a.receive(w), [Got::MonitoredDown(name("b"), EndKind::Unreachable)]);
    for _ in 0..2 {
        a.input(|core, _, out| core.monitor_node(w, &name("b"), Connect::Never, out));
    }
    let at_once = Got::MonitoredDown(name("b"), EndKind::NotConnected);
    assert_eq!(a.receive(w), [at_once.clone(), at_once]);
    assert!(a.dials.is_empty());
    assert_eq!(a.core.stats().peers, 0);
}

#[test]
fn the_own_node_never_goes_down() {
    let mut a = node();
    let w = a.spawn();
    a.monitor_node(w, &name("a"));
    assert!(a.dials.is_empty());
    assert_eq!(a.core.stats().node_monitors, 0);
}

#[test]
fn a_subscription_made_while_the_end_is_told_belongs_to_the_next_session() {
    // One step at a time: the end of session 1 is being told when the calls come.
    let mut a = Node::new("a", 1, 1);
    let (w, v) = (a.spawn(), a.spawn());
    a.up(1, node_id("b", 2));
    a.settle();
    for _ in 0..5 {
        a.monitor(w, reg("x").at(name("b")));
    }
    a.monitor_node(w, &name("b"));
    a.down(1, EndKind::Timeout);
    assert!(a.core.has_backlog());
    a.monitor_node(w, &name("b")); // again: its notice of session 1 is still due
    a.monitor_node(v, &name("b"));
    a.settle();
    let got = a.receive(w);
    assert_eq!(got.len(), 6);
    assert_eq!(got[5], Got::MonitoredDown(name("b"), EndKind::Timeout), "after all Downs of the session");
    assert_eq!(a.receive(v), []);
    assert_eq!(a.dials.len(), 1, "a call waits for the next session");
    a.up(2, node_id("b", 2));
    a.down(2, EndKind::Left);
    a.settle();
    let next = [Got::MonitoredDown(name("b"), EndKind::Left)];
    assert_eq!((a.receive(w).as_slice(), a.receive(v).as_slice()), (&next[..], &next[..]));
    a.expect_empty();
}

#[test]
fn a_subscription_is_process_and_options() {
    let mut a = node();
    let w = a.spawn();
    let with_reason = ALL.nodedown_reason(true);
    let same = NodesOptions::new().nodedown_reason(true).node_type(NodeType::All);
    for options in [ALL, ALL, with_reason, same] {
        a.monitor_nodes(w, options);
    }
    a.up(1, node_id("b", 2));
    let ups = |session| [Got::Up(ALL, name("b"), session), Got::Up(with_reason, name("b"), session)];
    assert_eq!(a.receive(w), ups(SessionId(1)));
    a.input(|core, _, _| core.demonitor_nodes(w, with_reason));
    a.input(|core, _, _| core.demonitor_nodes(w, with_reason.node_type(NodeType::Hidden)));
    a.down(1, EndKind::Left);
    assert_eq!(a.receive(w), [Got::NodeDown(ALL, name("b"), SessionId(1), EndKind::Left)]);
}

#[test]
fn types_are_an_exact_matrix() {
    for (node_type, visible, hidden) in
        [(NodeType::All, true, true), (NodeType::Visible, true, false), (NodeType::Hidden, false, true)]
    {
        let mut a = node();
        let w = a.spawn();
        a.monitor_nodes(w, ALL.node_type(node_type));
        a.input(|core, _, out| core.peer_up(SessionId(1), node_id("v", 2), false, out));
        a.input(|core, _, out| core.peer_up(SessionId(2), node_id("h", 3), true, out));
        let told: Vec<_> = a.receive(w).into_iter().map(|got| format!("{got:?}")).collect();
        assert_eq!(told.iter().any(|got| got.contains("v@test")), visible, "{told:?}");
        assert_eq!(told.iter().any(|got| got.contains("h@test")), hidden, "{told:?}");
        assert_eq!(a.core.nodes(node_type).len(), told.len());
    }
}

#[test]
fn the_snapshot_and_the_stream_fit_without_gap_or_overlap() {
    // The beginning of session 1 and the end of session 2 are still being told when the
    // subscription is made.
    let mut a = Node::new("a", 1, 1);
    let (early, late) = (a.spawn(), a.spawn());
    a.monitor_nodes(early, ALL);
    a.up(2, node_id("c", 3));
    a.settle();
    a.down(2, EndKind::Closed);
    a.up(1, node_id("b", 2));
    assert!(a.core.has_backlog());
    assert_eq!(a.monitor_nodes(late, ALL), [name("b")]);
    a.settle();
    assert_eq!(a.receive(late), []);
    assert_eq!(a.receive(early).len(), 3);
    a.down(1, EndKind::Closed);
    a.settle();
    assert_eq!(a.receive(late), [Got::NodeDown(ALL, name("b"), SessionId(1), EndKind::Closed)]);
}

#[test]
fn the_list_of_nodes_agrees_with_the_notice() {
    let mut a = node();
    let w = a.spawn();
    a.monitor_nodes(w, ALL);
    a.up(1, node_id("b", 2));
    assert_eq!(a.core.nodes(NodeType::All).len(), 1);
    a.down(1, EndKind::Closed);
    assert_eq!(a.core.nodes(NodeType::All).len(), 0);
    assert_eq!(a.receive(w).len(), 2);
}

#[test]
fn per_node_the_order_is_up_everything_downs_down_up() {
    for max_batch in [1, 2, 3, 256] {
        let mut pair = Pair::new(max_batch);
        let (w, t) = (pair.a.spawn(), pair.b.spawn());
        pair.a.monitor_nodes(w, ALL);
        pair.connect();
        pair.a.settle();
        for _ in 0..3 {
            pair.a.monitor(w, pair.b.pid(t));
        }
        pair.settle();
        // The next session is up before the end of the first was reported.
        pair.a.up(50, pair.b.id.clone());
        assert!(!pair.a.admitted.contains(&SessionId(50)));
        pair.cut(EndKind::Replaced);
        pair.a.settle();
        assert!(pair.a.admitted.contains(&SessionId(50)));
        let shape: Vec<&str> = pair
            .a
            .receive(w)
            .iter()
            .map(|got| match got {
                Got::Up(_, _, SessionId(1)) => "up 1",
                Got::Up(..) => "up 2",
                Got::Down(_) => "Down",
                Got::NodeDown(..) => "down 1",
                Got::MonitoredDown(..) => "monitored",
            })
            .collect();
        assert_eq!(shape, ["up 1", "Down", "Down", "Down", "down 1", "up 2"], "max_batch {max_batch}");
    }
}

#[test]
fn a_session_is_admitted_after_its_beginning_was_told() {
    let mut a = Node::new("a", 1, 1);
    let watchers: Vec<_> = (0..4).map(|_| a.spawn()).collect();
    for &w in &watchers {
        a.monitor_nodes(w, ALL);
    }
    a.up(1, node_id("b", 2));
    while !a.admitted.contains(&SessionId(1)) {
        a.resume();
    }
    for w in watchers {
        assert_eq!(a.receive(w), [Got::Up(ALL, name("b"), SessionId(1))]);
    }
}

#[test]
fn a_session_that_ends_while_its_beginning_is_told_is_told_whole() {
    let mut a = Node::new("a", 1, 1);
    let watchers: Vec<_> = (0..4).map(|_| a.spawn()).collect();
    for &w in &watchers {
        a.monitor_nodes(w, ALL);
    }
    a.up(1, node_id("b", 2));
    a.down(1, EndKind::Closed);
    a.settle();
    for w in watchers {
        let got = a.receive(w);
        let whole = [
            Got::Up(ALL, name("b"), SessionId(1)),
            Got::NodeDown(ALL, name("b"), SessionId(1), EndKind::Closed),
        ];
        assert_eq!(got, whole);
    }
}

#[test]
fn a_session_that_nobody_has_seen_ends_in_silence() {
    let mut a = node();
    let w = a.spawn();
    a.monitor_nodes(w, ALL);
    a.up(1, node_id("b", 2));
    a.up(2, node_id("b", 2));
    a.down(2, EndKind::Closed);
    assert_eq!(a.receive(w).len(), 1);
    a.down(1, EndKind::Closed);
    assert_eq!(a.receive(w).len(), 1);
    assert_eq!(a.core.stats().peers, 0);
}

#[test]
fn a_dead_subscriber_is_forgotten() {
    let mut a = node();
    let (w, stays) = (a.spawn(), a.spawn());
    for process in [w, stays] {
        a.monitor_nodes(process, ALL);
        a.monitor_node(process, &name("b"));
    }
    a.exit(w, monitor_core::ExitReason::Normal);
    let stats = a.core.stats();
    assert_eq!((stats.node_monitors, stats.nodes_subscriptions), (1, 1));
    a.up(1, node_id("b", 2));
    a.down(1, EndKind::Closed);
    assert_eq!(a.receive(stays).len(), 3);
}
