//! Peers that do not keep the rules: their session ends, and nobody else notices.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Cluster, bare::BarePeer, eventually, name, next_node_down, next_node_up, run};
use monitor_core::{DownReason, MonitorId, RemoteTarget, Signal, encode};
use monitor_runtime::{EndKind, Event, ExitReason, Node, NodeType, NodesOptions, refs::Serial};

/// What a frame of signals begins with, and one of a message.
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

/// A bystander that is monitored over an honest session, and must not notice anything.
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

#[test]
fn f13_a_frame_that_makes_no_sense_ends_its_session_alone() {
    let valid = frame(&[Signal::Demonitor { id: id(1) }]);
    let cut = |frame: &[u8]| frame[..frame.len() - 1].to_vec();
    let bad: Vec<Vec<u8>> = vec![
        vec![],
        vec![7],
        vec![0xff; 1000],
        cut(&valid),
        vec![SIGNALS, 99],
        vec![SIGNALS; 200 * 1024],
        frame(&vec![Signal::Demonitor { id: id(1) }; 64 * 1024]),
        vec![MESSAGE],
        vec![MESSAGE, 0xf8, 0, 0],
        vec![MESSAGE, 3],
        vec![MESSAGE, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![MESSAGE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    ];
    run(async {
        for bytes in bad {
            let cluster = Cluster::new();
            let a = cluster.node("a").await;
            let mut watcher = a.process().unwrap();
            let options = NodesOptions::new().nodedown_reason(true);
            watcher.monitor_nodes(options).unwrap();
            unharmed(&cluster, &a, async |peer: &mut BarePeer| {
                peer.push(&bytes);
                peer.ended().await;
            })
            .await;
            next_node_up(&mut watcher).await;
            next_node_up(&mut watcher).await;
            let down = next_node_down(&mut watcher).await;
            assert_eq!((down.name.label(), down.end), ("mallory", Some(EndKind::Protocol.into())));
            assert_eq!(
                a.stats().count("protocol_violations"),
                Some(1),
                "{:?}",
                &bytes[..bytes.len().min(16)]
            );
        }
    });
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
fn f16_a_monitor_whose_number_is_in_use_ends_its_session() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let target = a.process().unwrap();
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            let monitor = Signal::Monitor { id: id(1), target: RemoteTarget::Pid(target.pid().serial()) };
            peer.push(&frame(&[monitor.clone(), monitor]));
            peer.ended().await;
            eventually("its monitors are forgotten", || a.stats().incoming_monitors == 0).await;
        })
        .await;
    });
}

#[test]
fn nobody_speaks_for_another_node() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        unharmed(&cluster, &a, async |peer: &mut BarePeer| {
            // A death of everything that anybody could watch.
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
        while let Some(Event::Message(_)) = receiver.try_recv() {
            kept += 1;
        }
        assert!((1..=100).contains(&kept), "{kept} were kept");
    });
}
