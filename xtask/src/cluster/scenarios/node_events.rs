//! `node-events`

use anyhow::Result;
use harness::conditions::ensure;

use crate::cluster::{
    Cluster,
    process::{Process, Wanted},
    protocol::{NodeInfo, NodeKind, Subscription},
};

const fn about(nodes: NodeKind, reasons: bool) -> Subscription {
    Subscription { nodes, reasons }
}

/// One node watches a visible and a hidden one come and go, through every kind of subscription.
pub(super) fn node_events(cluster: &Cluster<'_>) -> Result<()> {
    let (a, visible) = (cluster.node("a")?, cluster.node("b")?);
    let hidden = cluster.node_with("c", |launch| launch.hidden = true)?;
    let kinds = [
        about(NodeKind::All, true),
        about(NodeKind::All, false),
        about(NodeKind::Visible, true),
        about(NodeKind::Hidden, true),
    ];
    // One process with every subscription, some of them twice; one that has ended its
    // subscriptions.
    let early = a.spawn()?;
    for of in kinds.into_iter().chain(kinds) {
        let up = early.monitor_nodes(of)?;
        ensure(up.is_empty(), || format!("no node was connected, but the snapshot of {of:?} holds {up:?}"))?;
    }
    let deaf = a.spawn()?;
    deaf.monitor_nodes(kinds[0])?;
    deaf.demonitor_nodes(kinds[0])?;

    a.connect(&visible)?;
    a.connect(&hidden)?;
    for of in kinds {
        let wanted: &[_] = match of.nodes {
            NodeKind::All => &[&visible, &hidden],
            NodeKind::Visible => &[&visible],
            NodeKind::Hidden => &[&hidden],
        };
        for node in wanted {
            early.expect_event(of, true, node.name())?;
        }
    }
    let names = |nodes: Vec<NodeInfo>| nodes.into_iter().map(|node| node.name).collect::<Vec<_>>();
    for (kind, wanted) in [
        (NodeKind::All, vec![visible.name(), hidden.name()]),
        (NodeKind::Visible, vec![visible.name()]),
        (NodeKind::Hidden, vec![hidden.name()]),
    ] {
        let late = a.spawn()?;
        let snapshot = names(late.monitor_nodes(about(kind, true))?);
        let listed = names(a.nodes(kind)?);
        ensure(snapshot == wanted && listed == wanted, || {
            format!("{kind:?}: the snapshot holds {snapshot:?} and nodes() {listed:?}, expected {wanted:?}")
        })?;
    }

    let once = a.spawn()?;
    for _ in 0..3 {
        once.monitor_node(visible.name(), false)?;
    }
    let taken_back = a.spawn()?;
    taken_back.monitor_node(visible.name(), false)?;
    taken_back.demonitor_node(visible.name())?;
    once.monitor_node(a.name(), false)?;

    cluster.stop(&visible)?;
    cluster.kill(&hidden);
    early.expect_node_down(&visible, &["Left"])?;
    early.expect_node_down(&hidden, &["Closed"])?;
    for of in kinds {
        let gone = if of.nodes == NodeKind::Hidden { &hidden } else { &visible };
        early.expect_event(of, false, gone.name())?;
    }
    once.expect_monitored_down(visible.name(), "Left")?;

    // They do not report a later session: `monitor_node` fires once.
    let visible = cluster.restart(&visible)?;
    a.connect(&visible)?;
    early.expect_node_up(&visible)?;
    cluster.kill(&visible);
    early.await_node_downs(&visible, 2)?;

    // A node that is not connected is reported at once, separately for every call.
    let impatient = a.spawn()?;
    impatient.monitor_node(visible.name(), true)?;
    impatient.monitor_node(visible.name(), true)?;
    impatient.expect_monitored_down(visible.name(), "NotConnected")?;
    // A dial to an absent node gives one notice, and a monitor on it one Down.
    let hopeful = a.spawn()?;
    hopeful.monitor_node(visible.name(), false)?;
    hopeful.expect_monitored_down(visible.name(), "Refused")?;
    let nobody = format!("job@{}", visible.name());
    hopeful.monitor_target(&nobody)?.expect_down(Wanted::NoConnection(&["Refused"]))?;

    // Three ups and three downs, each for three of the four subscriptions.
    let counts = [(&early, 6 * 3), (&once, 1), (&taken_back, 0), (&deaf, 0), (&impatient, 2), (&hopeful, 1)];
    counts.into_iter().try_for_each(|(process, wanted)| expect_count(process, wanted))
}

fn expect_count(process: &Process, wanted: usize) -> Result<()> {
    process.drain()?;
    let events = process.node_events();
    ensure(events.len() == wanted, || {
        format!("{} was told of {} node events, expected {wanted}: {events:?}", process.pid(), events.len())
    })
}
