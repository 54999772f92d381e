//! Sessions, processes and monitors that come and go leave no memory behind, however often.
//!
//! A test program of its own, because it counts every allocation.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use allocation_counter::measure;
use common::{Pair, name, reg};
use monitor_core::{
    Connect, ExitReason, LocalPid, NodesOptions, Ticket,
    refs::{EndKind, SessionId, Target},
};

/// Number of rounds after which every table has reached its final size.
const WARM: usize = 10;
const ROUNDS: usize = 1000;

/// Number of bytes that a round leaves behind, once the tables have grown.
fn growth(mut round: impl FnMut(&mut Pair)) -> i64 {
    let mut pair = Pair::new(2);
    (0..WARM).for_each(|_| round(&mut pair));
    measure(|| (0..ROUNDS).for_each(|_| round(&mut pair))).bytes_current
}

/// The test world keeps a record of sessions and messages, which does not belong to the core.
fn forget(pair: &mut Pair) {
    let session = pair.session.map(SessionId);
    for node in [&mut pair.a, &mut pair.b] {
        node.admitted.retain(|&admitted| Some(admitted) == session);
        node.forwarded.clear();
        node.discarded.clear();
        node.last = Vec::new();
    }
}

/// In both directions, to processes, to names, and to a process that does not exist.
fn watch_each_other(pair: &mut Pair) -> (LocalPid, LocalPid) {
    let (one, other) = (pair.a.spawn(), pair.b.spawn());
    pair.b.register("x", other);
    for target in [Target::from(pair.b.pid(other)), pair.b.named("x").into(), pair.b.named("y").into()] {
        pair.a.monitor(one, target.clone());
        pair.b.monitor(other, target);
    }
    pair.b.monitor(other, pair.a.pid(one));
    pair.a.monitor_node(one, &name("b"));
    pair.a.monitor_nodes(one, NodesOptions::default());
    (one, other)
}

#[test]
fn sessions_that_begin_and_end() {
    let grown = growth(|pair| {
        pair.connect();
        let (one, other) = watch_each_other(pair);
        pair.settle();
        pair.cut(EndKind::Closed);
        pair.settle();
        pair.a.exit(one, ExitReason::Normal);
        pair.b.exit(other, ExitReason::Normal);
        pair.settle();
        forget(pair);
    });
    assert_eq!(grown, 0);
}

#[test]
fn processes_that_come_and_exit_on_one_session() {
    let grown = growth(|pair| {
        if pair.session.is_none() {
            pair.connect();
        }
        let (one, other) = watch_each_other(pair);
        pair.settle();
        pair.b.exit(other, ExitReason::Killed);
        pair.settle();
        assert_eq!(pair.a.downs(one).len(), 3);
        pair.a.exit(one, ExitReason::Normal);
        pair.settle();
        forget(pair);
    });
    assert_eq!(grown, 0);
}

#[test]
fn monitors_that_are_taken_back() {
    let grown = growth(|pair| {
        if pair.session.is_none() {
            pair.connect();
        }
        let (one, other) = watch_each_other(pair);
        pair.settle();
        for node in [(&mut pair.a, one), (&mut pair.b, other)] {
            let (node, who) = node;
            let owned: Vec<_> = node.core.monitors_of(who).map(|(id, _)| id).collect();
            for id in owned {
                node.demonitor(who, id, true);
            }
            node.core.demonitor_node(who, &name("b"));
            node.core.demonitor_nodes(who, NodesOptions::default());
            node.receive(who);
        }
        pair.settle();
        pair.a.expect_empty();
        pair.b.expect_empty();
        pair.a.exit(one, ExitReason::Normal);
        pair.b.exit(other, ExitReason::Normal);
        pair.settle();
        forget(pair);
    });
    assert_eq!(grown, 0);
}

#[test]
fn nodes_that_cannot_be_connected() {
    let grown = growth(|pair| {
        let who = pair.a.spawn();
        pair.a.monitor(who, reg("x").at(name("c")));
        pair.a.monitor_node(who, &name("c"));
        let ticket = Ticket(1);
        pair.a.input(|core, _, out| core.route(&name("c"), ticket, Connect::OnDemand, out));
        pair.a.fail_dial(EndKind::Unreachable);
        pair.a.settle();
        assert_eq!(pair.a.receive(who).len(), 2);
        pair.a.exit(who, ExitReason::Normal);
        pair.a.expect_empty();
        forget(pair);
    });
    assert_eq!(grown, 0);
}
