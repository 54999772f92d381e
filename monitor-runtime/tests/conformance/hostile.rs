//! Peers that violate the protocol: frames without effect, and frames that end their session. Other
//! sessions are not affected.

use monitor_core::{DownReason, MonitorId, RemoteTarget, Signal, encode};
use monitor_runtime::{
    EndKind, Event, ExitReason, MonitorRef, Node, NodeId, NodeType, NodesOptions, Pid, Process, TryRecvError,
    refs::Serial,
};

use crate::{
    common::{Cluster, bare::BarePeer, eventually, name, next_node_down, next_node_up, run},
    fixture::{Fixture, exit, expect_down},
};

cases! {
    f13_a_frame_that_makes_no_sense_ends_its_session_alone: memory, tcp;
    f16_a_monitor_whose_number_is_in_use_ends_its_session: memory, tcp;
    f17_a_down_for_an_unknown_monitor_is_ignored: memory, tcp;
    f18_the_same_down_twice_is_delivered_once: memory, tcp;
    f20_a_down_for_a_watcher_that_is_gone_is_ignored: memory, tcp;
    f32_lengths_that_promise_the_world_end_the_session_and_cost_nothing: memory, tcp;
    ns18_a_peer_that_breaks_the_protocol_is_told_as_such: memory, tcp;
}

/// A watcher here, and a peer that sends signals for a monitored process of its own.
async fn monitored_peer(fixture: &Fixture) -> (Process, MonitorRef, BarePeer) {
    let mut peer = fixture.network.bare_peer("mallory").await;
    peer.connect(&fixture.here).await;
    eventually("it is up", || fixture.here.stats().sessions == 1).await;
    let node: NodeId = fixture.here.nodes(NodeType::All)[0].node.clone();
    let watcher = fixture.here.process().unwrap();
    let monitor = watcher.monitor(Pid::new(node, Serial::new(3, 1))).unwrap();
    assert_eq!(peer.signals().await.len(), 1, "it has heard of the monitor");
    (watcher, monitor, peer)
}

fn down(monitor: &MonitorRef, reason: ExitReason) -> Signal {
    Signal::Down { id: MonitorId(monitor.serial()), reason: exit(reason) }
}

/// Waits until the node has handled all earlier frames of the peer: it monitors a missing process,
/// and gets the `Down`.
async fn taken(peer: &mut BarePeer) {
    let target = RemoteTarget::Pid(Serial::new(u32::MAX, 0));
    peer.push(&frame(&[Signal::Monitor { id: id(1 << 20), target }]));
    let answered = |signals: Vec<Signal>| signals.iter().any(|s| matches!(s, Signal::Down { .. }));
    while !answered(peer.signals().await) {}
}

async fn f16_a_monitor_whose_number_is_in_use_ends_its_session(fixture: Fixture) {
    let (bystander, target) = fixture.processes();
    let held = bystander.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    let mut peer = fixture.network.bare_peer("mallory").await;
    peer.connect(&fixture.there).await;
    // This peer may use the number of the bystander's monitor, but only once.
    let serial = target.pid().serial();
    let monitor = Signal::Monitor { id: MonitorId(held.serial()), target: RemoteTarget::Pid(serial) };
    peer.push(&frame(std::slice::from_ref(&monitor)));
    fixture.watched(&target, 2).await;
    peer.push(&frame(&[monitor]));
    peer.ended().await;
    fixture.watched(&target, 1).await;
    assert_eq!(fixture.there.stats().count("protocol_violations"), Some(1));
    assert_eq!(bystander.monitors().len(), 1);
    fixture.settled().await;
}

async fn f17_a_down_for_an_unknown_monitor_is_ignored(fixture: Fixture) {
    let (mut watcher, monitor, mut peer) = monitored_peer(&fixture).await;
    let own = MonitorId(monitor.serial());
    // There is such a monitor, but not on a process of this peer, so the signal has no effect.
    let target = fixture.there.process().unwrap();
    let of_another = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    peer.push(&frame(&[down(&of_another, ExitReason::Killed)]));

    let unknown =
        (0..100).map(id).chain([MonitorId(Serial::new(u32::MAX, u32::MAX))]).filter(|id| *id != own);
    let downs = unknown.map(|id| Signal::Down { id, reason: DownReason::NoProc });
    peer.push(&frame(&downs.collect::<Vec<_>>()));
    taken(&mut peer).await;
    assert_eq!((watcher.try_recv(), fixture.here.stats().monitors), (Err(TryRecvError::Empty), 2));
    assert_eq!(fixture.here.stats().sessions, 2);
}

async fn f18_the_same_down_twice_is_delivered_once(fixture: Fixture) {
    let (mut watcher, monitor, mut peer) = monitored_peer(&fixture).await;
    peer.push(&frame(&[down(&monitor, ExitReason::Shutdown), down(&monitor, ExitReason::Killed)]));
    peer.push(&frame(&[down(&monitor, ExitReason::Killed)]));
    taken(&mut peer).await;
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Shutdown));
    assert_eq!((watcher.try_recv(), fixture.here.stats().sessions), (Err(TryRecvError::Empty), 1));
}

async fn f20_a_down_for_a_watcher_that_is_gone_is_ignored(fixture: Fixture) {
    let (watcher, monitor, mut peer) = monitored_peer(&fixture).await;
    drop(watcher);
    let told = peer.signals().await;
    assert_eq!(told, [Signal::Demonitor { id: MonitorId(monitor.serial()) }]);
    // Its number may have another holder by now.
    let mut successor = fixture.here.process().unwrap();
    peer.push(&frame(&[down(&monitor, ExitReason::Normal)]));
    taken(&mut peer).await;
    assert_eq!((successor.try_recv(), fixture.here.stats().sessions), (Err(TryRecvError::Empty), 1));
}

async fn f32_lengths_that_promise_the_world_end_the_session_and_cost_nothing(fixture: Fixture) {
    // A varint of 2^32 - 1, and one of 2^64 - 1; nested as deeply as a frame is long.
    let four_gb = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let beyond = [0xff; 9].iter().chain(&[1]).copied().collect::<Vec<u8>>();
    let bombs: Vec<Vec<u8>> = vec![
        // A reason, the name of a target, and the name in a message, of that length.
        [&[SIGNALS, 5, 1, 1, 0, 4], &four_gb[..]].concat(),
        [&[SIGNALS, 5, 1, 1, 0, 4], &beyond[..]].concat(),
        [&[SIGNALS, 3, 1, 1], &four_gb[..]].concat(),
        [&[MESSAGE, 1], &four_gb[..]].concat(),
        [&[SIGNALS], &[5; 1 << 20][..]].concat(),
        [&[SIGNALS], &[0; 1 << 20][..]].concat(),
    ];
    let (bystander, target) = fixture.processes();
    fixture.connected().await;
    bystander.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    for (at, bomb) in (1..).zip(bombs) {
        let mut peer = fixture.network.bare_peer(&format!("mallory{at}")).await;
        peer.connect(&fixture.here).await;
        peer.push(&bomb);
        peer.ended().await;
        eventually("it was noticed", || fixture.here.stats().count("protocol_violations") == Some(at)).await;
    }
    fixture.settled().await;
    assert_eq!(fixture.here.stats().monitors, 1);
}

async fn ns18_a_peer_that_breaks_the_protocol_is_told_as_such(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true)).unwrap();
    let mut peer = fixture.network.bare_peer("mallory").await;
    peer.connect(&fixture.here).await;
    next_node_up(&mut watcher).await;
    peer.push(&[SIGNALS, 99]);
    assert_eq!(next_node_down(&mut watcher).await.end, Some(EndKind::Protocol.into()));
}

/// The first byte of a frame of signals, and of a frame of a message.
const SIGNALS: u8 = 0;
const MESSAGE: u8 = 1;

fn frame(signals: &[Signal]) -> Vec<u8> {
    let mut frame = vec![SIGNALS];
    let mut last = None;
    signals.iter().for_each(|signal| encode(signal, &mut last, &mut frame));
    frame
}

fn id(slot: u32) -> MonitorId {
    MonitorId(Serial::new(slot, 1))
}

/// A bystander that is monitored over an honest session, which must not be affected.
async fn unharmed(cluster: &Cluster, a: &Node, attack: impl AsyncFnOnce(&mut BarePeer)) {
    let b = cluster.node("b").await;
    let target = b.process().unwrap();
    let monitor = a.monitor(target.pid()).unwrap();
    cluster.settle(a, &b).await;
    let mut peer = cluster.bare_peer("mallory").await;
    peer.connect(a).await;
    attack(&mut peer).await;
    cluster.settle(a, &b).await;
    assert!(a.nodes(NodeType::All).iter().any(|info| info.node == *b.id()));
    target.exit(ExitReason::Shutdown);
    assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
}

async fn f13_a_frame_that_makes_no_sense_ends_its_session_alone(fixture: Fixture) {
    let named = RemoteTarget::Name(name("jobs"));
    let life = monitor_runtime::Incarnation::new(7).unwrap();
    let valid = [
        Signal::Demonitor { id: id(1) },
        Signal::Monitor { id: id(1), target: RemoteTarget::Pid(Serial::new(300, 1)) },
        Signal::Monitor { id: id(1), target: RemoteTarget::PidOf(life, Serial::new(300, 1)) },
        Signal::Monitor { id: id(1), target: named },
        Signal::Down { id: id(1), reason: exit(ExitReason::other("why")) },
    ];
    // Every frame, truncated at every byte.
    let whole = valid.iter().map(|signal| frame(std::slice::from_ref(signal)));
    let cut = whole.flat_map(|whole| (2..whole.len()).map(|len| whole[..len].to_vec()).collect::<Vec<_>>());
    let others = [
        vec![],
        vec![7],
        vec![0xff; 1000],
        vec![SIGNALS, 99],
        // It repeats the previous reason, and there was none.
        vec![SIGNALS, 6, 1, 1],
        // A reason of an unknown kind, and a reason that only the local node can report.
        vec![SIGNALS, 5, 1, 1, 9],
        vec![SIGNALS, 5, 1, 1, 0, 9],
        // An empty name, and an invalid one.
        vec![SIGNALS, 3, 1, 1, 0],
        vec![SIGNALS, 3, 1, 1, 2, 0xff, 0xfe],
        vec![SIGNALS; 200 * 1024],
        frame(&vec![Signal::Demonitor { id: id(1) }; 64 * 1024]),
        vec![MESSAGE],
        vec![MESSAGE, 0xf8, 0, 0],
        vec![MESSAGE, 3],
        vec![MESSAGE, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![MESSAGE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    ];
    let bad: Vec<Vec<u8>> = cut.chain(others).collect();
    assert!(bad.len() >= 35, "{} shapes", bad.len());
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true)).unwrap();
    let target = fixture.there.process().unwrap();
    let monitor = watcher.monitor(target.pid()).unwrap();
    fixture.watched(&target, 1).await;
    next_node_up(&mut watcher).await;
    for (at, bytes) in (1..).zip(bad) {
        let mut peer = fixture.network.bare_peer(&format!("mallory{at}")).await;
        peer.connect(&fixture.here).await;
        next_node_up(&mut watcher).await;
        peer.push(&bytes);
        peer.ended().await;
        let down = next_node_down(&mut watcher).await;
        let shape = &bytes[..bytes.len().min(16)];
        assert_eq!(down.end, Some(EndKind::Protocol.into()), "{shape:?}");
        assert_eq!(fixture.here.stats().count("protocol_violations"), Some(at), "{shape:?}");
    }
    fixture.settled().await;
    target.exit(ExitReason::Shutdown);
    assert_eq!(expect_down(&mut watcher, &monitor).await, exit(ExitReason::Shutdown));
}

#[test]
fn a_malformed_frame_has_no_effect_at_all() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let target = a.process().unwrap();
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            let mut bytes =
                frame(&[Signal::Monitor { id: id(1), target: RemoteTarget::Pid(target.pid().serial()) }]);
            bytes.push(99);
            peer.push(&bytes);
            peer.ended().await;
        })
        .await;
        assert_eq!(a.stats().incoming_monitors, 0);
    });
}

#[test]
fn nobody_speaks_for_another_node() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            // A `Down` for every possible monitor.
            let downs = |slot| Signal::Down { id: id(slot), reason: DownReason::NoProc };
            peer.push(&frame(&(0..100).map(downs).collect::<Vec<_>>()));
            let demonitors = |slot| Signal::Demonitor { id: id(slot) };
            peer.push(&frame(&(0..100).map(demonitors).collect::<Vec<_>>()));
        })
        .await;
    });
}

#[test]
fn what_a_peer_names_is_looked_up_and_nothing_more() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let holder = a.process().unwrap();
        holder.register(name("jobs")).unwrap();
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            let wild = [Serial::new(u32::MAX, u32::MAX), Serial::new(0, 0), Serial::new(12_345, 1)];
            let monitors = (0..)
                .zip(wild)
                .map(|(slot, serial)| Signal::Monitor { id: id(slot), target: RemoteTarget::Pid(serial) });
            peer.push(&frame(&monitors.collect::<Vec<_>>()));
            let mut downs = 0;
            while downs < wild.len() {
                downs += peer.signals().await.len();
            }
        })
        .await;
    });
}

#[test]
fn a_peer_that_floods_is_read_fairly_and_bounded() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| config.max_mailbox_bytes(100_000)).await;
        let mut receiver = a.process().unwrap();
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            let mut message = vec![MESSAGE, 0];
            message.extend_from_slice(&a.id().incarnation.get().to_le_bytes());
            message.extend_from_slice(&[
                receiver.pid().serial().slot() as u8,
                receiver.pid().serial().generation() as u8,
            ]);
            message.extend_from_slice(&[0; 1000]);
            for _ in 0..10_000 {
                peer.push_when_ready(&message).await;
            }
        })
        .await;
        let mut kept = 0;
        while let Ok(Event::Message(_)) = receiver.try_recv() {
            kept += 1;
        }
        assert!((1..=100).contains(&kept), "{kept} were kept");
    });
}
