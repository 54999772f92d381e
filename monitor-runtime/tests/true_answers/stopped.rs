//! The notices of a stop, and the state after it.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, channel::oneshot};
use monitor_runtime::{AliasMode, Demonitored, EndKind, Stats, prelude::*, test_util::run_all_on};

use crate::common::{Cluster, eventually, expect_no_connection, next_down, run};

fn local_shutdown() -> DownReason {
    DownReason::NoConnection(EndKind::LocalShutdown.into())
}

/// Checks that a stop has left nothing but that many unread `Down`s.
#[track_caller]
fn assert_empty(stats: &Stats, fired: usize) {
    let tables = [
        stats.sessions,
        stats.monitors,
        stats.incoming_monitors,
        stats.aliases,
        stats.node_monitors,
        stats.nodes_subscriptions,
        stats.waiting,
        stats.waiting_bytes,
        stats.addresses,
        stats.backlog,
    ];
    assert_eq!((tables, stats.fired), ([0; 10], fired), "{stats:?}");
    if fired == 0 {
        assert_eq!(stats.peers, 0, "{stats:?}");
    }
}

#[test]
fn m11_after_a_stop_monitors_on_guards_have_ended() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (guard, remote) = (a.process().unwrap(), b.process().unwrap());
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new()).unwrap();
        watcher.monitor_node(b.name()).unwrap();
        let local = watcher.monitor(guard.pid()).unwrap();
        let alias = MonitorOptions::new().alias(AliasMode::ExplicitUnalias);
        let aliased = watcher.monitor_with(guard.pid(), alias).unwrap();
        let on_remote = watcher.monitor(remote.pid()).unwrap();
        let monitor = a.monitor(guard.pid()).unwrap();
        let mut set = a.monitor_set();
        for _ in 0..1000 {
            set.monitor(guard.pid()).unwrap();
        }
        let never_seen = a.monitor(guard.pid()).unwrap();
        cluster.settle(&a, &b).await;

        a.stop().await;
        assert_empty(&a.stats(), 1005);
        assert!(a.inspect().sessions.is_empty() && a.is_process_alive(guard.pid()));
        let mut downs = Vec::new();
        while let Some(event) = watcher.recv().await {
            if let Event::Down(down) = event {
                assert_eq!(down.reason, local_shutdown());
                downs.push(down.monitor);
            }
        }
        assert_eq!(downs, [on_remote, local, aliased], "then the mailbox closes");
        assert_eq!(watcher.monitors(), []);
        expect_no_connection(monitor, EndKind::LocalShutdown).await;
        assert_eq!(never_seen.demonitor(), Demonitored::Fired);
        for _ in 0..1000 {
            assert_eq!(set.next().await.unwrap().reason, local_shutdown());
        }
        assert_eq!(set.next().await, None);
        assert_empty(&a.stats(), 0);
        // No watcher is notified twice.
        drop(guard);
        assert_empty(&a.stats(), 0);
        drop((watcher, set));
        assert_eq!((a.stats().processes, a.stats().watchers), (0, 0));
    });
}

#[test]
fn m11_a_call_that_waits_over_a_stop_is_answered() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let asks = a.process().unwrap();
        for target in [a.process().unwrap(), b.process().unwrap()] {
            let mut by_process = Box::pin(asks.call(target.pid(), "?").timeout(Duration::MAX));
            let mut by_node = Box::pin(a.call(target.pid(), "?").timeout(Duration::MAX));
            assert!((&mut by_process).now_or_never().is_none() && (&mut by_node).now_or_never().is_none());
            if *target.pid().node() == *b.id() {
                a.stop().await;
                for answer in [by_process.await, by_node.await] {
                    let Err(CallError::Down(down)) = answer else { panic!("{answer:?}") };
                    assert_eq!(down.reason, local_shutdown());
                }
                let called = asks.call(target.pid(), "?").await;
                assert_eq!(called, Err(CallError::NotAlive(target.pid().into())));
                assert_empty(&a.stats(), 0);
            }
        }

        let a = cluster.node("c").await;
        let (asks, target) = (a.process().unwrap(), a.process().unwrap());
        let mut call = Box::pin(asks.call(target.pid(), "?").timeout(Duration::MAX));
        assert!((&mut call).now_or_never().is_none());
        a.stop().await;
        let answer = call.await;
        let Err(CallError::Down(down)) = answer else { panic!("{answer:?}") };
        assert_eq!(down.reason, local_shutdown());
        assert_empty(&a.stats(), 0);
    });
}

/// The order in which a guard with many monitors on it is dropped and the node is stopped.
#[derive(Clone, Copy, Debug)]
enum Order {
    GuardThenStop,
    StopThenGuard,
    StopThenSet,
    /// The first batch of `Down`s was delivered, and the rest is pending.
    GuardThenSetThenStop,
}

#[test]
fn m12_whatever_is_dropped_around_a_stop_every_down_comes_and_no_row_stays() {
    const MONITORS: usize = 1000;
    run(async {
        let orders =
            [Order::GuardThenStop, Order::StopThenGuard, Order::StopThenSet, Order::GuardThenSetThenStop];
        for order in orders {
            for on_the_nodes_thread in [false, true] {
                let a = Cluster::new().node("a").await;
                let guard = a.process().unwrap();
                let mut set = a.monitor_set();
                for _ in 0..MONITORS {
                    set.monitor(guard.pid()).unwrap();
                }
                let node = a.clone();
                let act = async move {
                    let mut left = (Some(guard), Some(set));
                    match order {
                        Order::GuardThenStop => {
                            left.0 = None;
                            node.stop().await;
                        }
                        Order::StopThenGuard => {
                            node.stop().await;
                            left.0 = None;
                        }
                        Order::StopThenSet => {
                            node.stop().await;
                            left.1 = None;
                        }
                        Order::GuardThenSetThenStop => {
                            left = (None, None);
                            node.stop().await;
                        }
                    }
                    left
                };
                let (_guard, set) = if on_the_nodes_thread {
                    let (done, is_done) = oneshot::channel();
                    // A task of the node that is no process, because a stop kills processes.
                    let spawned = a.spawn(|mailbox| async move {
                        let inner = mailbox.node().clone();
                        drop(mailbox);
                        drop(inner);
                        let _ = done.send(act.await);
                        Ok(())
                    });
                    let pid = spawned.unwrap();
                    match is_done.await {
                        Ok(left) => left,
                        // The stop has killed the process that waits for it, and dropped what it
                        // held.
                        Err(_) => {
                            a.stop().await;
                            assert!(!a.is_process_alive(&pid));
                            (None, None)
                        }
                    }
                } else {
                    act.await
                };
                let told = if let Some(mut set) = set {
                    let reason = if matches!(order, Order::GuardThenStop) {
                        DownReason::Exit(ExitReason::Normal)
                    } else {
                        local_shutdown()
                    };
                    let mut told = 0;
                    while let Some(down) = set.next().await {
                        assert_eq!(down.reason, reason, "{order:?}");
                        told += 1;
                    }
                    Some(told)
                } else {
                    None
                };
                assert!(told.is_none_or(|told| told == MONITORS), "{order:?}: {told:?}");
                assert_empty(&a.stats(), 0);
            }
        }
    });
}

/// As [`m12_whatever_is_dropped_around_a_stop_every_down_comes_and_no_row_stays`], where the node's
/// own thread is this one.
#[test]
fn m12_a_stop_from_a_task_of_the_nodes_executor_leaves_nothing() {
    const MONITORS: usize = 1000;
    run(async {
        let shared = Arc::new(smol::Executor::new());
        let weak = Arc::downgrade(&shared);
        let spawner = Arc::new(move |task| {
            if let Some(shared) = weak.upgrade() {
                shared.spawn(task).detach();
            }
        });
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| run_all_on(config, spawner)).await;
        let guard = a.process().unwrap();
        let mut set = a.monitor_set();
        for _ in 0..MONITORS {
            set.monitor(guard.pid()).unwrap();
        }
        let node = a.clone();
        let task = shared.spawn(async move {
            // The first batch was delivered, and the others wait in the backlog, which the stop
            // works off.
            drop(guard);
            node.stop().await;
        });
        shared.run(task).await;
        // No task of the node runs any more.
        drop(shared);
        let mut told = 0;
        while let Some(down) = set.next().await {
            assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
            told += 1;
        }
        assert_eq!(told, MONITORS);
        assert_empty(&a.stats(), 0);
    });
}

#[test]
fn m12_a_node_whose_executor_is_gone_is_stopped_all_the_same() {
    const MONITORS: usize = 1000;
    run(async {
        let drops = |config: Config| config.spawner(Arc::new(drop));
        let a = Cluster::new().node_with("a", drops).await;
        let guard = a.process().unwrap();
        let mut watcher = a.process().unwrap();
        for _ in 0..MONITORS {
            watcher.monitor(guard.pid()).unwrap();
        }
        a.stop().await;
        for _ in 0..MONITORS {
            assert_eq!(next_down(&mut watcher).await.reason, local_shutdown());
        }
        assert_eq!(watcher.recv().await, None);
        drop(guard);
        assert_empty(&a.stats(), 0);
    });
}

#[test]
fn downs_that_nobody_receives_before_the_stop_stay_readable_and_then_nothing_is_left() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut watcher = a.process().unwrap();
        let targets: Vec<_> = (0..1000).map(|_| a.process().unwrap()).collect();
        targets.iter().for_each(|target| drop(watcher.monitor(target.pid()).unwrap()));
        drop(targets);
        eventually("all have fired", || a.stats().fired == 1000).await;
        a.stop().await;
        assert_empty(&a.stats(), 1000);
        for left in (500..1000).rev() {
            assert_eq!(next_down(&mut watcher).await.reason, DownReason::Exit(ExitReason::Normal));
            assert_eq!(a.stats().fired, left);
        }
        // Its exit works off the rest itself, because the backlog task has ended.
        drop(watcher);
        assert_empty(&a.stats(), 0);
    });
}
