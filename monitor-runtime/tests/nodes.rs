//! What is told of nodes: ups and downs, their order, their reasons.

mod common;

use common::{Cluster, eventually, name, next_down, next_node_down, next_node_up, run};
use monitor_runtime::{Connect, EndKind, NodeDownSource, NodeType, NodesOptions, prelude::*};

const REASON: NodesOptions = NodesOptions::new().nodedown_reason(true);

#[test]
fn subscribing_tells_who_is_up_and_then_what_follows() {
    run(async {
        let cluster = Cluster::new();
        let (a, b, c) = (cluster.node("a").await, cluster.node("b").await, cluster.node("c").await);
        cluster.settle(&a, &c).await;
        let mut watcher = a.process().unwrap();
        let up = watcher.monitor_nodes(REASON).unwrap();
        assert_eq!(up, a.nodes(NodeType::All));
        assert_eq!(up.iter().map(|info| &info.node).collect::<Vec<_>>(), [c.id()]);

        a.connect(b.name()).unwrap();
        let node_up = next_node_up(&mut watcher).await;
        assert_eq!((&node_up.node, node_up.hidden, node_up.options), (b.id(), false, REASON));
        let names: Vec<_> = a.nodes(NodeType::All).into_iter().map(|info| info.node.name).collect();
        assert_eq!(names, [b.name().clone(), c.name().clone()], "sorted, and without the own node");

        b.stop().await;
        let down = next_node_down(&mut watcher).await;
        assert_eq!(
            (&down.name, down.session, down.node.as_ref()),
            (b.name(), Some(node_up.session), Some(b.id()))
        );
        assert_eq!(down.end, Some(EndKind::Left.into()));
        assert_eq!(down.source, NodeDownSource::MonitorNodes(REASON));
        assert!(!a.nodes(NodeType::All).iter().any(|info| info.node == *b.id()));

        cluster.crash(&c);
        assert_eq!(next_node_down(&mut watcher).await.session, Some(up[0].session));
        assert!(a.nodes(NodeType::All).is_empty());
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn the_end_is_told_to_those_who_ask() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut asks = a.process().unwrap();
        let mut does_not = a.process().unwrap();
        asks.monitor_nodes(REASON).unwrap();
        does_not.monitor_nodes(NodesOptions::new()).unwrap();

        cluster.settle(&a, &b).await;
        a.disconnect(b.name()).unwrap();
        next_node_up(&mut asks).await;
        assert_eq!(next_node_down(&mut asks).await.end, Some(EndKind::Disconnected.into()));
        next_node_up(&mut does_not).await;
        assert_eq!(next_node_down(&mut does_not).await.end, None);

        cluster.settle(&a, &b).await;
        cluster.sever(&a, &b);
        next_node_up(&mut asks).await;
        assert_eq!(next_node_down(&mut asks).await.end, Some(EndKind::Closed.into()));
    });
}

#[test]
fn types_select_and_each_subscription_is_told() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let hidden = cluster.hidden_node("h").await;
        let b = cluster.node("b").await;
        let mut watcher = a.process().unwrap();
        let only = |node_type| NodesOptions::new().node_type(node_type);
        watcher.monitor_nodes(only(NodeType::Visible)).unwrap();
        watcher.monitor_nodes(only(NodeType::Visible)).unwrap();
        watcher.monitor_nodes(only(NodeType::Hidden)).unwrap();

        cluster.settle(&a, &hidden).await;
        let up = next_node_up(&mut watcher).await;
        assert_eq!((&up.node, up.hidden, up.options), (hidden.id(), true, only(NodeType::Hidden)));
        cluster.settle(&a, &b).await;
        let up = next_node_up(&mut watcher).await;
        assert_eq!((&up.node, up.options), (b.id(), only(NodeType::Visible)));
        assert_eq!(watcher.try_recv(), None, "equal options twice are one subscription");

        assert_eq!(a.nodes(NodeType::Hidden).len(), 1);
        assert_eq!(a.nodes(NodeType::Visible).len(), 1);
        assert_eq!(hidden.nodes(NodeType::Visible).len(), 0, "hidden is what either end is");

        // A third subscription hears of both; taken back, of none.
        let up = watcher.monitor_nodes(NodesOptions::new()).unwrap();
        assert_eq!(up.len(), 2);
        watcher.demonitor_nodes(only(NodeType::Visible)).unwrap();
        watcher.demonitor_nodes(only(NodeType::Hidden)).unwrap();
        cluster.sever(&a, &b);
        assert_eq!(
            next_node_down(&mut watcher).await.source,
            NodeDownSource::MonitorNodes(NodesOptions::new())
        );
        watcher.demonitor_nodes(NodesOptions::new()).unwrap();
        cluster.sever(&a, &hidden);
        eventually("the node is down", || a.nodes(NodeType::All).is_empty()).await;
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn a_node_goes_down_after_all_that_its_session_brought() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new()).unwrap();
        let lives = b.process().unwrap();
        for _ in 0..500 {
            watcher.monitor(lives.pid()).unwrap();
        }
        watcher.monitor_node(b.name()).unwrap();
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 500).await;
        for i in 0..100u8 {
            lives.send(watcher.pid(), [i]).unwrap();
        }
        cluster.settle(&b, &a).await;
        cluster.sever(&a, &b);

        next_node_up(&mut watcher).await;
        for i in 0..100u8 {
            assert!(matches!(watcher.recv().await, Some(Event::Message(message)) if message.body == [i]));
        }
        for _ in 0..500 {
            assert!(matches!(next_down(&mut watcher).await.reason, DownReason::NoConnection(_)));
        }
        let mut sources =
            [next_node_down(&mut watcher).await.source, next_node_down(&mut watcher).await.source];
        sources.sort_by_key(|source| *source != NodeDownSource::MonitorNode);
        assert_eq!(sources, [NodeDownSource::MonitorNode, NodeDownSource::MonitorNodes(NodesOptions::new())]);
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn a_node_is_up_before_anything_of_its_session() {
    run(async {
        for _ in 0..50 {
            let cluster = Cluster::new();
            let (a, b) = (cluster.node("a").await, cluster.node("b").await);
            let mut watcher = a.process().unwrap();
            watcher.register(name("inbox")).unwrap();
            watcher.monitor_nodes(NodesOptions::new()).unwrap();
            // The message waits at b for the session, and is the first thing on it.
            b.send(name("inbox").at(a.name().clone()), "first").unwrap();
            let up = next_node_up(&mut watcher).await;
            assert_eq!(up.node, *b.id());
            assert_eq!(a.nodes(NodeType::All)[0].session, up.session);
            assert!(
                matches!(watcher.recv().await, Some(Event::Message(message)) if message.body == b"first")
            );
        }
    });
}

#[test]
fn a_restart_is_a_down_and_then_an_up() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new()).unwrap();
        let target = b.process().unwrap();
        watcher.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        // Received before the crash: of more than two events of a node that wait, a pair would be left out.
        let first = next_node_up(&mut watcher).await;
        assert_eq!(first.node, *b.id());
        cluster.crash(&b);
        let b = cluster.node("b").await;
        b.connect(a.name()).unwrap();

        assert!(matches!(next_down(&mut watcher).await.reason, DownReason::NoConnection(_)));
        assert_eq!(next_node_down(&mut watcher).await.session, Some(first.session));
        let second = next_node_up(&mut watcher).await;
        assert_eq!(second.node, *b.id());
        assert_ne!((second.session, &second.node), (first.session, &first.node));
        drop(target);
    });
}

#[test]
fn a_monitored_node_is_told_down_once() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        for _ in 0..3 {
            watcher.monitor_node(b.name()).unwrap();
        }
        cluster.settle(&a, &b).await;
        cluster.sever(&a, &b);
        let down = next_node_down(&mut watcher).await;
        assert_eq!((&down.name, down.source), (b.name(), NodeDownSource::MonitorNode));
        assert_eq!(down.end, Some(EndKind::Closed.into()));
        assert_eq!(down.node.as_ref(), Some(b.id()));

        // It is not armed again by the next session.
        cluster.settle(&a, &b).await;
        cluster.sever(&a, &b);
        eventually("the node is down", || a.nodes(NodeType::All).is_empty()).await;
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn a_node_that_is_not_monitored_any_more_is_not_told() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        watcher.monitor_node(b.name()).unwrap();
        cluster.settle(&a, &b).await;
        watcher.demonitor_node(b.name()).unwrap();
        watcher.demonitor_node(&"nobody@local".parse().unwrap()).unwrap();
        cluster.sever(&a, &b);
        eventually("the node is down", || a.nodes(NodeType::All).is_empty()).await;
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn without_a_connection_a_node_is_told_down_at_once_or_after_its_dial() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let mut watcher = a.process().unwrap();
        let nowhere: NodeName = "nowhere@local".parse().unwrap();
        for _ in 0..2 {
            watcher.monitor_node_with(&nowhere, Connect::Never).unwrap();
            let Some(Event::NodeDown(down)) = watcher.try_recv() else { panic!("one a call, at once") };
            assert_eq!(down.end, Some(EndKind::NotConnected.into()));
            assert_eq!((down.node, down.session), (None, None));
        }
        watcher.monitor_node(&nowhere).unwrap();
        let end = next_node_down(&mut watcher).await.end.unwrap();
        assert!(!end.kind.was_session(), "{end:?}");
    });
}

#[test]
fn the_own_node_is_always_there() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let mut watcher = a.process().unwrap();
        watcher.monitor_node(a.name()).unwrap();
        watcher.monitor_node_with(a.name(), Connect::Never).unwrap();
        a.connect(a.name()).unwrap();
        a.disconnect(a.name()).unwrap();
        assert!(a.nodes(NodeType::All).is_empty());
        assert_eq!(watcher.try_recv(), None);
        watcher.demonitor_node(a.name()).unwrap();
    });
}
