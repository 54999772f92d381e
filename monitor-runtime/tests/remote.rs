//! Monitors of processes on other nodes.

mod common;

use std::time::Duration;

use common::{Cluster, eventually, expect_exit, expect_no_connection, panic_quietly, run};
use futures::{FutureExt, StreamExt, channel::oneshot};
use monitor_runtime::{Connect, EndKind, NodeType, prelude::*};

#[test]
fn the_reason_arrives_as_the_process_ended() {
    panic_quietly();
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let long = vec![0xAB; ExitReason::MAX_LEN];
        let reasons = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::Killed,
            ExitReason::panicked("a text"),
            ExitReason::panicked("t".repeat(ExitReason::MAX_LEN)),
            ExitReason::other("mine"),
            ExitReason::other(long),
        ];
        for reason in reasons {
            let target = b.process().unwrap();
            let monitor = a.monitor(target.pid()).unwrap();
            cluster.settle(&a, &b).await;
            target.exit(reason.clone());
            expect_exit(monitor, reason).await;
        }
        let (go, wait) = oneshot::channel::<()>();
        let pid = b
            .spawn(|_mailbox| async {
                let _ = wait.await;
                panic!("far away")
            })
            .unwrap();
        let monitor = a.monitor(pid).unwrap();
        cluster.settle(&a, &b).await;
        go.send(()).unwrap();
        expect_exit(monitor, ExitReason::panicked("far away")).await;
    });
}

#[test]
fn there_is_no_connection_until_something_demands_one() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();

        let never = MonitorOptions::new().connect(Connect::Never).tag(3);
        let down = a.monitor_with(target.pid(), never).unwrap().now_or_never().expect("at once");
        assert_eq!(down.reason, DownReason::NoConnection(EndKind::NotConnected.into()));
        assert_eq!(down.tag, 3);
        assert!(a.nodes(NodeType::All).is_empty() && b.nodes(NodeType::All).is_empty());
        assert_eq!(a.stats().peers, 0);

        let monitor = a.monitor(target.pid()).unwrap();
        eventually("a session stands", || a.nodes(NodeType::All).len() == 1).await;
        assert_eq!(a.nodes(NodeType::All)[0].node, *b.id());
        let another = a.monitor_with(target.pid(), never).unwrap();
        cluster.settle(&a, &b).await;
        target.exit(ExitReason::Normal);
        expect_exit(monitor, ExitReason::Normal).await;
        expect_exit(another, ExitReason::Normal).await;
    });
}

#[test]
fn a_node_that_cannot_be_reached_is_no_connection() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let down = a.monitor("jobs@nowhere@local".parse::<Name>().unwrap()).unwrap().await;
        let DownReason::NoConnection(end) = down.reason else { panic!("{down:?}") };
        assert!(!end.kind.was_session(), "{end:?}");
        assert!(!DownReason::NoConnection(end).is_terminal());
        assert_eq!((a.stats().monitors, a.stats().peers), (0, 0));
    });
}

#[test]
fn the_end_of_the_session_ends_every_monitor_once() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let mut set = a.monitor_set();
        for _ in 0..1000 {
            set.monitor(target.pid()).unwrap();
        }
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 1000).await;
        cluster.sever(&a, &b);
        let downs: Vec<_> = set.by_ref().collect().await;
        assert_eq!(downs.len(), 1000);
        assert!(downs.iter().all(|down| down.reason == DownReason::NoConnection(EndKind::Closed.into())));
        eventually("the other side has forgotten them", || b.stats().incoming_monitors == 0).await;
        assert_eq!(b.stats().processes, 1, "the target lives on");
        let monitor = a.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        drop(target);
        expect_exit(monitor, ExitReason::Normal).await;
        assert!(set.is_empty());
    });
}

#[test]
fn ten_thousand_monitors_fire_once_each() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let targets: Vec<_> = (0..10_000).map(|_| b.process().unwrap()).collect();
        let mut set = a.monitor_set();
        let mut expected: Vec<_> = targets.iter().map(|target| set.monitor(target.pid()).unwrap()).collect();
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 10_000).await;
        drop(targets);
        let mut fired = Vec::new();
        while let Some(down) = set.next().await {
            assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
            fired.push(down.monitor);
        }
        expected.sort();
        fired.sort();
        assert_eq!(fired, expected);
        assert_eq!((a.stats().monitors, a.stats().fired, b.stats().incoming_monitors), (0, 0, 0));
    });
}

#[test]
fn long_reasons_of_many_processes_go_in_frames_that_fit() {
    run(async {
        let cluster = Cluster::new();
        // The set may be read later than the reasons arrive, and no reason may be cut.
        let whole = |config: Config| config.max_reason_bytes(usize::MAX).max_node_reason_bytes(usize::MAX);
        let (a, b) = (cluster.node_with("a", whole).await, cluster.node("b").await);
        let (go, wait) = oneshot::channel::<()>();
        // One exit with the longest reason, reported to many monitors.
        let target = b
            .spawn(|_mailbox| async {
                let _ = wait.await;
                Err(ExitReason::other(vec![1; ExitReason::MAX_LEN]))
            })
            .unwrap();
        let mut set = a.monitor_set();
        for _ in 0..5000 {
            set.monitor(&target).unwrap();
        }
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 5000).await;
        go.send(()).unwrap();
        let downs: Vec<_> = set.collect().await;
        assert_eq!(downs.len(), 5000);
        for Down { reason, .. } in downs {
            let DownReason::Exit(ExitReason::Other(bytes)) = reason else { panic!("{reason}") };
            assert_eq!(bytes.len(), ExitReason::MAX_LEN);
        }
    });
}

#[test]
fn a_dead_watcher_is_forgotten_on_both_sides() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let watcher = a.process().unwrap();
        for _ in 0..1000 {
            watcher.monitor(target.pid()).unwrap();
        }
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 1000).await;
        a.kill(watcher.pid()).unwrap();
        drop(watcher);
        eventually("both tables are empty", || a.stats().monitors + b.stats().incoming_monitors == 0).await;

        let watcher = a.process().unwrap();
        watcher.monitor(target.pid()).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        cluster.crash(&a);
        eventually("the table is empty", || b.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn a_target_that_dies_while_its_monitor_is_on_the_way_is_noproc() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        cluster.settle(&a, &b).await;
        let target = b.process().unwrap();
        cluster.hold(&a, &b);
        let monitor = a.monitor(target.pid()).unwrap();
        drop(target);
        cluster.heal(&a, &b);
        assert_eq!(monitor.await.reason, DownReason::NoProc);
    });
}

#[test]
fn a_down_that_is_lost_with_its_session_is_no_connection() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let mut set = a.monitor_set();
        set.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        cluster.hold(&b, &a);
        drop(target);
        cluster.sever(&a, &b);
        let down = set.next().await.unwrap();
        assert!(matches!(down.reason, DownReason::NoConnection(_)), "{down:?}");
        assert_eq!(set.next().await, None);
    });
}

#[test]
fn a_call_never_waits_for_a_peer_that_takes_nothing() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        cluster.settle(&a, &b).await;
        cluster.freeze(&b);
        let monitors: Vec<_> = (0..10_000).map(|_| a.monitor(target.pid()).unwrap()).collect();
        assert_eq!(a.stats().monitors, 10_000);
        drop(monitors);
        cluster.thaw(&b);
        eventually("nothing is left", || a.stats().monitors + b.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn a_silent_link_is_no_connection_and_says_how_long_it_was_silent() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let mut of_target = a.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        cluster.cut(&a, &b);
        assert!((&mut of_target).now_or_never().is_none());
        cluster.network.advance(Duration::from_secs(5));
        let down = of_target.await;
        let DownReason::NoConnection(end) = down.reason else { panic!("{down:?}") };
        assert_eq!((end.kind, end.silent_for()), (EndKind::Timeout, Some(Duration::from_secs(5))));
        eventually("the other side has noticed, too", || b.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn only_members_of_the_view_are_dialled_and_an_evicted_one_is_no_failure() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        cluster.network.set_view(a.name(), &[]);
        expect_no_connection(a.monitor(target.pid()).unwrap(), EndKind::NotMember).await;

        cluster.network.set_view(a.name(), std::slice::from_ref(b.name()));
        let monitor = a.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        cluster.network.evict(a.name(), b.name());
        expect_no_connection(monitor, EndKind::Evicted).await;
    });
}

#[test]
fn a_node_that_has_lost_its_network_says_so_at_once() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let before = a.monitor(target.pid()).unwrap();
        cluster.crash(&a);
        assert!(matches!(before.await.reason, DownReason::NoConnection(_)));
        assert!(matches!(a.monitor(target.pid()).unwrap().await.reason, DownReason::NoConnection(_)));
        let (_, local) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        expect_exit(local, ExitReason::Normal).await;
    });
}
