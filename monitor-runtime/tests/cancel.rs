//! Futures that are dropped before they are ready: no event is lost, and nothing remains.

mod common;

use std::{future::pending, time::Duration};

use common::{Cluster, eventually, next_down, run};
use futures::{FutureExt, StreamExt};
use monitor_runtime::prelude::*;

#[test]
fn a_receive_that_is_given_up_has_taken_nothing() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let (sender, mut receiver) = (node.process().unwrap(), node.process().unwrap());
        let pid = receiver.pid().clone();
        let target = node.process().unwrap();
        receiver.monitor(target.pid()).unwrap();
        for round in 0..3_u8 {
            assert!(receiver.recv().now_or_never().is_none());
            {
                // Woken, and never polled again.
                let mut receive = Box::pin(receiver.recv());
                assert!((&mut receive).now_or_never().is_none());
                sender.try_send(&pid, vec![round]).unwrap();
            }
            let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
            assert_eq!(message.body, vec![round]);
        }
        {
            let mut receive = Box::pin(receiver.next());
            assert!((&mut receive).now_or_never().is_none());
            drop(target);
        }
        next_down(&mut receiver).await;
    });
}

#[test]
fn a_monitor_that_was_awaited_by_reference_goes_on() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let mut monitor = a.monitor(target.pid()).unwrap();
        assert!((&mut monitor).now_or_never().is_none());
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        drop(target);
        eventually("it has fired", || a.stats().fired == 1).await;
        assert_eq!((&mut monitor).await.reason, DownReason::Exit(ExitReason::Normal));
        assert!((&mut monitor).now_or_never().is_none(), "it is ready once");
    });
}

#[test]
fn a_monitor_or_a_guard_that_is_dropped_leaves_nothing() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let monitor = a.monitor(target.pid()).unwrap();
        let mut guarded = Box::pin(a.monitor(target.pid()).unwrap().guard(pending::<()>()));
        assert!((&mut guarded).now_or_never().is_none());
        eventually("both have arrived", || b.stats().incoming_monitors == 2).await;
        drop((monitor, guarded));
        let stats = a.stats();
        assert_eq!((stats.monitors, stats.fired, stats.watchers), (0, 0, 0));
        eventually("the target's node has forgotten them", || b.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn a_guard_that_is_dropped_drops_its_work() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let target = node.process().unwrap();
        let held = std::sync::Arc::new(());
        let work = {
            let held = held.clone();
            async move {
                pending::<()>().await;
                drop(held);
            }
        };
        let mut guarded = Box::pin(node.monitor(target.pid()).unwrap().guard(work));
        assert!((&mut guarded).now_or_never().is_none());
        drop(guarded);
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
    });
}

#[test]
fn a_set_gives_every_down_once_however_often_its_next_is_given_up() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let targets: Vec<_> = (0..10).map(|_| node.process().unwrap()).collect();
        let mut set = node.monitor_set();
        let monitors: Vec<_> = targets.iter().map(|target| set.monitor(target.pid()).unwrap()).collect();
        for (target, monitor) in targets.into_iter().zip(&monitors) {
            {
                // Woken, and never polled again.
                let mut next = std::pin::pin!(set.next());
                assert!(next.as_mut().now_or_never().is_none());
                drop(target);
            }
            let down = set.next().await.unwrap();
            assert_eq!(&down.monitor, monitor);
        }
        assert_eq!(set.next().await, None);
    });
}

#[test]
fn a_send_that_is_given_up_has_sent_nothing() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (sender, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        let pid = receiver.pid().clone();
        cluster.settle(&a, &b).await;
        cluster.hold(&a, &b);
        let mut sent = 0_u32;
        while sender.try_send(&pid, vec![0; 1 << 20]).is_ok() {
            sent += 1;
            assert!(sent < 1000, "there is a limit");
        }
        assert!(sender.send(&pid, vec![1; 1 << 20]).now_or_never().is_none());
        let short = Duration::from_millis(1);
        let called = sender.call(&pid, vec![1; 1 << 20]).timeout(short).await;
        let target = Target::from(&pid);
        assert_eq!(called, Err(CallError::Timeout { target, after: short }));
        cluster.heal(&a, &b);
        sender.send(&pid, "the end").await.unwrap();
        for _ in 0..sent {
            let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
            assert_eq!(message.body[0], 0);
        }
        let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
        assert_eq!(message.body, "the end");
    });
}
