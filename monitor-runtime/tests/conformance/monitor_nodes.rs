//! Subscriptions to all nodes: `net_kernel:monitor_nodes/2`. Equal options of a process are
//! one subscription.

use monitor_runtime::{EndKind, NodeDownSource, NodeType, TryRecvError, prelude::*};

use crate::{
    common::{eventually, next_node_down, next_node_up},
    fixture::{Fixture, is_up},
};

cases! {
    ns01_a_subscriber_is_told_up_and_down: memory, tcp;
    ns02_equal_subscriptions_are_one: memory, tcp;
    ns04_one_unsubscribe_ends_it_however_often_it_was_made: memory, tcp;
    ns05_to_unsubscribe_other_options_changes_nothing: memory, tcp;
    ns06_options_are_equal_in_whatever_order_they_were_set: memory, tcp;
    ns08_by_default_all_nodes_are_told_and_no_reasons: memory, tcp;
    ns09_types_are_an_exact_matrix: memory, tcp;
    ns10_reasons_are_told_down_to_those_who_ask: memory, tcp;
    ns13_who_asks_for_visible_nodes_hears_nothing_of_a_hidden_one: memory, tcp;
    ns14_a_node_that_leaves_and_one_that_is_lost_are_told_apart: memory, tcp;
    ns15_a_disconnect_is_told_as_such: memory, tcp;
    ns16_a_silent_node_is_told_as_such: memory, tcp;
    ns23_a_subscriber_that_has_died_leaves_nothing: memory, tcp;
    ns24_to_unsubscribe_without_a_subscription_is_no_error: local, tcp;
    ns26_each_of_several_subscriptions_is_told: memory, tcp;
}

const ALL: NodesOptions = NodesOptions::new();
const REASON: NodesOptions = ALL.nodedown_reason(true);
const VISIBLE: NodesOptions = ALL.node_type(NodeType::Visible);
const HIDDEN: NodesOptions = ALL.node_type(NodeType::Hidden);

fn subscriber(fixture: &Fixture, subscriptions: &[NodesOptions]) -> Process {
    let watcher = fixture.here.process().unwrap();
    subscriptions.iter().for_each(|&options| drop(watcher.monitor_nodes(options).unwrap()));
    watcher
}

/// One session with `there`, from beginning to end.
async fn one_session(fixture: &Fixture) {
    fixture.connected().await;
    fixture.cut().await;
}

/// The events of the process, in short: the subscription, and up or down.
fn told(watcher: &mut Process) -> Vec<(NodesOptions, &'static str)> {
    let mut told = Vec::new();
    while let Ok(event) = watcher.try_recv() {
        told.push(match event {
            Event::NodeUp(up) => (up.options, "up"),
            Event::NodeDown(down) => match down.source {
                NodeDownSource::MonitorNodes(options) => (options, "down"),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
    }
    told
}

async fn ns01_a_subscriber_is_told_up_and_down(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[ALL]);
    one_session(&fixture).await;
    let (up, down) = (next_node_up(&mut watcher).await, next_node_down(&mut watcher).await);
    assert_eq!((&up.name, &up.node, up.hidden), (fixture.there.name(), fixture.there.id(), false));
    assert_eq!(
        (&down.name, down.node, down.session),
        (fixture.there.name(), Some(up.node), Some(up.session))
    );
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn ns02_equal_subscriptions_are_one(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[ALL, ALL, ALL]);
    one_session(&fixture).await;
    assert_eq!(told(&mut watcher), [(ALL, "up"), (ALL, "down")]);
}

async fn ns04_one_unsubscribe_ends_it_however_often_it_was_made(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[ALL, ALL, ALL]);
    watcher.demonitor_nodes(ALL).unwrap();
    one_session(&fixture).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(fixture.here.stats().nodes_subscriptions, 0);
}

async fn ns05_to_unsubscribe_other_options_changes_nothing(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[ALL, REASON]);
    watcher.demonitor_nodes(REASON).unwrap();
    watcher.demonitor_nodes(VISIBLE).unwrap();
    one_session(&fixture).await;
    assert_eq!(told(&mut watcher), [(ALL, "up"), (ALL, "down")]);
}

async fn ns06_options_are_equal_in_whatever_order_they_were_set(fixture: Fixture) {
    let one = NodesOptions::new().nodedown_reason(true).node_type(NodeType::Visible);
    let other = NodesOptions::new().node_type(NodeType::Visible).nodedown_reason(true);
    let mut watcher = subscriber(&fixture, &[one, other]);
    one_session(&fixture).await;
    assert_eq!(told(&mut watcher), [(one, "up"), (one, "down")]);
    watcher.demonitor_nodes(other).unwrap();
    assert_eq!(fixture.here.stats().nodes_subscriptions, 0);
}

async fn ns08_by_default_all_nodes_are_told_and_no_reasons(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[NodesOptions::default()]);
    for node in [fixture.network.hidden_node("hidden").await, fixture.network.node("visible").await] {
        fixture.here.connect(node.name()).unwrap();
        assert_eq!(next_node_up(&mut watcher).await.node, *node.id());
        node.stop().await;
        let down = next_node_down(&mut watcher).await;
        assert_eq!((&down.name, down.end), (node.name(), None));
    }
}

async fn ns09_types_are_an_exact_matrix(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[ALL, VISIBLE, HIDDEN]);
    let hidden = fixture.network.hidden_node("hidden").await;
    let visible = fixture.network.node("visible").await;
    for (node, of_its_type, other) in [(&hidden, HIDDEN, VISIBLE), (&visible, VISIBLE, HIDDEN)] {
        fixture.here.connect(node.name()).unwrap();
        let mut ups = [next_node_up(&mut watcher).await, next_node_up(&mut watcher).await];
        ups.sort_by_key(|up| up.options);
        assert_eq!(
            ups.each_ref().map(|up| (&up.node, up.options)),
            [ALL, of_its_type].map(|o| (node.id(), o))
        );
        let listed = |options: NodesOptions| {
            fixture.here.nodes(options.node_type).iter().any(|i| i.node == *node.id())
        };
        assert_eq!([ALL, of_its_type, other].map(listed), [true, true, false]);
    }
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    eventually("it is up at the other end", || hidden.nodes(NodeType::Hidden).len() == 1).await;
    assert_eq!(hidden.nodes(NodeType::Visible), [], "a session is hidden if either end is");
}

async fn ns10_reasons_are_told_down_to_those_who_ask(fixture: Fixture) {
    let (mut asks, mut does_not) = (subscriber(&fixture, &[REASON]), subscriber(&fixture, &[ALL]));
    one_session(&fixture).await;
    for (watcher, end) in [(&mut asks, Some(EndKind::Closed.into())), (&mut does_not, None)] {
        next_node_up(watcher).await;
        assert_eq!(next_node_down(watcher).await.end, end);
    }
}

async fn ns13_who_asks_for_visible_nodes_hears_nothing_of_a_hidden_one(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[VISIBLE]);
    let hidden = fixture.network.hidden_node("hidden").await;
    fixture.here.connect(hidden.name()).unwrap();
    eventually("it is up", || is_up(&fixture.here, &hidden)).await;
    assert_eq!(fixture.here.nodes(NodeType::Hidden).len(), 1);
    assert!(fixture.here.nodes(NodeType::Visible).is_empty());
    hidden.stop().await;
    eventually("it is down", || !is_up(&fixture.here, &hidden)).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn ns14_a_node_that_leaves_and_one_that_is_lost_are_told_apart(mut fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[REASON]);
    for kind in [EndKind::Left, EndKind::Closed] {
        fixture.connected().await;
        next_node_up(&mut watcher).await;
        match kind {
            EndKind::Left => fixture.there.stop().await,
            _ => fixture.crash(),
        }
        assert_eq!(next_node_down(&mut watcher).await.end, Some(kind.into()));
        fixture.restart().await;
    }
}

async fn ns15_a_disconnect_is_told_as_such(fixture: Fixture) {
    let mut watcher = subscriber(&fixture, &[REASON]);
    fixture.connected().await;
    fixture.here.disconnect(fixture.there.name()).unwrap();
    next_node_up(&mut watcher).await;
    assert_eq!(next_node_down(&mut watcher).await.end, Some(EndKind::Disconnected.into()));
}

async fn ns16_a_silent_node_is_told_as_such(fixture: Fixture) {
    let fixture = fixture.hasty().await;
    let mut watcher = subscriber(&fixture, &[REASON]);
    fixture.connected().await;
    fixture.hold().await;
    fixture.silence_passes();
    next_node_up(&mut watcher).await;
    let end = next_node_down(&mut watcher).await.end.unwrap();
    assert_eq!(end.kind, EndKind::Timeout);
    assert!(end.silent_for().is_some());
    fixture.release();
}

async fn ns23_a_subscriber_that_has_died_leaves_nothing(fixture: Fixture) {
    let (dies, mut lives) = (subscriber(&fixture, &[ALL, REASON]), subscriber(&fixture, &[ALL]));
    assert_eq!(fixture.here.stats().nodes_subscriptions, 3);
    drop(dies);
    eventually("it is forgotten", || fixture.here.stats().nodes_subscriptions == 1).await;
    one_session(&fixture).await;
    assert_eq!(told(&mut lives), [(ALL, "up"), (ALL, "down")]);
}

async fn ns24_to_unsubscribe_without_a_subscription_is_no_error(fixture: Fixture) {
    let watcher = fixture.here.process().unwrap();
    assert_eq!(watcher.demonitor_nodes(ALL), Ok(()));
    assert_eq!(watcher.demonitor_nodes(REASON), Ok(()));
}

async fn ns26_each_of_several_subscriptions_is_told(fixture: Fixture) {
    let all = [ALL, REASON, VISIBLE, VISIBLE.nodedown_reason(true)];
    let mut watcher = subscriber(&fixture, &all);
    one_session(&fixture).await;
    let told = told(&mut watcher);
    assert_eq!(told.len(), 2 * all.len());
    for options in all {
        let of_it: Vec<_> = told.iter().filter(|(of, _)| *of == options).map(|(_, what)| *what).collect();
        assert_eq!(of_it, ["up", "down"], "{options:?}");
    }
}
