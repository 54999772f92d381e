//! Ending a monitor: `erlang:demonitor/2`, and the drop of a handle.

use futures::FutureExt;
use monitor_runtime::{Demonitored, MonitorRef, NodeType, TryRecvError, prelude::*, refs::Serial};

use crate::{
    common::eventually,
    fixture::{Fixture, exit, expect_down, no_connection},
};

cases! {
    d01_a_live_monitor_is_taken_back_and_says_nothing: local, tcp;
    d02_to_take_it_back_twice_is_no_error: local, tcp;
    d03_a_reference_that_was_never_used_is_no_error: local, tcp;
    d04_a_down_that_is_queued_stays: local, tcp;
    d05_a_down_that_is_queued_is_flushed: local, tcp;
    d10_of_several_monitors_one_is_taken_back: local, tcp;
    d11_what_was_taken_back_hears_nothing_of_its_nodes_end: memory, tcp;
    d12_a_queued_noconnection_stays: memory, tcp;
    d13_a_reference_of_another_watcher_has_no_effect: local, tcp;
    d14_a_reference_of_another_node_has_no_effect: memory, tcp;
    d18_a_tagged_down_is_flushed_too: local, tcp;
    d19_the_targets_node_forgets_it: memory, tcp;
    d21_after_its_nodes_end_there_is_nothing_to_take_back_and_nobody_is_dialled: memory, tcp;
    d22_a_down_that_crosses_its_demonitor_is_dropped: memory, tcp;
    d23_a_demonitor_behind_a_full_buffer_arrives_once_it_drains: memory, tcp;
    d24_a_demonitor_never_waits_for_a_peer_that_is_held_still: memory, tcp;
    d26_to_drop_a_handle_is_to_demonitor_and_flush: local, tcp;
}

async fn d01_a_live_monitor_is_taken_back_and_says_nothing(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Active));
    drop(target);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.nothing_left().await;
}

async fn d02_to_take_it_back_twice_is_no_error(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    let told = [watcher.demonitor(&monitor), watcher.demonitor(&monitor)];
    assert_eq!(told, [Ok(Demonitored::Active), Ok(Demonitored::Unknown)]);
    let monitor = watcher.monitor(target.pid()).unwrap();
    let told = [watcher.demonitor_flush(&monitor), watcher.demonitor_flush(&monitor)];
    assert_eq!(told, [Ok(Demonitored::Active), Ok(Demonitored::Unknown)]);
}

async fn d03_a_reference_that_was_never_used_is_no_error(fixture: Fixture) {
    let watcher = fixture.here.process().unwrap();
    for serial in [Serial::new(0, 0), Serial::new(7, 7), Serial::new(u32::MAX, u32::MAX)] {
        let unused = MonitorRef::new(fixture.here.id().clone(), serial);
        assert_eq!(watcher.demonitor(&unused), Ok(Demonitored::Unknown));
        assert_eq!(watcher.demonitor_flush(&unused), Ok(Demonitored::Unknown));
    }
}

/// A monitor whose `Down` is the next event in the mailbox.
async fn queued(fixture: &Fixture, watcher: &mut Process, options: MonitorOptions) -> MonitorRef {
    let target = fixture.there.process().unwrap();
    let monitor = watcher.monitor_with(target.pid(), options).unwrap();
    fixture.watched(&target, 1).await;
    drop(target);
    eventually("it has fired", || fixture.here.stats().fired == 1).await;
    monitor
}

async fn d04_a_down_that_is_queued_stays(fixture: Fixture) {
    let (mut watcher, _) = fixture.processes();
    let monitor = queued(&fixture, &mut watcher, MonitorOptions::new()).await;
    for _ in 0..2 {
        assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Fired));
    }
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Normal));
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Unknown), "received");
}

async fn d05_a_down_that_is_queued_is_flushed(fixture: Fixture) {
    let (mut watcher, _) = fixture.processes();
    let monitor = queued(&fixture, &mut watcher, MonitorOptions::new()).await;
    assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Fired));
    assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Unknown), "flushed before");
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.nothing_left().await;
}

async fn d10_of_several_monitors_one_is_taken_back(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitors: Vec<_> = (0..4).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.watched(&target, 4).await;
    assert_eq!(watcher.demonitor(&monitors[1]), Ok(Demonitored::Active));
    fixture.watched(&target, 3).await;
    drop(target);
    for at in [0, 2, 3] {
        expect_down(&mut watcher, &monitors[at]).await;
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn d11_what_was_taken_back_hears_nothing_of_its_nodes_end(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    watcher.demonitor(&monitor).unwrap();
    fixture.there.stop().await;
    eventually("it is gone", || fixture.here.nodes(NodeType::All).is_empty()).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn d12_a_queued_noconnection_stays(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.there.stop().await;
    eventually("it has fired", || fixture.here.stats().fired == 1).await;
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Fired));
    no_connection(&expect_down(&mut watcher, &monitor).await);
}

async fn d13_a_reference_of_another_watcher_has_no_effect(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let other = fixture.here.process().unwrap();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    assert_eq!(other.demonitor(&monitor), Ok(Demonitored::Unknown));
    assert_eq!(other.demonitor_flush(&monitor), Ok(Demonitored::Unknown));
    drop(target);
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Normal));
}

async fn d14_a_reference_of_another_node_has_no_effect(fixture: Fixture) {
    // The watcher is at the other node. A local process cannot end its monitor, even though the
    // number is in use here as well.
    let (other, mut watcher) = fixture.processes();
    let target = fixture.there.process().unwrap();
    other.monitor(target.pid()).unwrap();
    let monitor = watcher.monitor(target.pid()).unwrap();
    assert_eq!(other.demonitor(&monitor), Ok(Demonitored::Unknown));
    assert_eq!(other.demonitor_flush(&monitor), Ok(Demonitored::Unknown));
    assert_eq!(fixture.here.stats().monitors, 1);
    drop(target);
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Normal));
}

async fn d18_a_tagged_down_is_flushed_too(fixture: Fixture) {
    let (mut watcher, _) = fixture.processes();
    let monitor = queued(&fixture, &mut watcher, MonitorOptions::new().tag(42)).await;
    assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Fired));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn d19_the_targets_node_forgets_it(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    let monitors: Vec<_> = (0..3).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.watched(&target, 3).await;
    for (left, monitor) in (0..3).rev().zip(&monitors) {
        watcher.demonitor(monitor).unwrap();
        fixture.watched(&target, left).await;
    }
    fixture.nothing_left().await;
}

async fn d21_after_its_nodes_end_there_is_nothing_to_take_back_and_nobody_is_dialled(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.crash();
    expect_down(&mut watcher, &monitor).await;
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Unknown));
    assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Unknown));
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn d22_a_down_that_crosses_its_demonitor_is_dropped(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.hold_back().await;
    drop(target); // its Down is on its way, and stays there
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Active));
    fixture.release();
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.nothing_left().await;
}

async fn d23_a_demonitor_behind_a_full_buffer_arrives_once_it_drains(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.hold().await;
    fixture.fill(&watcher, &target);
    assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Active));
    fixture.release();
    fixture.watched(&target, 0).await;
    fixture.nothing_left().await;
}

async fn d24_a_demonitor_never_waits_for_a_peer_that_is_held_still(fixture: Fixture) {
    const MONITORS: usize = 10_000;
    let (watcher, mut target) = fixture.processes();
    let monitors: Vec<_> = (0..MONITORS).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.arrived(MONITORS).await;
    fixture.hold().await;
    let sent = fixture.fill(&watcher, &target);
    // All but the last; each call returns while the peer reads nothing.
    for monitor in &monitors[1..] {
        assert_eq!(watcher.demonitor(monitor), Ok(Demonitored::Active));
    }
    fixture.release();
    fixture.watched(&target, 1).await;
    for at in 0..sent {
        assert!(matches!(target.recv().await, Some(Event::Message(_))), "message {at} of {sent}");
    }
    assert_eq!(fixture.here.stats().monitors, 1);
}

async fn d26_to_drop_a_handle_is_to_demonitor_and_flush(fixture: Fixture) {
    let target = fixture.there.process().unwrap();
    let mut live = fixture.here.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    assert!((&mut live).now_or_never().is_none());
    drop(live);
    fixture.watched(&target, 0).await;

    let fired = fixture.here.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    drop(target);
    eventually("it has fired", || fixture.here.stats().fired == 1).await;
    drop(fired);
    assert_eq!((fixture.here.stats().fired, fixture.here.stats().watchers), (0, 0));

    // An explicit demonitor returns which of the two it was.
    let target = fixture.there.process().unwrap();
    let live = fixture.here.monitor(target.pid()).unwrap();
    let gone = fixture.here.process().unwrap().pid().clone();
    assert_eq!(live.demonitor(), Demonitored::Active);
    assert_eq!(fixture.here.monitor(&gone).unwrap().demonitor(), Demonitored::Fired);
    assert_eq!(fixture.here.stats().watchers, 0);
}
