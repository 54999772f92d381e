//! Monitors of processes: `erlang:monitor(process, …)`.

use futures::{FutureExt, channel::oneshot};
use monitor_runtime::{
    Connect, Demonitored, EndKind, Incarnation, MonitorRef, NodeId, NodeType, TryRecvError, prelude::*,
};

use crate::{
    common::{eventually, name, next_down, panic_quietly},
    fixture::{Fixture, exit, expect_down, no_connection, watchers_of},
};

cases! {
    p01_a_process_that_returns_has_exited_normally: local;
    p02_a_reason_of_ones_own_comes_verbatim: local, tcp;
    p03_a_reason_of_64_kib_comes_byte_for_byte: local, tcp;
    p04_a_dead_process_is_noproc: local;
    p05_a_remote_process_that_returns_has_exited_normally: memory, tcp;
    p06_the_reason_of_a_remote_process_comes_verbatim: memory, tcp;
    p07_a_dead_remote_process_is_noproc: memory, tcp;
    p08_a_node_that_stops_is_noconnection: memory, tcp;
    p09_a_process_of_a_node_that_is_gone_is_noconnection: memory, tcp;
    p10_a_process_that_is_killed_has_exited_as_killed: local, tcp;
    p11_a_process_that_panics_has_exited_with_its_text: local, tcp;
    p14_each_of_several_monitors_has_a_down_of_its_own: local, tcp;
    p15_each_of_many_watchers_hears_once: local, tcp;
    p16_a_watcher_that_dies_is_no_watcher_any_more: local;
    p17_a_remote_watcher_that_dies_is_no_watcher_any_more: memory, tcp;
    p18_a_watcher_whose_node_crashes_is_no_watcher_any_more: memory, tcp;
    p19_nothing_is_left_after_a_down: local, tcp;
    p20_to_monitor_oneself_never_fires: local;
    p21_to_monitor_ones_own_name_never_fires: local;
    p22_a_pid_of_an_earlier_life_of_the_own_node_is_noproc_at_once: local;
    p23_a_pid_of_an_earlier_life_of_another_node_is_noproc: memory, tcp;
    p24_monitors_and_watchers_are_listed_as_often_as_they_are: local, tcp;
    p30_a_node_that_says_nothing_is_noconnection_and_the_call_does_not_wait: memory, tcp;
    p33_a_connection_is_made_on_demand_and_a_down_comes_with_the_end_only: memory, tcp;
    p34_without_a_connection_and_without_demand_the_answer_comes_at_once: memory, tcp;
    p35_a_thousand_tagged_monitors_of_an_idle_watcher_come_out_whole: local, tcp;
}

async fn p01_a_process_that_returns_has_exited_normally(fixture: Fixture) {
    let (_, monitor) = fixture.here.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
    assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
}

async fn p02_a_reason_of_ones_own_comes_verbatim(fixture: Fixture) {
    let (mut watcher, _) = fixture.processes();
    for reason in [ExitReason::other("the disk is full"), ExitReason::Shutdown] {
        let target = fixture.there.process().unwrap();
        let monitor = watcher.monitor(target.pid()).unwrap();
        fixture.watched(&target, 1).await;
        target.exit(reason.clone());
        assert_eq!(expect_down(&mut watcher, &monitor).await, exit(reason));
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn p03_a_reason_of_64_kib_comes_byte_for_byte(fixture: Fixture) {
    let (mut watcher, _) = fixture.processes();
    for seed in 0..100u32 {
        let bytes: Vec<u8> = (0..ExitReason::MAX_LEN as u32).map(|i| (i * 31 + seed) as u8).collect();
        let target = fixture.there.process().unwrap();
        let monitor = watcher.monitor(target.pid()).unwrap();
        fixture.watched(&target, 1).await;
        target.exit(ExitReason::other(bytes.clone()));
        assert!(expect_down(&mut watcher, &monitor).await == exit(ExitReason::other(bytes)));
    }
    // A longer one is cut where it is made, and a text not within a character.
    let bytes = vec![0xff; ExitReason::MAX_LEN];
    let text = "-".repeat(ExitReason::MAX_LEN - 1);
    let longer = [bytes.clone(), text.clone().into()].map(|whole| [whole, "é".into()].concat());
    for (whole, cut) in longer.into_iter().zip([bytes, text.into()]) {
        let target = fixture.there.process().unwrap();
        let monitor = watcher.monitor(target.pid()).unwrap();
        fixture.watched(&target, 1).await;
        target.exit(ExitReason::other(whole));
        let DownReason::Exit(ExitReason::Other(reason)) = expect_down(&mut watcher, &monitor).await else {
            panic!("a reason of its own")
        };
        assert!(reason == cut[..], "{} bytes", reason.len());
    }
}

async fn p04_a_dead_process_is_noproc(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let pid = target.pid().clone();
    drop(target);
    let monitor = watcher.monitor(&pid).unwrap();
    assert_eq!(expect_down(&mut watcher, &monitor).await, DownReason::NoProc);
}

async fn p05_a_remote_process_that_returns_has_exited_normally(fixture: Fixture) {
    let (go, wait) = oneshot::channel::<()>();
    let returns = |_mailbox| async {
        let _ = wait.await;
        Ok(())
    };
    let pid = fixture.there.spawn(returns).unwrap();
    let monitor = fixture.here.monitor(&pid).unwrap();
    eventually("it is monitored", || watchers_of(&fixture.there, &pid) == 1).await;
    go.send(()).unwrap();
    assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
}

async fn p06_the_reason_of_a_remote_process_comes_verbatim(fixture: Fixture) {
    let compound = [0, 1, 0xff, b'{', b'}', 0];
    for reason in [ExitReason::other("frop"), ExitReason::other(compound)] {
        let (mut watcher, target) = fixture.processes();
        let monitor = watcher.monitor(target.pid()).unwrap();
        fixture.watched(&target, 1).await;
        target.exit(reason.clone());
        assert_eq!(expect_down(&mut watcher, &monitor).await, exit(reason));
    }
}

async fn p07_a_dead_remote_process_is_noproc(fixture: Fixture) {
    p04_a_dead_process_is_noproc(fixture).await;
}

async fn p08_a_node_that_stops_is_noconnection(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    fixture.there.stop().await;
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::Left);
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn p09_a_process_of_a_node_that_is_gone_is_noconnection(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    fixture.connected().await;
    fixture.crash();
    eventually("it is gone", || fixture.here.nodes(NodeType::All).is_empty()).await;
    let monitor = watcher.monitor(target.pid()).unwrap();
    assert!(!no_connection(&expect_down(&mut watcher, &monitor).await).was_session());
}

async fn p10_a_process_that_is_killed_has_exited_as_killed(fixture: Fixture) {
    let pid = fixture.there.spawn(|_mailbox| std::future::pending()).unwrap();
    let monitor = fixture.here.monitor(&pid).unwrap();
    eventually("it is monitored", || watchers_of(&fixture.there, &pid) == 1).await;
    assert!(fixture.there.kill(&pid).unwrap());
    assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
}

async fn p11_a_process_that_panics_has_exited_with_its_text(fixture: Fixture) {
    panic_quietly();
    let (go, wait) = oneshot::channel::<()>();
    let panics = |_mailbox| async {
        let _ = wait.await;
        panic!("the {} is full", "disk")
    };
    let pid = fixture.there.spawn(panics).unwrap();
    let monitor = fixture.here.monitor(&pid).unwrap();
    eventually("it is monitored", || watchers_of(&fixture.there, &pid) == 1).await;
    go.send(()).unwrap();
    assert_eq!(monitor.await.reason, exit(ExitReason::panicked("the disk is full")));
}

async fn p14_each_of_several_monitors_has_a_down_of_its_own(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitors: Vec<_> = (0..4).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.watched(&target, 4).await;
    drop(target);
    for monitor in &monitors {
        assert_eq!(expect_down(&mut watcher, monitor).await, exit(ExitReason::Normal));
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn p15_each_of_many_watchers_hears_once(fixture: Fixture) {
    let target = fixture.there.process().unwrap();
    let mut watchers: Vec<_> = (0..100).map(|_| fixture.here.process().unwrap()).collect();
    let monitors: Vec<_> = watchers.iter().map(|watcher| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.watched(&target, 100).await;
    target.exit(ExitReason::Shutdown);
    for (watcher, monitor) in watchers.iter_mut().zip(&monitors) {
        assert_eq!(expect_down(watcher, monitor).await, exit(ExitReason::Shutdown));
    }
    fixture.settled().await;
    assert!(watchers.iter_mut().all(|watcher| watcher.try_recv() == Err(TryRecvError::Empty)));
}

async fn p16_a_watcher_that_dies_is_no_watcher_any_more(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    (0..10).for_each(|_| drop(watcher.monitor(target.pid()).unwrap()));
    fixture.watched(&target, 10).await;
    drop(watcher);
    fixture.watched(&target, 0).await;
    assert!(fixture.there.is_process_alive(target.pid()));
    fixture.nothing_left().await;
}

async fn p17_a_remote_watcher_that_dies_is_no_watcher_any_more(fixture: Fixture) {
    p16_a_watcher_that_dies_is_no_watcher_any_more(fixture).await;
}

async fn p18_a_watcher_whose_node_crashes_is_no_watcher_any_more(fixture: Fixture) {
    // Here the watcher is on `there`, so that its node can crash.
    let (mut target, watcher) = fixture.processes();
    fixture.connected().await;
    watcher.monitor(target.pid()).unwrap();
    eventually("it is monitored", || watchers_of(&fixture.here, target.pid()) == 1).await;
    fixture.crash();
    eventually("the watcher is forgotten", || watchers_of(&fixture.here, target.pid()) == 0).await;
    assert_eq!(fixture.here.stats().incoming_monitors, 0);
    assert_eq!(target.try_recv(), Err(TryRecvError::Empty), "it is nothing to the target");
}

async fn p19_nothing_is_left_after_a_down(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    drop(target);
    expect_down(&mut watcher, &monitor).await;
    assert!(watcher.monitors().is_empty());
    fixture.nothing_left().await;
}

async fn p20_to_monitor_oneself_never_fires(fixture: Fixture) {
    let mut own = fixture.here.process().unwrap();
    let monitor = own.monitor(own.pid().clone()).unwrap();
    never_fires(&mut own, &monitor);
}

async fn p21_to_monitor_ones_own_name_never_fires(fixture: Fixture) {
    let mut own = fixture.here.process().unwrap();
    own.register(name("own")).unwrap();
    let monitor = own.monitor(name("own").at(fixture.here.name().clone())).unwrap();
    never_fires(&mut own, &monitor);
}

fn never_fires(own: &mut Process, monitor: &MonitorRef) {
    assert!(own.monitors().is_empty());
    assert_eq!(watchers_of(own.node(), own.pid()), 0);
    assert_eq!(own.demonitor(monitor), Ok(Demonitored::Unknown));
    assert_eq!(own.try_recv(), Err(TryRecvError::Empty));
}

async fn p22_a_pid_of_an_earlier_life_of_the_own_node_is_noproc_at_once(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let earlier = Incarnation::new(fixture.here.id().incarnation.get() ^ 2).unwrap();
    let earlier = NodeId::new(fixture.here.name().clone(), earlier);
    // Its number belongs to a live process.
    let monitor = watcher.monitor(Pid::new(earlier, target.pid().serial())).unwrap();
    let Ok(Event::Down(down)) = watcher.try_recv() else { panic!("the own node knows at once") };
    assert_eq!((down.monitor, down.reason), (monitor, DownReason::NoProc));
    assert_eq!(fixture.here.stats().peers, 0, "nobody was asked");
}

async fn p23_a_pid_of_an_earlier_life_of_another_node_is_noproc(mut fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    fixture.connected().await;
    fixture.crash();
    eventually("it is gone", || fixture.here.nodes(NodeType::All).is_empty()).await;
    fixture.restart().await;
    let same_number = fixture.there.process().unwrap();
    assert_eq!(same_number.pid().serial(), target.pid().serial());
    let monitor = watcher.monitor(target.pid()).unwrap();
    assert_eq!(expect_down(&mut watcher, &monitor).await, DownReason::NoProc);
    assert_eq!(watchers_of(&fixture.there, same_number.pid()), 0);
}

async fn p24_monitors_and_watchers_are_listed_as_often_as_they_are(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    let monitors: Vec<_> = (0..3).map(|_| watcher.monitor(target.pid()).unwrap()).collect();
    fixture.watched(&target, 3).await;
    let of_target = |monitor: &MonitorRef| (monitor.clone(), Target::from(target.pid()));
    assert_eq!(watcher.monitors(), monitors.iter().map(of_target).collect::<Vec<_>>());
}

async fn p30_a_node_that_says_nothing_is_noconnection_and_the_call_does_not_wait(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    fixture.hold().await;
    // The network is held still until the call has returned, so a call that waited would not
    // return.
    let monitor = watcher.monitor(target.pid()).unwrap();
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.silence_passes();
    assert_eq!(no_connection(&expect_down(&mut watcher, &monitor).await), EndKind::SetupTimeout);
    fixture.release();
}

async fn p33_a_connection_is_made_on_demand_and_a_down_comes_with_the_end_only(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    assert_eq!(fixture.here.stats().sessions, 0);
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    assert_eq!((fixture.here.stats().sessions, watcher.try_recv()), (1, Err(TryRecvError::Empty)));
    drop(target);
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Normal));
}

async fn p34_without_a_connection_and_without_demand_the_answer_comes_at_once(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let never = MonitorOptions::new().connect(Connect::Never);
    let monitor = watcher.monitor_with(target.pid(), never).unwrap();
    let Some(Event::Down(down)) = watcher.recv().now_or_never().flatten() else { panic!("at once") };
    assert_eq!((down.monitor, no_connection(&down.reason)), (monitor, EndKind::NotConnected));
    let stats = fixture.here.stats();
    assert_eq!((stats.peers, stats.waiting), (0, 0), "nothing was dialled");

    fixture.connected().await;
    watcher.monitor_with(target.pid(), never).unwrap();
    fixture.watched(&target, 1).await;
}

async fn p35_a_thousand_tagged_monitors_of_an_idle_watcher_come_out_whole(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let targets: Vec<_> = (0..1000).map(|_| fixture.there.process().unwrap()).collect();
    let mut expected = Vec::new();
    for (tag, target) in (1_000_000..).zip(&targets) {
        let monitor = watcher.monitor_with(target.pid(), MonitorOptions::new().tag(tag)).unwrap();
        expected.push((monitor, Target::from(target.pid()), tag));
    }
    fixture.watched(&targets[999], 1).await;
    drop(targets);
    let mut told = Vec::new();
    for _ in 0..1000 {
        let down = next_down(&mut watcher).await;
        assert_eq!(down.reason, exit(ExitReason::Normal));
        told.push((down.monitor, down.target, down.tag));
    }
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}
