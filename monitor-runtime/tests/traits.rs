//! Traits of the public types: for use on other threads, in logs, and in serialized answers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Debug;

use common::{Cluster, eventually, name, next_node_down, next_node_up, run};
use monitor_runtime::{
    Call, ConnectError, DecodeError, Envelope, NodeDown, NodeInfo, NodeUp, PastDown, SendError, StartError,
    TrySendError, TypedCall, prelude::*,
};
use serde_json::json;

fn send<T: Send + Debug + 'static>() {}
fn send_and_sync<T: Send + Sync + Debug + 'static>() {}

/// The test is that this compiles.
#[test]
fn handles_go_to_other_threads() {
    send_and_sync::<Node>();
    send_and_sync::<Config>();
    send_and_sync::<Process>();
    // An address can be shared, whatever its messages are.
    send_and_sync::<Addr<std::rc::Rc<()>>>();
    send::<Call>();
    send::<TypedCall<std::rc::Rc<()>>>();
    send_and_sync::<Envelope>();
    send_and_sync::<Postcard<u8>>();
    send_and_sync::<NodeUp>();
    send_and_sync::<NodeDown>();
    send_and_sync::<NodeInfo>();
    send_and_sync::<SendError>();
    send_and_sync::<TrySendError>();
    send_and_sync::<DecodeError>();
    send_and_sync::<ConnectError>();
    send_and_sync::<Monitor>();
    send_and_sync::<MonitorSet>();
    send_and_sync::<Event>();
    send_and_sync::<Down>();
    send_and_sync::<CallError>();
    send_and_sync::<SendError>();
    send_and_sync::<TrySendError>();
    send_and_sync::<StartError>();
    #[cfg(all(feature = "control", unix))]
    send_and_sync::<monitor_runtime::control::Served>();
    #[cfg(feature = "metrics")]
    send_and_sync::<monitor_runtime::metrics::Recording>();
    send::<Call>();
    send::<TypedCall<String>>();
    send::<monitor_runtime::test_util::Cluster>();
}

#[test]
fn what_is_told_can_be_written_as_json() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node_with("a", |config| config.max_history(1)).await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true)).unwrap();
        let worker = b.process().unwrap();
        worker.register(name("worker")).unwrap();
        let monitor =
            a.monitor_with(name("worker").at(b.name().clone()), MonitorOptions::new().tag(7)).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        let held = serde_json::to_value(a.monitors(10)).unwrap();
        assert_eq!(held["held"][0]["target"]["Name"]["name"], "worker");
        worker.exit(ExitReason::other("out of paper"));
        let down = serde_json::to_value(monitor.await).unwrap();
        assert_eq!(down["reason"], json!({"Exit": {"Other": "out of paper"}}));
        assert_eq!((&down["tag"], &down["incarnation"]), (&json!(7), &json!(b.id().incarnation.to_string())));
        let past: Vec<PastDown> = a.history();
        assert_eq!(serde_json::to_value(past).unwrap()[0]["down"], down);

        let up = next_node_up(&mut watcher).await;
        let node = json!({"name": "b@local", "incarnation": b.id().incarnation.to_string()});
        let json = serde_json::to_value(&up).unwrap();
        assert_eq!((&json["name"], &json["node"]), (&json!("b@local"), &node));
        let info = serde_json::to_value(a.nodes(Default::default())).unwrap();
        assert_eq!((&info[0]["name"], &info[0]["node"]), (&json!("b@local"), &node));
        b.stop().await;
        let down = serde_json::to_value(next_node_down(&mut watcher).await).unwrap();
        assert_eq!((&down["name"], &down["node"]), (&json!("b@local"), &node));
        assert_eq!(down["end"], json!({"kind": "Left", "silent_ms": null}));
        assert_eq!(down["source"]["MonitorNodes"]["node_type"], "All");
    });
}
