//! The races that need a clock, a held network, or a whole node. `docs/RACES.md` lists all races.

use std::time::Duration;

use monitor_runtime::{EndKind, prelude::*};

use crate::{
    common::{Cluster, eventually, expect_exit, next_down, next_node_down, next_node_up, run},
    fixture::{Fixture, Network, exit, is_up, no_connection},
};

cases! {
    r20_of_a_link_that_carries_one_way_only_both_ends_see_the_end: memory, tcp;
    r28_a_node_that_stops_with_unread_input_still_tells_every_exit: memory, tcp;
}

const REASON: NodesOptions = NodesOptions::new().nodedown_reason(true);

fn subscriber(node: &Node) -> Process {
    let watcher = node.process().unwrap();
    watcher.monitor_nodes(REASON).unwrap();
    watcher
}

async fn end_of_session(watcher: &mut Process) -> EndKind {
    next_node_up(watcher).await;
    next_node_down(watcher).await.end.unwrap().kind
}

async fn r20_of_a_link_that_carries_one_way_only_both_ends_see_the_end(fixture: Fixture) {
    // The node that receives nothing times out. The other receives its goodbye, or times out as
    // well.
    let fixture = fixture.hasty().await;
    let mut watchers = [subscriber(&fixture.here), subscriber(&fixture.there)];
    fixture.connected().await;
    fixture.hold_back().await;
    fixture.silence_passes();
    let [here, there] = &mut watchers;
    assert_eq!(end_of_session(here).await, EndKind::Timeout);
    assert_eq!(end_of_session(there).await, EndKind::Closed);

    if let Network::Memory(cluster) = &fixture.network {
        fixture.release();
        fixture.connected().await;
        cluster.hold(&fixture.here, &fixture.there);
        fixture.silence_passes();
        assert_eq!(end_of_session(there).await, EndKind::Timeout);
        assert_eq!(end_of_session(here).await, EndKind::Closed);
    }
}

#[test]
fn r21_a_node_that_was_stopped_reads_before_it_judges() {
    run(async {
        let cluster = Cluster::new();
        let (a, b, c) = (cluster.node("a").await, cluster.node("b").await, cluster.node("c").await);
        let (mut at_a, mut at_b) = (subscriber(&a), subscriber(&b));
        let target = c.process().unwrap();
        let monitor = b.monitor(target.pid()).unwrap();
        cluster.settle(&b, &c).await;
        assert_eq!(next_node_up(&mut at_b).await.node, *c.id());
        cluster.settle(&a, &b).await;
        assert_eq!(next_node_up(&mut at_b).await.node, *a.id());

        cluster.freeze(&b);
        target.exit(ExitReason::Shutdown);
        cluster.network.advance(Duration::from_secs(60));
        assert_eq!(end_of_session(&mut at_a).await, EndKind::Timeout);
        eventually("the third has given it up, too", || !is_up(&c, &b)).await;
        cluster.thaw(&b);
        // Earlier frames count. Then it finds that both have ended the session, and reports no
        // silence.
        expect_exit(monitor, ExitReason::Shutdown).await;
        for _ in 0..2 {
            assert_eq!(next_node_down(&mut at_b).await.end.unwrap().kind, EndKind::Closed);
        }
    });
}

async fn r28_a_node_that_stops_with_unread_input_still_tells_every_exit(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let targets: Vec<_> = (0..1000).map(|_| fixture.there.process().unwrap()).collect();
    let lives = fixture.there.process().unwrap();
    for target in targets.iter().chain([&lives]) {
        watcher.monitor(target.pid()).unwrap();
    }
    fixture.watched(&lives, 1).await;
    // In transit to a node that will not read it: the exits must not be lost with the unread
    // frames.
    fixture.hold().await;
    fixture.fill(&watcher, &lives);
    drop(targets);
    futures::join!(fixture.there.stop(), async { fixture.release() });
    for _ in 0..1000 {
        assert_eq!(next_down(&mut watcher).await.reason, exit(ExitReason::Normal));
    }
    assert_eq!(no_connection(&next_down(&mut watcher).await.reason), EndKind::Left);
}
