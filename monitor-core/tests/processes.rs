//! Monitors within one node. Rules: `erlang:monitor/2`, `erlang:demonitor/2`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Got, Node};
use monitor_core::{
    Demonitored, DownReason, ExitReason, LocalPid, MonitorOptions,
    refs::{Incarnation, NodeId, Pid, Serial, Target},
};

fn node() -> Node {
    Node::new("a", 1, 256)
}

#[test]
fn a_down_tells_the_reason_as_the_process_ended() {
    let own = ExitReason::other(b"frop".to_vec());
    for reason in
        [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, ExitReason::panicked("oh"), own]
    {
        let mut a = node();
        let (w, t) = (a.spawn(), a.spawn());
        let m = a.monitor(w, a.pid(t));
        assert_eq!(a.receive(w), []);
        a.exit(t, reason.clone());
        assert_eq!(a.downs(w), [(m, DownReason::Exit(reason))]);
        a.expect_empty();
    }
}

#[test]
fn the_target_comes_back_as_it_was_passed_in_with_the_tag() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    a.register("worker", t);
    a.monitor_with(w, a.named("worker"), MonitorOptions::new().tag(1));
    a.monitor_with(w, a.pid(t), MonitorOptions::new().tag(2));
    a.exit(t, ExitReason::Normal);
    let got = a.receive(w);
    let told: Vec<(Target, u64)> = got
        .into_iter()
        .map(|got| match got {
            Got::Down(down) => (down.target, down.tag),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(a.named("worker").into(), 1), (a.pid(t).into(), 2)]);
}

#[test]
fn what_is_not_there_is_noproc_and_never_an_error() {
    let mut a = node();
    let (w, gone) = (a.spawn(), a.spawn());
    a.exit(gone, ExitReason::Normal);
    let other_life = NodeId::new(a.id.name.clone(), Incarnation::new(99).unwrap());
    let targets: [Target; 4] = [
        a.pid(gone).into(),
        a.named("nobody").into(),
        Pid::new(a.id.clone(), Serial::new(u32::MAX, u32::MAX)).into(),
        Pid::new(other_life, w.0).into(),
    ];
    for target in targets {
        let m = a.monitor(w, &target);
        assert_eq!(a.downs(w), [(m, DownReason::NoProc)], "{target:?}");
    }
    a.expect_empty();
}

#[test]
fn monitoring_oneself_gives_a_reference_that_never_fires() {
    let mut a = node();
    let w = a.spawn();
    a.register("me", w);
    for target in [Target::from(a.pid(w)), a.named("me").into()] {
        let m = a.monitor(w, target);
        assert_eq!(a.core.monitors_of(w).count(), 0);
        assert_eq!(a.demonitor(w, m, true), Demonitored::Unknown);
    }
    a.exit(w, ExitReason::Normal);
    a.expect_empty();
}

#[test]
fn demonitor_tells_what_it_found() {
    let mut a = node();
    let (w, other, t) = (a.spawn(), a.spawn(), a.spawn());
    let m = a.monitor(w, a.pid(t));
    assert_eq!(a.demonitor(other, m, true), Demonitored::Unknown, "a monitor of another watcher");
    assert_eq!(a.demonitor(w, m, false), Demonitored::Active);
    assert_eq!(a.demonitor(w, m, false), Demonitored::Unknown);
    a.exit(t, ExitReason::Normal);
    assert_eq!(a.receive(w), []);
    a.expect_empty();
}

#[test]
fn a_queued_down_stays_unless_it_is_flushed() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    let (stays, goes) = (a.monitor(w, a.pid(t)), a.monitor(w, a.pid(t)));
    a.exit(t, ExitReason::Normal);
    assert_eq!(a.demonitor(w, stays, false), Demonitored::Fired);
    assert_eq!(a.demonitor(w, goes, true), Demonitored::Fired);
    assert_eq!(a.downs(w), [(stays, DownReason::Exit(ExitReason::Normal))]);
    a.expect_empty();
}

#[test]
fn references_are_never_used_twice() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let m = a.monitor(w, a.pid(t));
        assert!(seen.insert(m));
        a.demonitor(w, m, true);
    }
}

#[test]
fn the_death_of_a_watcher_ends_its_monitors_in_silence() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    for _ in 0..10 {
        a.monitor(w, a.pid(t));
    }
    a.exit(w, ExitReason::Normal);
    assert_eq!(a.core.watchers_of(t).count(), 0);
    a.exit(t, ExitReason::Normal);
    a.expect_empty();
}

#[test]
fn a_pid_whose_slot_is_used_again_hears_nothing_of_the_one_before() {
    // With a batch of one, the rows of the dead watcher still exist when its slot has a new owner.
    let mut a = Node::new("a", 1, 1);
    let (w, t) = (a.spawn(), a.spawn());
    for _ in 0..5 {
        a.monitor(w, a.pid(t));
    }
    a.exit(w, ExitReason::Normal);
    let successor = a.spawn();
    assert_eq!(successor.0.slot(), w.0.slot());
    let m = a.monitor(successor, a.pid(t));
    a.exit(t, ExitReason::Killed);
    a.settle();
    assert_eq!(a.downs(successor), [(m, DownReason::Exit(ExitReason::Killed))]);
    a.expect_empty();
}

#[test]
fn who_watches_whom_can_be_listed_on_both_sides() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    a.register("t", t);
    let ids = [a.monitor(w, a.pid(t)), a.monitor(w, a.named("t"))];
    let listed: Vec<_> = a.core.monitors_of(w).collect();
    assert_eq!(listed, [(ids[0], a.pid(t).into()), (ids[1], a.named("t").into())]);
    let watching: Vec<_> = a.core.watchers_of(t).map(|r| r.serial()).collect();
    assert_eq!(watching, [ids[0].0, ids[1].0]);
}

#[test]
fn an_exit_that_was_missed_is_reported_as_noproc() {
    // The table still resolves the pid, but the process has exited before the core could watch it.
    let mut a = node();
    let w = a.spawn();
    let ghost = LocalPid(Serial::new(7, 0));
    a.register("ghost", ghost);
    let m = a.monitor(w, a.named("ghost"));
    assert_eq!(a.downs(w), [(m, DownReason::NoProc)]);
    a.expect_empty();
}

#[test]
fn a_reason_is_limited_where_it_is_made() {
    let len = |reason| match reason {
        ExitReason::Other(bytes) => bytes.len(),
        reason => panic!("{reason}"),
    };
    assert_eq!(len(ExitReason::other(vec![0xff; ExitReason::MAX_LEN])), ExitReason::MAX_LEN);
    assert_eq!(len(ExitReason::other(vec![0xff; ExitReason::MAX_LEN + 1])), ExitReason::MAX_LEN);
    let text = "x".to_owned() + &"é".repeat(ExitReason::MAX_LEN);
    assert_eq!(len(ExitReason::other(text)), ExitReason::MAX_LEN - 1, "no character is cut");
    let ExitReason::Panicked(text) = ExitReason::panicked("é".repeat(ExitReason::MAX_LEN)) else { panic!() };
    assert_eq!(text.len(), ExitReason::MAX_LEN);
}

#[test]
fn d07_a_flush_is_one_step_however_many_notices_are_queued() {
    for queued in [10, 1_000_000] {
        let mut a = node();
        let (w, t, lives) = (a.spawn(), a.spawn(), a.spawn());
        let ids: Vec<_> = (0..queued).map(|_| a.monitor(w, a.pid(t))).collect();
        let live = a.monitor(w, a.pid(lives));
        a.exit(t, ExitReason::Normal);
        a.settle();
        let fired = |a: &Node| a.core.stats().outgoing_fired;
        assert_eq!(fired(&a), queued);

        // The monitor in the middle: its row is freed, and no other row is touched. The mailbox,
        // which the core never sees, is as long as before; its notice for this monitor leads to
        // nothing.
        let flushed = ids[queued / 2];
        assert_eq!(a.demonitor(w, flushed, true), Demonitored::Fired);
        assert_eq!((a.last.len(), a.core.stats().backlog), (0, 0), "all of it was done within the call");
        assert_eq!((fired(&a), a.mailboxes[&w].len()), (queued - 1, queued));
        assert_eq!(a.core.take(flushed), None);
        assert_eq!(a.demonitor(w, live, true), Demonitored::Active);
        assert_eq!(a.downs(w).len(), queued - 1);
        a.expect_empty();
    }
}

#[test]
fn m03_a_million_monitors_that_are_never_taken_back_are_counted_and_found() {
    const MONITORS: usize = 1_000_000;
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    for made in 1..=MONITORS {
        a.monitor(w, a.pid(t));
        assert_eq!(a.core.stats().outgoing_active, made);
    }
    assert_eq!(a.core.watchers_of(t).count(), MONITORS);
    // The monitors end with their watcher, step by step.
    a.exit(w, ExitReason::Normal);
    a.expect_empty();
    assert_eq!(a.core.watchers_of(t).count(), 0);
}

#[test]
fn m07_a_million_monitors_made_and_taken_back_use_one_row() {
    let mut a = node();
    let (w, t) = (a.spawn(), a.spawn());
    let pid = Target::from(a.pid(t));
    let mut out = Vec::new();
    for _ in 0..1_000_000 {
        let id = a.core.monitor(&a.table, w, &pid, MonitorOptions::new(), &mut out);
        assert_eq!(id.0.slot(), 0, "the row that was freed is used again");
        assert_eq!(a.core.demonitor(w, id, true, &mut out), Demonitored::Active);
        out.clear();
    }
    a.expect_empty();
}
