//! Node events: ups and downs, their order, their reasons.

mod common;

use common::{Cluster, next_down, next_node_down, next_node_up, run};
use monitor_runtime::{Connect, EndKind, NodeDownSource, NodeType, TryRecvError, prelude::*};

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
        let named: Vec<_> = up.iter().map(|info| (&info.name, &info.node)).collect();
        assert_eq!(named, [(c.name(), c.id())]);

        a.connect(b.name()).unwrap();
        let node_up = next_node_up(&mut watcher).await;
        assert_eq!((&node_up.name, &node_up.node), (b.name(), b.id()));
        assert_eq!((node_up.hidden, node_up.options), (false, REASON));
        let names: Vec<_> = a.nodes(NodeType::All).into_iter().map(|info| info.name).collect();
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
        assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
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
        // Received before the crash: with more than two unread events of a node, a pair would be
        // left out.
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
        assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
        watcher.demonitor_node(a.name()).unwrap();
    });
}
