//! Faults between nodes, and their effect on a monitor: `noconnection`, once, and nothing after it.

use std::time::Duration;

use futures::StreamExt;
use monitor_runtime::{Demonitored, EndKind, TryRecvError, prelude::*};

use crate::{
    common::{eventually, expect_no_connection, name, next_down, next_node_down, next_node_up},
    fixture::{Fixture, Network, exit, expect_down, is_up, no_connection, watchers_of},
};

cases! {
    f02_a_target_that_outlives_its_link_has_no_second_down: memory, tcp;
    f03_a_node_that_is_killed_is_noconnection: memory, tcp;
    f04_a_node_that_is_stopped_in_its_tracks_is_noconnection: memory, tcp;
    f05_a_node_that_goes_on_sees_the_loss_too_and_both_connect_again: memory, tcp;
    f06_an_idle_link_stays_up: memory, tcp;
    f07_a_node_that_is_heard_no_more_is_noconnection: memory, tcp;
    f10_a_node_that_leaves_is_noconnection_for_all_its_processes: memory, tcp;
    f11_a_down_behind_a_full_buffer_is_not_lost: memory, tcp;
    f12_no_call_waits_for_a_peer_that_is_held_still: memory, tcp;
    f23_of_two_dials_at_once_there_is_one_session_and_no_end: memory, tcp;
    f25_a_restart_ends_the_monitors_of_the_old_life_once: memory, tcp;
    f26_each_of_a_hundred_thousand_monitors_hears_of_the_cut: memory, tcp;
    f28_unknown_nodes_leave_no_trace: memory, tcp;
}

async fn f02_a_target_that_outlives_its_link_has_no_second_down(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.cut().await;
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::Closed);
    fixture.watched(&target, 0).await;
    fixture.connected().await;
    drop(target);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn f03_a_node_that_is_killed_is_noconnection(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.crash();
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::Closed);
}

/// A silence ends the session after the timeout, and the `Down` reports its length.
async fn noticed(fixture: &Fixture, watcher: &mut Process) {
    if let Network::Memory(cluster) = &fixture.network {
        cluster.network.advance(Duration::from_millis(4_999));
        assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty), "not before its time");
        cluster.network.advance(Duration::from_millis(1));
    }
    let DownReason::NoConnection(end) = next_down(watcher).await.reason else { panic!("the target lives") };
    let timeout = if matches!(fixture.network, Network::Memory(_)) { 5_000 } else { 500 };
    assert_eq!(end.kind, EndKind::Timeout);
    assert!(end.silent_for().unwrap() >= Duration::from_millis(timeout), "{end}");
}

async fn f04_a_node_that_is_stopped_in_its_tracks_is_noconnection(fixture: Fixture) {
    let fixture = fixture.hasty().await;
    let (mut watcher, target) = fixture.processes();
    watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    stop_in_its_tracks(&fixture).await;
    noticed(&fixture, &mut watcher).await;
}

async fn stop_in_its_tracks(fixture: &Fixture) {
    match &fixture.network {
        Network::Memory(cluster) => cluster.freeze(&fixture.there),
        _ => fixture.hold().await,
    }
}

fn go_on(fixture: &Fixture) {
    match &fixture.network {
        Network::Memory(cluster) => cluster.thaw(&fixture.there),
        _ => fixture.release(),
    }
}

async fn f05_a_node_that_goes_on_sees_the_loss_too_and_both_connect_again(fixture: Fixture) {
    let fixture = fixture.hasty().await;
    let (mut watcher, mut target) = fixture.processes();
    watcher.monitor(target.pid()).unwrap();
    target.monitor(watcher.pid()).unwrap();
    fixture.watched(&target, 1).await;
    eventually("both are watched", || watchers_of(&fixture.here, watcher.pid()) == 1).await;
    stop_in_its_tracks(&fixture).await;
    fixture.silence_passes();
    no_connection(&next_down(&mut watcher).await.reason);
    go_on(&fixture);
    no_connection(&next_down(&mut target).await.reason);
    fixture.disconnected().await;
    fixture.connected().await;
    fixture.settled().await;
}

async fn f06_an_idle_link_stays_up(fixture: Fixture) {
    let fixture = fixture.hasty().await;
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NodesOptions::new()).unwrap();
    fixture.connected().await;
    next_node_up(&mut watcher).await;
    // Three times the silence that would end it.
    match &fixture.network {
        Network::Memory(cluster) => cluster.network.advance(Duration::from_secs(15)),
        _ => drop(smol::Timer::after(Duration::from_millis(1_500)).await),
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    assert!(is_up(&fixture.here, &fixture.there) && is_up(&fixture.there, &fixture.here));
}

async fn f07_a_node_that_is_heard_no_more_is_noconnection(fixture: Fixture) {
    let fixture = fixture.hasty().await;
    let (mut watcher, target) = fixture.processes();
    watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    // The peer still receives, and would answer.
    fixture.hold_back().await;
    noticed(&fixture, &mut watcher).await;
    fixture.watched(&target, 0).await;
}

async fn f10_a_node_that_leaves_is_noconnection_for_all_its_processes(fixture: Fixture) {
    let mut set = fixture.here.monitor_set();
    let targets: Vec<_> = (0..1000).map(|_| fixture.there.process().unwrap()).collect();
    targets.iter().for_each(|target| drop(set.monitor(target.pid()).unwrap()));
    fixture.watched(&targets[999], 1).await;
    fixture.there.stop().await;
    let downs: Vec<_> = set.by_ref().collect().await;
    assert_eq!(downs.len(), 1000);
    assert!(downs.iter().all(|down| no_connection(&down.reason) == EndKind::Left));
    assert_eq!(fixture.here.stats().monitors, 0);
}

async fn f11_a_down_behind_a_full_buffer_is_not_lost(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.hold().await;
    let sent = fixture.fill(&target, &watcher);
    target.exit(ExitReason::Shutdown);
    fixture.release();
    for at in 0..sent {
        assert!(matches!(watcher.recv().await, Some(Event::Message(_))), "message {at} of {sent}");
    }
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Shutdown));
}

async fn f12_no_call_waits_for_a_peer_that_is_held_still(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let early = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.hold().await;
    fixture.fill(&watcher, &target);
    let late: Vec<_> = (0..1000).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    let by_name = watcher.monitor(name("nobody").at(fixture.there.name().clone())).unwrap();
    watcher.demonitor(&early).unwrap();
    for monitor in &late[500..] {
        assert_eq!(watcher.demonitor(monitor), Ok(Demonitored::Active));
    }
    watcher.monitor_node(fixture.there.name()).unwrap();
    watcher.demonitor_node(fixture.there.name()).unwrap();
    watcher.monitor_nodes(NodesOptions::new()).unwrap();
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty), "all calls have returned; nothing was answered");
    fixture.release();
    assert_eq!(expect_down(&mut watcher, &by_name).await, DownReason::NoProc);
    fixture.watched(&target, 500).await;
    drop(target);
    for monitor in &late[..500] {
        assert_eq!(expect_down(&mut watcher, monitor).await, exit(ExitReason::Normal));
    }
    fixture.nothing_left().await;
}

async fn f23_of_two_dials_at_once_there_is_one_session_and_no_end(fixture: Fixture) {
    let mut watchers = [fixture.here.process().unwrap(), fixture.there.process().unwrap()];
    for watcher in &watchers {
        watcher.monitor_nodes(NodesOptions::new()).unwrap();
    }
    for _ in 0..100 {
        fixture.here.connect(fixture.there.name()).unwrap();
        fixture.there.connect(fixture.here.name()).unwrap();
        for watcher in &mut watchers {
            next_node_up(watcher).await;
        }
        // A request over the session arrives over the session.
        fixture.settled().await;
        assert_eq!(
            watchers.each_mut().map(|watcher| watcher.try_recv()),
            [Err(TryRecvError::Empty), Err(TryRecvError::Empty)]
        );
        fixture.here.disconnect(fixture.there.name()).unwrap();
        for watcher in &mut watchers {
            next_node_down(watcher).await;
        }
    }
}

async fn f25_a_restart_ends_the_monitors_of_the_old_life_once(mut fixture: Fixture) {
    let (mut watcher, old) = fixture.processes();
    let monitors: Vec<_> = (0..3).map(|_| watcher.monitor(old.pid()).unwrap()).collect();
    fixture.watched(&old, 3).await;
    fixture.crash();
    fixture.restart().await;
    for monitor in &monitors {
        no_connection(&expect_down(&mut watcher, monitor).await);
    }
    let monitor = watcher.monitor(old.pid()).unwrap();
    assert_eq!(expect_down(&mut watcher, &monitor).await, DownReason::NoProc);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn f26_each_of_a_hundred_thousand_monitors_hears_of_the_cut(fixture: Fixture) {
    const MONITORS: usize = 100_000;
    let target = fixture.there.process().unwrap();
    fixture.connected().await;
    let mut set = fixture.here.monitor_set();
    (0..MONITORS).for_each(|_| drop(set.monitor(target.pid()).unwrap()));
    fixture.arrived(MONITORS).await;
    fixture.sever();
    let downs = set.by_ref().map(|down| no_connection(&down.reason));
    assert_eq!(downs.filter(|kind| std::future::ready(*kind == EndKind::Closed)).count().await, MONITORS);
    fixture.nothing_left().await;
}

async fn f28_unknown_nodes_leave_no_trace(fixture: Fixture) {
    for at in 0..256 {
        let unknown: NodeName = format!("unknown{at}@127.0.0.1").parse().unwrap();
        let monitor = fixture.here.monitor(name("jobs").at(unknown)).unwrap();
        let DownReason::NoConnection(end) = monitor.await.reason else { panic!("nobody is there") };
        assert!(!end.kind.was_session());
    }
    let stats = fixture.here.stats();
    assert_eq!((stats.peers, stats.monitors, stats.waiting, stats.watchers), (0, 0, 0, 0));
    // The next one that is known gets its session.
    fixture.connected().await;
    let target = fixture.there.process().unwrap();
    let monitor = fixture.here.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.cut().await;
    expect_no_connection(monitor, EndKind::Closed).await;
}
