//! Misuse of the API, and its effect.

use std::thread;

use monitor_runtime::{Demonitored, NodeDownSource, TryRecvError, prelude::*};

use crate::{
    common::{eventually, next_down, next_node_down, next_node_up},
    fixture::{Fixture, exit, no_connection},
};

cases! {
    m04_a_watcher_that_does_not_receive_loses_nothing_and_holds_up_nobody: local, tcp;
    m06_a_demonitor_from_another_thread_counts: local, tcp;
    m07_monitors_made_and_taken_back_for_ever_leave_nothing: local, tcp;
    m09_a_process_its_node_and_all_nodes_are_watched_independently: memory, tcp;
}

async fn m04_a_watcher_that_does_not_receive_loses_nothing_and_holds_up_nobody(fixture: Fixture) {
    const MONITORS: usize = 100_000;
    let (mut stuck, target) = fixture.processes();
    fixture.connected().await;
    (0..MONITORS).for_each(|_| drop(stuck.monitor(target.pid()).unwrap()));
    fixture.arrived(MONITORS).await;
    drop(target);
    eventually("all have fired", || fixture.here.stats().fired == MONITORS).await;
    let inspect = fixture.here.inspect();
    let waiting = inspect.processes.iter().find(|process| process.pid == *stuck.pid()).unwrap().waiting;
    assert_eq!(waiting, MONITORS, "as many as it had monitors");
    let other = fixture.there.process().unwrap();
    let monitor = fixture.here.monitor(other.pid()).unwrap();
    fixture.watched(&other, 1).await;
    drop(other);
    assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
    for _ in 0..MONITORS {
        assert_eq!(next_down(&mut stuck).await.reason, exit(ExitReason::Normal));
    }
    assert_eq!((stuck.try_recv(), fixture.here.stats().fired), (Err(TryRecvError::Empty), 0));
}

async fn m06_a_demonitor_from_another_thread_counts(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    let handle = fixture.here.monitor(target.pid()).unwrap();
    fixture.watched(&target, 2).await;
    thread::scope(|scope| {
        let demonitored = scope.spawn(|| watcher.demonitor(&monitor)).join().unwrap();
        assert_eq!(demonitored, Ok(Demonitored::Active));
        scope.spawn(|| drop(handle));
    });
    fixture.watched(&target, 0).await;
    drop(target);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.nothing_left().await;
}

async fn m07_monitors_made_and_taken_back_for_ever_leave_nothing(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    fixture.connected().await;
    for _ in 0..100_000 {
        let monitor = watcher.monitor(target.pid()).unwrap();
        assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Active));
    }
    fixture.watched(&target, 0).await;
    fixture.nothing_left().await;
    let inspect = fixture.here.inspect();
    assert!(inspect.processes.iter().all(|process| process.waiting == 0 && process.monitors == 0));
}

async fn m09_a_process_its_node_and_all_nodes_are_watched_independently(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    watcher.monitor_nodes(NodesOptions::new()).unwrap();
    watcher.monitor_node(fixture.there.name()).unwrap();
    watcher.monitor_node(fixture.here.name()).unwrap();
    watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    next_node_up(&mut watcher).await;
    fixture.cut().await;
    no_connection(&next_down(&mut watcher).await.reason);
    let told = [next_node_down(&mut watcher).await, next_node_down(&mut watcher).await];
    for source in [NodeDownSource::MonitorNode, NodeDownSource::MonitorNodes(NodesOptions::new())] {
        assert_eq!(told.iter().filter(|down| down.source == source).count(), 1);
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty), "one of each, and nothing of the own node");

    // Ending one of them leaves the others.
    watcher.monitor(target.pid()).unwrap();
    watcher.monitor_node(fixture.there.name()).unwrap();
    fixture.watched(&target, 1).await;
    next_node_up(&mut watcher).await;
    watcher.demonitor_node(fixture.there.name()).unwrap();
    fixture.cut().await;
    no_connection(&next_down(&mut watcher).await.reason);
    let down = next_node_down(&mut watcher).await;
    assert_eq!(down.source, NodeDownSource::MonitorNodes(NodesOptions::new()));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}
