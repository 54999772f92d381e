//! What goes wrong between nodes, and what it means to a monitor: `noconnection`, once, and nothing
//! after it.

use std::time::Duration;

use futures::StreamExt;
use monitor_runtime::{EndKind, NodeName, NodesOptions, prelude::*};

use crate::{
    common::{eventually, expect_no_connection, name, next_down, next_node_down, next_node_up},
    scene::{Network, Scene, exit, expect_down, is_up, no_connection, watchers_of},
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

async fn f02_a_target_that_outlives_its_link_has_no_second_down(scene: Scene) {
    let (mut watcher, target) = scene.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    scene.cut().await;
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::Closed);
    scene.watched(&target, 0).await;
    scene.connected().await;
    drop(target);
    scene.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn f03_a_node_that_is_killed_is_noconnection(scene: Scene) {
    let (mut watcher, target) = scene.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    scene.crash();
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::Closed);
}

/// That a silence is noticed once it is long enough, and what the `Down` says of it.
async fn noticed(scene: &Scene, watcher: &mut Process) {
    if let Network::Memory(cluster) = &scene.network {
        cluster.network.advance(Duration::from_millis(4_999));
        assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty), "not before its time");
        cluster.network.advance(Duration::from_millis(1));
    }
    let DownReason::NoConnection(end) = next_down(watcher).await.reason else { panic!("the target lives") };
    let timeout = if matches!(scene.network, Network::Memory(_)) { 5_000 } else { 500 };
    assert_eq!(end.kind, EndKind::Timeout);
    assert!(end.silent_for().unwrap() >= Duration::from_millis(timeout), "{end}");
}

async fn f04_a_node_that_is_stopped_in_its_tracks_is_noconnection(scene: Scene) {
    let scene = scene.hasty().await;
    let (mut watcher, target) = scene.processes();
    watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    stop_in_its_tracks(&scene).await;
    noticed(&scene, &mut watcher).await;
}

async fn stop_in_its_tracks(scene: &Scene) {
    match &scene.network {
        Network::Memory(cluster) => cluster.freeze(&scene.there),
        _ => scene.hold().await,
    }
}

fn go_on(scene: &Scene) {
    match &scene.network {
        Network::Memory(cluster) => cluster.thaw(&scene.there),
        _ => scene.release(),
    }
}

async fn f05_a_node_that_goes_on_sees_the_loss_too_and_both_connect_again(scene: Scene) {
    let scene = scene.hasty().await;
    let (mut watcher, mut target) = scene.processes();
    watcher.monitor(target.pid()).unwrap();
    target.monitor(watcher.pid()).unwrap();
    scene.watched(&target, 1).await;
    eventually("both are watched", || watchers_of(&scene.here, watcher.pid()) == 1).await;
    stop_in_its_tracks(&scene).await;
    scene.silence_passes();
    no_connection(&next_down(&mut watcher).await.reason);
    go_on(&scene);
    no_connection(&next_down(&mut target).await.reason);
    scene.disconnected().await;
    scene.connected().await;
    scene.settled().await;
}

async fn f06_an_idle_link_stays_up(scene: Scene) {
    let scene = scene.hasty().await;
    let mut watcher = scene.here.process().unwrap();
    watcher.monitor_nodes(NodesOptions::new()).unwrap();
    scene.connected().await;
    next_node_up(&mut watcher).await;
    // Three times the silence that would end it.
    match &scene.network {
        Network::Memory(cluster) => cluster.network.advance(Duration::from_secs(15)),
        _ => drop(smol::Timer::after(Duration::from_millis(1_500)).await),
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    assert!(is_up(&scene.here, &scene.there) && is_up(&scene.there, &scene.here));
}

async fn f07_a_node_that_is_heard_no_more_is_noconnection(scene: Scene) {
    let scene = scene.hasty().await;
    let (mut watcher, target) = scene.processes();
    watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    // It still hears us, and would answer.
    scene.hold_back().await;
    noticed(&scene, &mut watcher).await;
    scene.watched(&target, 0).await;
}

async fn f10_a_node_that_leaves_is_noconnection_for_all_its_processes(scene: Scene) {
    let mut set = scene.here.monitor_set().unwrap();
    let targets: Vec<_> = (0..1000).map(|_| scene.there.process().unwrap()).collect();
    targets.iter().for_each(|target| drop(set.add(target.pid()).unwrap()));
    scene.watched(&targets[999], 1).await;
    scene.there.stop().await;
    let downs: Vec<_> = set.by_ref().collect().await;
    assert_eq!(downs.len(), 1000);
    assert!(downs.iter().all(|down| no_connection(&down.reason) == EndKind::Left));
    assert_eq!(scene.here.stats().monitors, 0);
}

async fn f11_a_down_behind_a_full_buffer_is_not_lost(scene: Scene) {
    let (mut watcher, target) = scene.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    scene.hold().await;
    let sent = scene.fill(&target, &watcher);
    target.exit(ExitReason::Shutdown);
    scene.release();
    for at in 0..sent {
        assert!(matches!(watcher.recv().await, Some(Event::Message(_))), "message {at} of {sent}");
    }
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Shutdown));
}

async fn f12_no_call_waits_for_a_peer_that_is_held_still(scene: Scene) {
    let (mut watcher, target) = scene.processes();
    let early = watcher.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    scene.hold().await;
    scene.fill(&watcher, &target);
    let late: Vec<_> = (0..1000).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    let by_name = watcher.monitor(name("nobody").at(scene.there.name().clone())).unwrap();
    watcher.demonitor(&early).unwrap();
    late[500..].iter().for_each(|monitor| assert_eq!(watcher.demonitor(monitor), Ok(true)));
    watcher.monitor_node(scene.there.name()).unwrap();
    watcher.demonitor_node(scene.there.name()).unwrap();
    watcher.monitor_nodes(NodesOptions::new()).unwrap();
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty), "all calls have returned; nothing was answered");
    scene.release();
    assert_eq!(expect_down(&mut watcher, &by_name).await, DownReason::NoProc);
    scene.watched(&target, 500).await;
    drop(target);
    for monitor in &late[..500] {
        assert_eq!(expect_down(&mut watcher, monitor).await, exit(ExitReason::Normal));
    }
    scene.nothing_left().await;
}

async fn f23_of_two_dials_at_once_there_is_one_session_and_no_end(scene: Scene) {
    let mut watchers = [scene.here.process().unwrap(), scene.there.process().unwrap()];
    for watcher in &watchers {
        watcher.monitor_nodes(NodesOptions::new()).unwrap();
    }
    for _ in 0..100 {
        scene.here.connect(scene.there.name()).unwrap();
        scene.there.connect(scene.here.name()).unwrap();
        for watcher in &mut watchers {
            next_node_up(watcher).await;
        }
        // What is asked over the session arrives over the session.
        scene.settled().await;
        assert_eq!(
            watchers.each_mut().map(|watcher| watcher.try_recv()),
            [Err(TryRecvError::Empty), Err(TryRecvError::Empty)]
        );
        scene.here.disconnect(scene.there.name()).unwrap();
        for watcher in &mut watchers {
            next_node_down(watcher).await;
        }
    }
}

async fn f25_a_restart_ends_the_monitors_of_the_old_life_once(mut scene: Scene) {
    let (mut watcher, old) = scene.processes();
    let monitors: Vec<_> = (0..3).map(|_| watcher.monitor(old.pid()).unwrap()).collect();
    scene.watched(&old, 3).await;
    scene.crash();
    scene.restart().await;
    for monitor in &monitors {
        no_connection(&expect_down(&mut watcher, monitor).await);
    }
    let monitor = watcher.monitor(old.pid()).unwrap();
    assert_eq!(expect_down(&mut watcher, &monitor).await, DownReason::NoProc);
    scene.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn f26_each_of_a_hundred_thousand_monitors_hears_of_the_cut(scene: Scene) {
    const MONITORS: usize = 100_000;
    let target = scene.there.process().unwrap();
    scene.connected().await;
    let mut set = scene.here.monitor_set().unwrap();
    (0..MONITORS).for_each(|_| drop(set.add(target.pid()).unwrap()));
    scene.arrived(MONITORS).await;
    scene.sever();
    let downs = set.by_ref().map(|down| no_connection(&down.reason));
    assert_eq!(downs.filter(|kind| std::future::ready(*kind == EndKind::Closed)).count().await, MONITORS);
    scene.nothing_left().await;
}

async fn f28_unknown_nodes_leave_no_trace(scene: Scene) {
    for at in 0..256 {
        let unknown: NodeName = format!("unknown{at}@127.0.0.1").parse().unwrap();
        let monitor = scene.here.monitor(name("jobs").at(unknown)).unwrap();
        let DownReason::NoConnection(end) = monitor.await.reason else { panic!("nobody is there") };
        assert!(!end.kind.was_session());
    }
    let stats = scene.here.stats();
    assert_eq!((stats.peers, stats.monitors, stats.waiting, stats.watchers), (0, 0, 0, 0));
    // The next one that is known gets its session.
    scene.connected().await;
    let target = scene.there.process().unwrap();
    let monitor = scene.here.monitor(target.pid()).unwrap();
    scene.watched(&target, 1).await;
    scene.cut().await;
    expect_no_connection(monitor, EndKind::Closed).await;
}
