//! What is dropped or refused is counted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Cluster, eventually, name, run};
use monitor_runtime::{EndKind, Node, SendError, prelude::*};

fn count(node: &Node, what: &str) -> u64 {
    node.stats().count(what).unwrap()
}

#[test]
fn a_message_that_is_refused_is_counted_by_why() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| config.max_message(100)).await;
        let nobody = name("nobody").at(a.name().clone());
        assert!(matches!(a.send(nobody.clone(), vec![0; 101]), Err(SendError::TooLarge { .. })));
        assert_eq!(count(&a, "messages_too_large"), 1);
        a.send(nobody, vec![0; 100]).unwrap();
        assert_eq!(count(&a, "messages_for_nobody"), 1);
        assert_eq!(count(&a, "messages_too_large"), 1);
    });
}

#[test]
fn a_monitor_that_is_one_too_many_is_counted_on_both_sides() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let b = cluster.node_with("b", |config| config.max_incoming(1)).await;
        let worker = b.process().unwrap();
        let first = a.monitor(worker.pid()).unwrap();
        eventually("the first has arrived", || b.stats().incoming_monitors == 1).await;
        let down = a.monitor(worker.pid()).unwrap().await;
        assert!(
            matches!(down.reason, DownReason::NoConnection(end) if end.kind == EndKind::Quota),
            "{down:?}"
        );
        assert_eq!((count(&b, "monitors_refused"), count(&a, "monitors_over_quota")), (1, 1));
        worker.exit(ExitReason::Normal);
        assert_eq!(first.await.reason, DownReason::Exit(ExitReason::Normal));
        assert_eq!(count(&b, "monitors_refused"), 1, "an exit is no refusal");
    });
}

#[test]
fn what_monitors_tell_is_counted_by_reason() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let worker = b.process().unwrap();
        let monitor = a.monitor(worker.pid()).unwrap();
        eventually("it has arrived", || b.stats().incoming_monitors == 1).await;
        b.stop().await;
        monitor.await;
        a.monitor(name("nobody").at(a.name().clone())).unwrap().await;
        let told = a.stats().downs;
        let told: Vec<_> = told.iter().map(|count| (count.name, count.count)).collect();
        assert_eq!(told, [("exit", 0), ("noproc", 1), ("noconnection", 1)]);
    });
}
