//! One node, watched by one process: `erlang:monitor_node/3`. One subscription a process and node,
//! one notice.

use futures::FutureExt;
use monitor_runtime::{
    Connect, EndKind, MonitorError, NodeDown, NodeDownSource, NodeType, TryRecvError, prelude::*,
};

use crate::{
    common::{eventually, next_node_down, next_node_up},
    fixture::{Fixture, Network},
};

cases! {
    nd01_a_monitored_node_is_told_down: memory, tcp;
    nd02_monitored_twice_it_is_told_down_once: memory, tcp;
    nd03_taken_back_once_it_is_not_told_however_often_it_was_monitored: memory, tcp;
    nd04_what_has_fired_is_not_armed_again_by_a_reconnect: memory, tcp;
    nd05_what_was_taken_back_is_not_told: memory, tcp;
    nd06_to_take_back_what_is_not_there_is_no_error_and_connects_nobody: local, tcp;
    nd07_an_unknown_node_is_told_down: memory, tcp;
    nd08_a_failed_dial_is_told_once_and_a_call_that_never_dials_each_time: memory, tcp;
    nd09_the_own_node_never_goes_down: local, tcp;
    nd10_a_node_is_connected_on_demand_and_else_told_down_at_once: memory, tcp;
    nd11_a_hidden_node_can_be_monitored: memory, tcp;
    nd14_a_name_that_is_none_does_not_parse: local;
    nd16_a_watcher_that_has_died_leaves_nothing: memory, tcp;
    nd18_a_node_that_says_nothing_is_told_down_and_the_call_does_not_wait: memory, tcp;
    nd19_a_node_that_loses_its_own_network_tells_each: memory, tcp;
    nd20_each_of_ten_thousand_processes_is_told: memory, tcp;
}

/// The next event, which must belong to a `monitor_node` of `there`.
async fn told_down(fixture: &Fixture, watcher: &mut Process) -> NodeDown {
    let down = next_node_down(watcher).await;
    assert_eq!((&down.name, down.source), (fixture.there.name(), NodeDownSource::MonitorNode));
    down
}

/// A watcher that has called `monitor_node` for `there` that many times while connected.
async fn watching(fixture: &Fixture, calls: usize) -> Process {
    fixture.connected().await;
    let watcher = fixture.here.process().unwrap();
    (0..calls).for_each(|_| watcher.monitor_node(fixture.there.name()).unwrap());
    watcher
}

async fn nd01_a_monitored_node_is_told_down(fixture: Fixture) {
    let mut watcher = watching(&fixture, 1).await;
    fixture.cut().await;
    let down = told_down(&fixture, &mut watcher).await;
    assert_eq!((down.end, down.node.as_ref()), (Some(EndKind::Closed.into()), Some(fixture.there.id())));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn nd02_monitored_twice_it_is_told_down_once(fixture: Fixture) {
    let mut watcher = watching(&fixture, 2).await;
    fixture.cut().await;
    told_down(&fixture, &mut watcher).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn nd03_taken_back_once_it_is_not_told_however_often_it_was_monitored(fixture: Fixture) {
    let mut watcher = watching(&fixture, 3).await;
    watcher.demonitor_node(fixture.there.name()).unwrap();
    fixture.cut().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn nd04_what_has_fired_is_not_armed_again_by_a_reconnect(fixture: Fixture) {
    let mut watcher = watching(&fixture, 1).await;
    fixture.cut().await;
    told_down(&fixture, &mut watcher).await;
    fixture.connected().await;
    fixture.cut().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(fixture.here.stats().node_monitors, 0);
}

async fn nd05_what_was_taken_back_is_not_told(fixture: Fixture) {
    let mut watcher = watching(&fixture, 1).await;
    watcher.demonitor_node(fixture.there.name()).unwrap();
    fixture.cut().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn nd06_to_take_back_what_is_not_there_is_no_error_and_connects_nobody(fixture: Fixture) {
    let watcher = fixture.here.process().unwrap();
    for node in [fixture.there.name().clone(), "unknown@127.0.0.1".parse().unwrap()] {
        assert_eq!(watcher.demonitor_node(&node), Ok(()));
    }
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn nd07_an_unknown_node_is_told_down(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let unknown: NodeName = "unknown@127.0.0.1".parse().unwrap();
    watcher.monitor_node(&unknown).unwrap();
    let down = next_node_down(&mut watcher).await;
    assert_eq!((down.name, down.node, down.session), (unknown, None, None));
    assert!(!down.end.unwrap().kind.was_session());
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn nd08_a_failed_dial_is_told_once_and_a_call_that_never_dials_each_time(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    for _ in 0..2 {
        watcher.monitor_node_with(fixture.there.name(), Connect::Never).unwrap();
    }
    for _ in 0..2 {
        let Ok(Event::NodeDown(down)) = watcher.try_recv() else { panic!("one a call, at once") };
        assert_eq!(down.end, Some(EndKind::NotConnected.into()));
    }
    // Held still, so that both calls wait for the same dial.
    fixture.hold().await;
    (0..2).for_each(|_| watcher.monitor_node(fixture.there.name()).unwrap());
    fixture.silence_passes();
    assert_eq!(told_down(&fixture, &mut watcher).await.end, Some(EndKind::SetupTimeout.into()));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.release();
}

async fn nd09_the_own_node_never_goes_down(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_node(fixture.here.name()).unwrap();
    watcher.monitor_node_with(fixture.here.name(), Connect::Never).unwrap();
    fixture.here.disconnect(fixture.here.name()).unwrap();
    assert_eq!((watcher.try_recv(), fixture.here.stats().peers), (Err(TryRecvError::Empty), 0));
    watcher.demonitor_node(fixture.here.name()).unwrap();
}

async fn nd10_a_node_is_connected_on_demand_and_else_told_down_at_once(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_node_with(fixture.there.name(), Connect::Never).unwrap();
    let Some(Event::NodeDown(down)) = watcher.recv().now_or_never().flatten() else { panic!("at once") };
    assert_eq!(down.end, Some(EndKind::NotConnected.into()));
    assert_eq!(fixture.here.stats().peers, 0, "nobody was dialled");
    watcher.monitor_node(fixture.there.name()).unwrap();
    eventually("it is connected", || fixture.here.stats().sessions == 1).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn nd11_a_hidden_node_can_be_monitored(fixture: Fixture) {
    let hidden = fixture.network.hidden_node("hidden").await;
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_node(hidden.name()).unwrap();
    eventually("it is connected", || fixture.here.nodes(NodeType::Hidden).len() == 1).await;
    hidden.stop().await;
    let down = next_node_down(&mut watcher).await;
    assert_eq!((&down.name, down.source), (hidden.name(), NodeDownSource::MonitorNode));
}

async fn nd14_a_name_that_is_none_does_not_parse(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    for text in ["", "@", "a@", "@host", "no-host", "a b@host", "a@host:port", "a@host:0x1", "a@host:99999"] {
        assert!(text.parse::<NodeName>().is_err(), "{text:?}");
        for refused in [watcher.monitor_node(text), watcher.demonitor_node(text)] {
            let Err(MonitorError::InvalidName(error)) = refused else { panic!("{text:?}: {refused:?}") };
            let place = format!("(at byte {} of {text:?})", error.at);
            assert!(error.to_string().ends_with(&place), "{error}");
        }
    }
    assert_eq!(fixture.here.stats().node_monitors, 0);
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn nd16_a_watcher_that_has_died_leaves_nothing(fixture: Fixture) {
    let watcher = watching(&fixture, 2).await;
    assert_eq!(fixture.here.stats().node_monitors, 1);
    drop(watcher);
    eventually("it is forgotten", || fixture.here.stats().node_monitors == 0).await;
    fixture.cut().await;
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn nd18_a_node_that_says_nothing_is_told_down_and_the_call_does_not_wait(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    fixture.hold().await;
    watcher.monitor_node(fixture.there.name()).unwrap();
    assert_eq!(
        watcher.try_recv(),
        Err(TryRecvError::Empty),
        "the call has returned, and nothing is known yet"
    );
    fixture.silence_passes();
    assert_eq!(told_down(&fixture, &mut watcher).await.end, Some(EndKind::SetupTimeout.into()));
    fixture.release();
}

async fn nd19_a_node_that_loses_its_own_network_tells_each(fixture: Fixture) {
    let mut watchers: Vec<_> = (0..100).map(|_| fixture.here.process().unwrap()).collect();
    fixture.connected().await;
    watchers.iter().for_each(|watcher| watcher.monitor_node(fixture.there.name()).unwrap());
    match &fixture.network {
        Network::Memory(cluster) => cluster.crash(&fixture.here),
        _ => fixture.here.stop().await,
    }
    for watcher in &mut watchers {
        told_down(&fixture, watcher).await;
        // A stopped node delivers no more notices.
        assert!(watcher.try_recv().is_err());
    }
}

async fn nd20_each_of_ten_thousand_processes_is_told(fixture: Fixture) {
    fixture.connected().await;
    let mut watchers: Vec<_> = (0..10_000).map(|_| fixture.here.process().unwrap()).collect();
    watchers.iter().for_each(|watcher| watcher.monitor_node(fixture.there.name()).unwrap());
    let mut last = fixture.here.process().unwrap();
    last.monitor_nodes(NodesOptions::new()).unwrap();
    fixture.cut().await;
    for watcher in &mut watchers {
        told_down(&fixture, watcher).await;
    }
    next_node_down(&mut last).await;
    fixture.connected().await;
    next_node_up(&mut last).await;
    assert!(watchers.iter_mut().all(|watcher| watcher.try_recv() == Err(TryRecvError::Empty)));
}
