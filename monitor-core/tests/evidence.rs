//! The evidence of a `Down`: which node decided it, and which incarnation of the target's node it
//! reports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use core::time::Duration;

use common::{Got, Node, Pair, end};
use monitor_core::{
    Connect, Demonitored, Down, DownReason, DownSource, ExitReason, LocalPid, MonitorOptions,
    refs::{EndKind, SessionEnd},
};

/// All `Down`s that a process receives.
fn told(node: &mut Node, pid: LocalPid) -> Vec<Down> {
    let down = |got| match got {
        Got::Down(down) => down,
        other => panic!("no Down: {other:?}"),
    };
    node.receive(pid).into_iter().map(down).collect()
}

fn evidence(downs: &[Down]) -> Vec<(DownSource, Option<u64>)> {
    downs.iter().map(|down| (down.source(), down.incarnation.map(|incarnation| incarnation.get()))).collect()
}

const NEVER: MonitorOptions = MonitorOptions::new().connect(Connect::Never);

#[test]
fn an_exit_is_said_by_the_life_in_which_the_process_was() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.b.register("job", t);
    pair.a.monitor(w, pair.b.pid(t));
    pair.a.monitor(w, pair.b.named("job"));
    let own = pair.a.spawn();
    pair.a.monitor(w, pair.a.pid(own));
    pair.a.exit(own, ExitReason::Normal);
    pair.settle();
    pair.b.exit(t, ExitReason::Normal);
    pair.settle();
    let (here, there) = ((DownSource::TargetNode, Some(1)), (DownSource::TargetNode, Some(2)));
    assert_eq!(evidence(&told(&mut pair.a, w)), [here, there, there]);
}

#[test]
fn what_was_told_of_one_life_is_not_put_down_to_the_next() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.b.register("job", t);
    let old = pair.b.pid(t);
    for _ in 0..2 {
        pair.a.monitor(w, &old);
        pair.a.monitor(w, pair.b.named("job"));
    }
    pair.settle();
    // The old incarnation has ended, and no notice of it was received yet, when the new one
    // reports.
    pair.restart_b();
    pair.a.monitor(w, pair.b.named("job"));
    pair.connect();
    pair.a.monitor(w, pair.b.named("job"));
    pair.a.monitor(w, &old);
    pair.settle();

    let lost = (DownSource::SessionEnd, Some(2));
    let denied = (DownSource::TargetNode, Some(3));
    let told = told(&mut pair.a, w);
    assert_eq!(evidence(&told), [lost, lost, lost, lost, denied, denied, denied]);
    assert_eq!(told[6].target, old.into(), "a incarnation says that another one is over");
    pair.a.expect_empty();
    pair.cut(EndKind::Closed);
    assert_eq!(pair.a.core.stats().peers, 0, "nothing of either incarnation is left");
}

#[test]
fn a_waiting_monitor_finds_the_next_life_though_monitors_of_that_life_came_and_went() {
    let mut pair = Pair::new(1);
    let w = pair.a.spawn();
    pair.connect();
    let job = pair.b.named("job");
    // Fired in the first incarnation, and not received before its end: the monitor keeps the target
    // node of that incarnation.
    pair.a.monitor(w, job.clone());
    pair.settle();
    pair.restart_b();
    let ids = [(); 2].map(|()| pair.a.monitor(w, job.clone()));
    pair.connect();
    let session = monitor_core::refs::SessionId(pair.session.unwrap());
    while pair.a.outgoing[&session].is_empty() {
        assert!(pair.a.resume(), "one of them goes out before the other");
    }
    // The only monitor bound to the next incarnation ends, and its target node is removed when
    // another one is released.
    assert_eq!(pair.a.demonitor(w, ids[0], true), Demonitored::Active);
    let other = pair.a.spawn();
    pair.a.monitor(other, pair.a.named("nobody"));
    assert_eq!(told(&mut pair.a, other).len(), 1);
    pair.settle();
    let said = |incarnation| (DownSource::TargetNode, Some(incarnation));
    assert_eq!(evidence(&told(&mut pair.a, w)), [said(2), said(3)]);
    pair.a.expect_empty();
}

#[test]
fn without_a_session_there_is_no_life_to_speak_of() {
    let mut pair = Pair::connected();
    let w = pair.a.spawn();
    let nobody = pair.b.named("nobody");
    pair.a.monitor(w, nobody.clone());
    pair.settle();
    pair.cut(EndKind::Closed);
    // The first `Down` reports an incarnation, and is not received yet.
    pair.a.monitor_with(w, nobody.clone(), NEVER);
    pair.a.monitor(w, nobody.clone());
    pair.a.fail_dial(EndKind::Refused);
    pair.a.monitor(w, nobody);
    pair.a.fail_dial(EndKind::LocalShutdown);
    let none = (DownSource::NoSession, None);
    let over = (DownSource::SessionEnd, None);
    assert_eq!(evidence(&told(&mut pair.a, w)), [(DownSource::TargetNode, Some(2)), none, none, over]);
    pair.a.expect_empty();
    assert_eq!(pair.a.core.stats().peers, 0);
}

#[test]
fn silence_is_evidence_and_is_told_with_its_length() {
    let mut pair = Pair::connected();
    let (w, t) = (pair.a.spawn(), pair.b.spawn());
    pair.a.monitor(w, pair.b.pid(t));
    let silent = SessionEnd::timeout(Duration::from_millis(5200));
    let session = monitor_core::refs::SessionId(pair.session.unwrap());
    pair.a.input(|core, _, out| core.peer_down(session, silent, out));
    let [down] = &told(&mut pair.a, w)[..] else { panic!("one monitor, one Down") };
    assert_eq!(down.reason.session_end(), Some(silent));
    assert_eq!(down.reason.silent_for(), Some(Duration::from_millis(5200)));
    assert_eq!(down.reason.exit(), None);
    let target = &down.target;
    assert_eq!(
        down.to_string(),
        format!("{target} is out of reach: no connection: the peer fell silent (silent for 5.2s)")
    );
}

#[test]
fn other_reasons_have_other_evidence() {
    let exit = DownReason::Exit(ExitReason::Killed);
    assert_eq!((exit.exit(), exit.session_end()), (Some(&ExitReason::Killed), None));
    let closed = DownReason::NoConnection(end(EndKind::Closed));
    assert_eq!((closed.session_end(), closed.silent_for()), (Some(end(EndKind::Closed)), None));
    assert_eq!((DownReason::NoProc.exit(), DownReason::NoProc.session_end()), (None, None));

    let mut node = Node::new("a", 1, 256);
    let w = node.spawn();
    node.monitor(w, node.named("job"));
    let [down] = &told(&mut node, w)[..] else { panic!("no process has this name") };
    assert_eq!(down.to_string(), format!("{} is gone: no such process", down.target));
    assert_eq!(down.source().to_string(), "reported by the target's node");
}
