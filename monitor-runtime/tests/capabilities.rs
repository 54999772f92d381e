//! A peer service that lacks capabilities: calls that need them return `Unsupported`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{alone::Alone, run};
use monitor_runtime::{
    Bytes, ConnectError, EndKind, MonitorError, SendErrorKind, StartError, TryRecvError, TrySendError,
    Unsupported, prelude::*,
};
use peer_service::Capabilities;

const ELSEWHERE: &str = "worker@b@local";

fn node(capabilities: Capabilities) -> Node {
    let config = Config::new("a@local");
    Node::with_service(config, Alone::new("a@local", capabilities)).unwrap()
}

fn lacks(capability: &'static str) -> MonitorError {
    MonitorError::Unsupported(Unsupported { capability })
}

#[test]
fn what_needs_a_capability_says_so() {
    run(async {
        let a = node(Capabilities::NONE);
        let mut process = a.process().unwrap();
        let target: Name = ELSEWHERE.parse().unwrap();
        assert_eq!(process.monitor(&target), Err(lacks("monitoring")));
        assert_eq!(a.monitor(&target).unwrap_err(), lacks("monitoring"));
        assert_eq!(process.monitor_node(&target.node), Err(lacks("node_events")));
        assert_eq!(process.monitor_nodes(NodesOptions::new()), Err(lacks("node_events")));
        let needs = |capability| Err(ConnectError::Unsupported(Unsupported { capability }));
        assert_eq!(a.connect(&target.node), needs("connect"));
        assert_eq!(a.disconnect(&target.node), needs("disconnect"));
        let not_connected = SendErrorKind::NotConnected(EndKind::NotConnected.into());
        let error = process.send(&target, "waits for nothing").await.unwrap_err();
        assert_eq!((error.kind(), error.clone().into_inner()), (&not_connected, "waits for nothing".into()));
        let Err(TrySendError::Failed(error)) = process.try_send(&target, "x") else { panic!() };
        assert_eq!((error.kind(), error.clone().into_inner()), (&not_connected, Bytes::from("x")));
        let called = process.call(&target, "x").await;
        let source = Unsupported { capability: "monitoring" };
        assert_eq!(called, Err(CallError::Unsupported { target: target.clone().into(), source }));
        assert_eq!(
            process.try_recv(),
            Err(TryRecvError::Empty),
            "nothing is told by a call that was refused"
        );
        assert_eq!((a.stats().monitors, a.stats().watchers, a.stats().peers), (0, 0, 0));
    });
}

#[test]
fn what_is_local_needs_none() {
    run(async {
        let a = node(Capabilities::NONE);
        let process = a.process().unwrap();
        process.monitor_node(a.name()).unwrap();
        a.connect(a.name()).unwrap();
        a.disconnect(a.name()).unwrap();
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
        a.try_send(process.pid(), "x").unwrap();
        a.stop().await;
    });
}

#[test]
fn a_service_that_connects_by_itself_is_not_asked_to() {
    run(async {
        let a = node(Capabilities::FULL.connect(false));
        let down = a.monitor(ELSEWHERE.parse::<Name>().unwrap()).unwrap().await;
        assert_eq!(down.reason, DownReason::NoConnection(EndKind::NotConnected.into()));
        let mut process = a.process().unwrap();
        process.monitor_node("b@local".parse::<NodeName>().unwrap()).unwrap();
        assert!(matches!(process.try_recv(), Ok(Event::NodeDown(_))));
    });
}

#[test]
fn a_node_has_the_name_of_its_service() {
    run(async {
        let config = Config::new("a@local");
        let started = Node::with_service(config, Alone::new("b@local", Capabilities::FULL));
        assert!(matches!(started, Err(StartError::WrongName { .. })));
    });
}
