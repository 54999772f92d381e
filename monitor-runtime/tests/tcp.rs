//! Monitors and messages over real TCP, on loopback addresses.
#![cfg(feature = "tcp")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{eventually, run};
use futures::StreamExt;
use monitor_runtime::{
    EndKind, Envelope, NodeSpec, NodeType, SendErrorKind, StartError, TcpStartError, TrySendError,
    prelude::*, test_util::run_all_on,
};

fn config(label: &str, secret: &Secret) -> Config {
    Config::new(format!("{label}@127.0.0.1")).listen("127.0.0.1:0".parse().unwrap()).secret(secret.clone())
}

async fn node(label: &str, secret: &Secret) -> Node {
    Node::start(config(label, secret)).await.unwrap()
}

/// The address of the node, whose name has no port.
fn spec(node: &Node) -> NodeSpec {
    NodeSpec::new(node.name().clone()).at(node.local_addr().unwrap().to_string().parse().unwrap()).unwrap()
}

#[test]
fn ten_thousand_monitors_fire_once_each() {
    run(async {
        let secret = Secret::generate();
        let (a, b) = (node("a", &secret).await, node("b", &secret).await);
        a.connect(spec(&b)).unwrap();
        let targets: Vec<_> = (0..10_000).map(|_| b.process().unwrap()).collect();
        let mut set = a.monitor_set();
        targets.iter().for_each(|target| drop(set.monitor(target.pid()).unwrap()));
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 10_000).await;
        drop(targets);
        let mut fired = 0;
        while let Some(down) = set.next().await {
            assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
            fired += 1;
        }
        assert_eq!((fired, a.stats().monitors, b.stats().incoming_monitors), (10_000, 0, 0));
    });
}

/// Messages that arrive while a session is polled, long after that, and in a flood.
#[test]
fn with_low_latency_all_is_told_all_the_same() {
    run(async {
        let secret = Secret::generate();
        let start = |label| Node::start(config(label, &secret).low_latency(true));
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        a.connect(spec(&b)).unwrap();
        for round in 0..100 {
            let target = b.process().unwrap();
            let monitor = a.monitor(target.pid()).unwrap();
            eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
            if round % 10 == 0 {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            drop(target);
            assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
        }
        let targets: Vec<_> = (0..1_000).map(|_| b.process().unwrap()).collect();
        let mut set = a.monitor_set();
        targets.iter().for_each(|target| drop(set.monitor(target.pid()).unwrap()));
        drop(targets);
        assert_eq!(set.count().await, 1_000);
    });
}

/// The heartbeats are so slow that no timeout could end the session instead.
#[test]
fn after_a_disconnect_with_channels_neither_node_lists_the_other() {
    run(async {
        let secret = Secret::generate();
        let hour = Duration::from_secs(3600);
        let start = |label| {
            let config = config(label, &secret).channels(["bulk"]);
            Node::start(config.heartbeat(hour, 2 * hour))
        };
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        a.connect(spec(&b)).unwrap();
        let mut receiver = b.process().unwrap();
        let sender = a.process().unwrap();
        let bulk = a.channel("bulk").unwrap();
        sender.try_send(receiver.pid(), Envelope::new("hello").channel(bulk)).unwrap();
        assert!(matches!(receiver.recv().await, Some(Event::Message(message)) if message.body == "hello"));
        a.disconnect(b.name()).unwrap();
        let none = |node: &Node| node.nodes(NodeType::All).is_empty();
        eventually("both nodes have seen the end", || none(&a) && none(&b)).await;
    });
}

#[test]
fn s18_while_long_messages_are_on_their_way_the_downs_of_others_pass_but_not_their_senders() {
    run(async {
        let secret = Secret::generate();
        // Node a runs on an executor that only this test drives.
        let executor = Arc::new(smol::Executor::new());
        let spawner = executor.clone();
        let still = run_all_on(config("a", &secret), Arc::new(move |task| spawner.spawn(task).detach()))
            .heartbeat(Duration::from_secs(5), Duration::from_secs(60));
        let b = config("b", &secret)
            .heartbeat(Duration::from_secs(5), Duration::from_secs(60))
            .tcp(|tcp| tcp.max_message_queue(64 << 20));
        let b = Node::start(b).await.unwrap();
        let a = executor.run(Node::start(still)).await.unwrap();
        let mut watcher = a.process().unwrap();
        let (sender, other) = (b.process().unwrap(), b.process().unwrap());
        a.connect(spec(&b)).unwrap();
        for target in [&sender, &other] {
            watcher.monitor(target.pid()).unwrap();
        }
        executor.run(eventually("both are monitored", || b.stats().incoming_monitors == 2)).await;

        let longest = vec![7; 16 << 20];
        for _ in 0..3 {
            sender.try_send(watcher.pid(), longest.clone()).unwrap();
        }
        let (first, second) = (other.pid().clone(), sender.pid().clone());
        drop((sender, other));
        // The call comes a moment too late and is answered; the answer must not pass its messages
        // either.
        let late = watcher.monitor(&second).unwrap();
        let mut told = Vec::new();
        while told.len() < 6 {
            told.push(executor.run(watcher.recv()).await.unwrap());
        }
        let down = |pid: &Pid| {
            let of_it = |event: &Event| matches!(event, Event::Down(down) if down.target == pid.into());
            told.iter().position(of_it).unwrap()
        };
        let messages: Vec<usize> =
            (0..6).filter(|&at| matches!(&told[at], Event::Message(m) if m.body == longest)).collect();
        assert_eq!(messages.len(), 3);
        assert!(down(&first) < messages[2], "another's passes: {}", down(&first));
        assert!(down(&second) > messages[2], "its own does not");
        let Event::Down(last) = &told[5] else { panic!("the answer is the last: {:?}", told[5]) };
        assert_eq!((&last.monitor, &last.reason), (&late, &DownReason::NoProc));
    });
}

#[test]
fn a_message_is_no_longer_than_its_receivers_node_takes() {
    run(async {
        let secret = Secret::generate();
        let a = node("a", &secret).await;
        let b = Node::start(config("b", &secret).tcp(|tcp| tcp.max_frame(200_000))).await.unwrap();
        a.connect(spec(&b)).unwrap();
        eventually("they are connected", || !a.nodes(NodeType::All).is_empty()).await;
        let mut receiver = b.process().unwrap();
        let refused = a.try_send(receiver.pid(), vec![1; 200_000]);
        let Err(TrySendError::Failed(error)) = refused else { panic!("{refused:?}") };
        let &SendErrorKind::TooLarge { len: 200_000, max } = error.kind() else { panic!("{error:?}") };
        assert_eq!(error.into_inner(), vec![1; 200_000], "the body comes back");
        a.try_send(receiver.pid(), vec![1; max]).unwrap();
        let Some(Event::Message(message)) = receiver.recv().await else { panic!("a message") };
        assert_eq!(message.body.len(), max);
    });
}

#[test]
fn f30_who_does_not_know_the_secret_is_no_peer() {
    run(async {
        let (a, b) = (node("a", &Secret::generate()).await, node("b", &Secret::generate()).await);
        a.connect(spec(&b)).unwrap();
        let target = b.process().unwrap();
        let reason = a.monitor(target.pid()).unwrap().await.reason;
        assert!(
            matches!(reason, DownReason::NoConnection(end) if end.kind == EndKind::AuthFailed),
            "{reason}"
        );
        assert!(b.nodes(NodeType::All).is_empty());
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_at_start() {
    run(async {
        let secret = Secret::generate();
        let a = node("a", &secret).await;
        let taken = config("b", &secret).listen(a.local_addr().unwrap());
        let error = Node::start(taken).await.unwrap_err();
        assert!(matches!(error, StartError::Tcp(TcpStartError::Listen { .. })), "{error}");
        let wrong = config("b", &secret).heartbeat(std::time::Duration::ZERO, std::time::Duration::ZERO);
        assert!(Node::start(wrong).await.unwrap_err().to_string().starts_with("heartbeat:"));
    });
}
