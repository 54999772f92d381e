//! Counters of everything that is dropped or refused.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{pin::pin, time::Duration};

use common::{Cluster, alone::Alone, eventually, name, run};
use futures::FutureExt;
use monitor_runtime::{Bytes, EndKind, NodeSpec, SendError, SendErrorKind, TrySendError, prelude::*};
use peer_service::Capabilities;

/// The lengths with which a message was refused as too long.
fn too_large(error: SendError) -> (usize, usize) {
    let SendErrorKind::TooLarge { len, max } = *error.kind() else { panic!("{error:?}") };
    assert_eq!(error.into_inner().len(), len, "the body comes back");
    (len, max)
}

fn count(node: &Node, what: &str) -> u64 {
    node.stats().count(what).unwrap()
}

#[test]
fn a_message_that_is_refused_is_counted_by_why() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| config.max_message(100)).await;
        let nobody = name("nobody").at(a.name().clone());
        let refused = a.try_send(nobody.clone(), vec![0; 101]);
        let Err(TrySendError::Failed(error)) = refused else { panic!("{refused:?}") };
        assert_eq!(too_large(error), (101, 100));
        assert_eq!(count(&a, "messages_too_large"), 1);
        a.try_send(nobody, vec![0; 100]).unwrap();
        assert_eq!(count(&a, "messages_for_nobody"), 1);
        assert_eq!(count(&a, "messages_too_large"), 1);
    });
}

#[test]
fn a_message_that_waits_for_room_is_not_refused() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (sender, receiver) = (a.process().unwrap(), b.process().unwrap());
        let pid = receiver.pid().clone();
        cluster.settle(&a, &b).await;
        cluster.hold(&a, &b);
        let long = || vec![0; 1 << 20];
        let fits = (0..1000).take_while(|_| sender.try_send(&pid, long()).is_ok()).count();
        assert!(fits < 1000, "there is a limit");
        assert_eq!(count(&a, "messages_refused"), 1, "who does not wait is told Full");

        let mut waiting = pin!(sender.send(&pid, long()));
        let mut calling = pin!(sender.call(&pid, long()).timeout(Duration::MAX));
        for _ in 0..10 {
            assert!((&mut waiting).now_or_never().is_none() && (&mut calling).now_or_never().is_none());
        }
        assert_eq!(count(&a, "messages_refused"), 1);
        cluster.heal(&a, &b);
        waiting.await.unwrap();
        assert_eq!(count(&a, "messages_refused"), 1, "it was sent in the end");

        // A message whose wait ends for good is counted once.
        let gone = sender.send(&pid, vec![0; 17 << 20]).await;
        assert_eq!(too_large(gone.unwrap_err()), (17 << 20, 16 << 20));
        assert_eq!((count(&a, "messages_refused"), count(&a, "messages_too_large")), (1, 1));
    });
}

#[test]
fn messages_that_wait_for_a_connection_are_limited_in_bytes_of_the_whole_node() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| config.max_waiting_bytes(1000)).await;
        let (b, c) = (cluster.node("b").await, cluster.node("c").await);
        cluster.cut(&a, &b);
        cluster.cut(&a, &c);
        let [to_b, to_c] = [&b, &c].map(|node| name("nobody").at(node.name().clone()));
        assert_eq!(a.try_send(to_b, vec![0; 700]), Ok(()));
        assert_eq!(
            a.try_send(to_c.clone(), vec![0; 700]),
            Err(TrySendError::Full(Bytes::from(vec![0; 700])))
        );
        assert_eq!(a.try_send(to_c, vec![0; 100]), Ok(()));
        assert_eq!(count(&a, "messages_refused"), 1);
    });
}

#[test]
fn addresses_of_ever_new_names_are_forgotten_and_counted() {
    run(async {
        let service = Alone::new("a@local", Capabilities::FULL);
        let config = Config::new("a@local").max_addresses(10);
        let node = Node::with_service(config, service).unwrap();
        let watcher = node.process().unwrap();
        for n in 0..60 {
            let spec: NodeSpec = format!("n{n}@far=10.0.0.1:{}", n + 1).parse().unwrap();
            node.connect(spec.clone()).unwrap();
            watcher.monitor_node(spec).unwrap();
        }
        assert_eq!((node.stats().addresses, count(&node, "addresses_forgotten")), (10, 50));
        node.connect("n60@far".parse::<NodeSpec>().unwrap()).unwrap();
        assert_eq!(node.stats().addresses, 10, "a name alone takes no place");
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
