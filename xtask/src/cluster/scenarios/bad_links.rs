//! `loss`, `heavy-loss`, `disorder`, `slow-link`, `reset`, `stalled-relay` and `delay`

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::{
    conditions::ensure,
    net::{
        Host,
        relay::{Relay, RelayFaults},
    },
};

use super::mesh::{Loss, Mesh};
use crate::cluster::{
    Cluster,
    heartbeat::Heartbeat,
    node::{Node, end_all},
    process::{Monitor, NORMAL},
};

/// One packet in twenty is lost, everywhere: TCP retransmits, no session ends, and every message
/// arrives.
pub(super) fn loss(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 3, Heartbeat::DEFAULT)?;
    mesh.nodes.iter().try_for_each(|node| cluster.lose(node, 5))?;
    talk(cluster, &mesh)?;
    talk_until_counted(cluster, &mesh, "packets_lost", Host::stopped_packets)?;
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// One packet in five is lost, everywhere. That may cost a session now and then; each monitor ends
/// once all the same, no message arrives twice or late, and once the network is repaired all
/// sessions are up again.
pub(super) fn heavy_loss(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, Heartbeat::DEFAULT)?;
    cluster.hurt_all();
    mesh.nodes.iter().try_for_each(|node| cluster.lose(node, 20))?;
    let rounds = cluster.scaled(10, 3);
    cluster.progress().plan(rounds, "rounds");
    for _ in 0..rounds {
        mesh.traffic(100)?;
        cluster.at_rest()?;
        cluster.figure("losses", mesh.lost().len());
        cluster.progress().step();
    }
    expect_counted(cluster, &mesh, "packets_lost", Host::stopped_packets)?;
    mesh.nodes.iter().try_for_each(|node| cluster.heal(node))?;
    mesh.converge()?;
    mesh.finish()
}

/// Packets are duplicated and reordered. This is invisible above TCP.
pub(super) fn disorder(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 3, Heartbeat::DEFAULT)?;
    for node in &mesh.nodes {
        cluster.disorder(node, mesh.nodes.iter().filter(|other| other.name() != node.name()))?;
    }
    talk(cluster, &mesh)?;
    talk_until_counted(cluster, &mesh, "packets_out_of_order", |host| host.tcp_count("TCPOFOQueue"))?;
    talk_until_counted(cluster, &mesh, "packets_doubled", |host| host.tcp_count("TCPDSACKOldSent"))?;
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// Every node can send half a megabit a second, and has more queued than it can send within the
/// heartbeat timeout: heartbeats still arrive in time.
pub(super) fn slow_link(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 3, Heartbeat::BRISK)?;
    mesh.nodes.iter().try_for_each(|node| cluster.throttle(node, 512))?;
    let start = Instant::now();
    expect_normal(&mesh.traffic(cluster.scaled(6_000, 3_500))?)?;
    cluster.figure_seconds("messages_seconds", start.elapsed());
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// A middlebox between two nodes answers with resets: both nodes report it without waiting for a
/// timeout.
pub(super) fn reset(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, Heartbeat::BRISK)?;
    let (one, other) = (mesh.nodes[0].clone(), mesh.nodes[1].clone());
    let since = cluster.reset(&one, &other)?;
    cluster.figure_seconds("slowest_detection_seconds", mesh.expect_lost(&[(0, 1)], since, Loss::Reset)?);
    cluster.heal(&one)?;
    cluster.heal(&other)?;
    mesh.join(&[(0, 1)])?;
    mesh.finish()
}

/// Two nodes connect through a relay. It holds back the bytes in one direction while the other
/// direction works, and later breaks the connection: the nodes detect the first by timeout, and the
/// second at once.
pub(super) fn stalled_relay(cluster: &Cluster<'_>) -> Result<()> {
    let start = |label| cluster.node_with(label, |launch| launch.heartbeat = Heartbeat::BRISK);
    let nodes = vec![start("a")?, start("b")?];
    let relay = cluster.relay("y", "b")?;
    nodes[0].connect_through(&nodes[1], relay.address())?;
    let mut mesh = Mesh::of(cluster, nodes, Heartbeat::BRISK)?;
    mesh.nodes.iter().for_each(|node| cluster.hurt(node));
    let holds: [fn(&mut RelayFaults); 2] =
        [|faults| faults.hold_to_target = true, |faults| faults.hold_to_caller = true];
    let mut slowest = Duration::ZERO;
    for hold in holds {
        let mut faults = RelayFaults::default();
        hold(&mut faults);
        let since = Instant::now();
        relay.set_faults(faults);
        slowest = slowest.max(mesh.expect_lost(&[(0, 1)], since, Loss::Silence)?);
        relay.set_faults(RelayFaults::default());
        mesh.nodes[0].connect_through(&mesh.nodes[1], relay.address())?;
        mesh.join(&[(0, 1)])?;
    }
    cluster.figure_seconds("slowest_detection_seconds", slowest);
    let since = Instant::now();
    relay.cut();
    cluster.figure_seconds("cut_detection_seconds", mesh.expect_lost(&[(0, 1)], since, Loss::Reset)?);
    mesh.nodes[0].connect_through(&mesh.nodes[1], relay.address())?;
    mesh.join(&[(0, 1)])?;
    mesh.finish()
}

/// All nodes dial all others at once, each through a relay of its own that delays every byte by 200
/// ms, and connections by random times on top, so that they overtake one another. There is one
/// session per pair, no session is lost, and every message arrives.
pub(super) fn delay(cluster: &Cluster<'_>) -> Result<()> {
    const SIZE: usize = 4;
    let faults = RelayFaults {
        delay: Duration::from_millis(200),
        scatter: Duration::from_millis(300),
        ..RelayFaults::default()
    };
    let rounds = cluster.scaled(5, 1);
    cluster.progress().plan(rounds, "rounds");
    for _ in 0..rounds {
        let labels = ["a", "b", "c", "d"];
        let start = |label: &&str| cluster.node_with(label, |launch| launch.heartbeat = Heartbeat::BRISK);
        let nodes = labels.iter().map(start).collect::<Result<Vec<_>>>()?;
        let to = |label: &&str| (0..SIZE).map(|_| cluster.relay("y", label)).collect::<Result<Vec<_>>>();
        let relays = labels.iter().map(to).collect::<Result<Vec<_>>>()?;
        relays.iter().flatten().for_each(|relay| relay.set_faults(faults));
        dial_at_once(&nodes, &relays)?;
        let mesh = Mesh::of(cluster, nodes, Heartbeat::BRISK)?;
        let asked = Instant::now();
        expect_normal(&mesh.traffic(50)?)?;
        ensure(asked.elapsed() >= faults.delay, || "the relays do not delay anything".to_owned())?;
        // Longer than every heartbeat timeout.
        thread::sleep(Heartbeat::BRISK.timeout + Heartbeat::BRISK.interval);
        mesh.expect_all_kept()?;
        for watcher in &mesh.watchers {
            let events = watcher.node_events();
            ensure(events.iter().all(|event| event.up), || format!("a node was lost: {events:?}"))?;
        }
        let nodes = mesh.nodes.clone();
        mesh.finish()?;
        end_all(&nodes);
        cluster.progress().step();
    }
    cluster.figure("pairs", rounds * SIZE * (SIZE - 1) / 2);
    Ok(())
}

/// `relays[i][j]` leads to node `i`, and is for node `j`.
fn dial_at_once(nodes: &[Node], relays: &[Vec<Relay>]) -> Result<()> {
    let barrier = Barrier::new(nodes.len());
    thread::scope(|scope| {
        let dial = |from: usize| {
            barrier.wait();
            let mut others = nodes.iter().zip(relays).filter(|(other, _)| other.name() != nodes[from].name());
            others.try_for_each(|(other, to)| nodes[from].connect_through(other, to[from].address()))
        };
        let dials: Vec<_> = (0..nodes.len()).map(|from| scope.spawn(move || dial(from))).collect();
        dials.into_iter().try_for_each(|dial| dial.join().expect("dialling does not panic"))
    })
}

/// Every node sends to every other node, and every message and every exit arrives.
fn talk(cluster: &Cluster<'_>, mesh: &Mesh<'_>) -> Result<()> {
    let rounds = cluster.scaled(30, 6);
    cluster.progress().plan(rounds, "rounds");
    for _ in 0..rounds {
        expect_normal(&mesh.traffic(100)?)?;
        cluster.progress().step();
    }
    Ok(())
}

fn expect_normal(monitors: &[Monitor]) -> Result<()> {
    monitors.iter().try_for_each(|monitor| monitor.expect_down(NORMAL).map(drop))
}

/// All nodes send until the fault has hit a packet, up to a limit: a hit is a matter of chance.
fn talk_until_counted(cluster: &Cluster<'_>, mesh: &Mesh<'_>, what: &str, count: Count) -> Result<()> {
    const MOST_ROUNDS: usize = 100;
    for _ in 0..MOST_ROUNDS {
        if counted(cluster, mesh, count)? > 0 {
            break;
        }
        expect_normal(&mesh.traffic(100)?)?;
    }
    expect_counted(cluster, mesh, what, count)
}

/// A fault that has hit no packet has tested nothing.
fn expect_counted(cluster: &Cluster<'_>, mesh: &Mesh<'_>, what: &str, count: Count) -> Result<()> {
    let counted = counted(cluster, mesh, count)?;
    ensure(counted > 0, || format!("expected {what}, but there were none"))?;
    cluster.figure(what, counted);
    Ok(())
}

fn counted(cluster: &Cluster<'_>, mesh: &Mesh<'_>, count: Count) -> Result<u64> {
    mesh.nodes.iter().map(|node| count(&*cluster.host(node)?)).sum()
}

/// The packets of a host that a fault has hit.
type Count = fn(&Host) -> Result<u64>;
