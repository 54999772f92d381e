//! `cable-pull`, `one-way`, `told-by-closing`, `bridge-partition`, `ring-partition` and
//! `flapping-link`

use std::{thread, time::Duration};

use anyhow::Result;
use fastrand::Rng;

use super::mesh::{Loss, Mesh};
use crate::cluster::{Cluster, heartbeat::Heartbeat, process::Wanted};

const HEARTBEAT: Heartbeat = Heartbeat::BRISK;

/// One of three nodes loses its cable: no packet can reach it or leave it. The other two keep each
/// other.
pub(super) fn cable_pull(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, HEARTBEAT)?;
    let cut_off = [(0, 2), (1, 2)];
    let victim = mesh.nodes[2].clone();
    let pulled = cluster.pull(&victim)?;
    cluster.figure_seconds("slowest_detection_seconds", mesh.expect_lost(&cut_off, pulled, Loss::Silence)?);
    cluster.plug(&victim)?;
    mesh.join(&cut_off)?;
    mesh.finish()
}

/// The packets from the first node to the second are lost, and then those in the other direction.
/// The node that receives nothing reports silence; the other may learn from its kernel that its
/// peer closed the connection.
pub(super) fn one_way(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, HEARTBEAT)?;
    let mut slowest = Duration::ZERO;
    for (deaf, unheard) in [(1, 0), (0, 1)] {
        let (deaf, unheard) = (mesh.nodes[deaf].clone(), mesh.nodes[unheard].clone());
        let since = cluster.deafen(&deaf, &unheard)?;
        slowest = slowest.max(mesh.expect_lost(&[(0, 1)], since, Loss::Silence)?);
        cluster.heal(&deaf)?;
        mesh.join(&[(0, 1)])?;
    }
    cluster.figure_seconds("slowest_detection_seconds", slowest);
    mesh.finish()
}

/// A node with a short timeout receives nothing from a node with a long one, and reports it as
/// down. Its own packets still arrive, so the other node learns of the close without waiting for
/// its own timeout.
pub(super) fn told_by_closing(cluster: &Cluster<'_>) -> Result<()> {
    let start = |label, heartbeat| cluster.node_with(label, |launch| launch.heartbeat = heartbeat);
    let (patient, hasty) = (start("a", Heartbeat::WAN)?, start("b", Heartbeat::FAST)?);
    patient.meet(&hasty)?;
    let monitors =
        [hasty.watcher()?.monitor(&patient.spawn()?)?, patient.watcher()?.monitor(&hasty.spawn()?)?];
    cluster.at_rest()?;
    let since = cluster.deafen(&hasty, &patient)?;
    Heartbeat::FAST.silence(since, monitors[0].expect_down(Wanted::NoConnection(&["Timeout"]))?)?;
    let reported_at = monitors[1].expect_down(Wanted::NoConnection(&["Closed", "Timeout"]))?;
    cluster.figure_seconds("patient_told_seconds", Heartbeat::FAST.sign(since, reported_at)?);
    Ok(())
}

/// Two nodes lose each other and both keep the third: the nodes have different views of the
/// cluster, and nothing makes them equal.
pub(super) fn bridge_partition(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, HEARTBEAT)?;
    let (one, other) = (mesh.nodes[0].clone(), mesh.nodes[1].clone());
    let since = cluster.part(&one, &other)?;
    cluster.figure_seconds("slowest_detection_seconds", mesh.expect_lost(&[(0, 1)], since, Loss::Silence)?);
    cluster.heal(&one)?;
    cluster.heal(&other)?;
    mesh.join(&[(0, 1)])?;
    mesh.finish()
}

/// Five nodes in a ring: each keeps two and loses two.
pub(super) fn ring_partition(cluster: &Cluster<'_>) -> Result<()> {
    const RING: usize = 5;
    let mut mesh = Mesh::new(cluster, RING, HEARTBEAT)?;
    let apart: Vec<_> = mesh.pairs().filter(|(one, other)| ![1, RING - 1].contains(&(other - one))).collect();
    let mut since = None;
    for &(one, other) in &apart {
        let parted = cluster.part(&mesh.nodes[one], &mesh.nodes[other])?;
        since.get_or_insert(parted);
    }
    let since = since.expect("a ring of five has nodes that are no neighbours");
    cluster.figure_seconds("slowest_detection_seconds", mesh.expect_lost(&apart, since, Loss::Silence)?);
    mesh.nodes.iter().try_for_each(|node| cluster.heal(node))?;
    mesh.join(&apart)?;
    mesh.finish()
}

/// The cable of one of three nodes is pulled and plugged repeatedly, sometimes so briefly that no
/// session needs to end. Regardless of the notices, all sessions are up at the end.
pub(super) fn flapping_link(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 3, HEARTBEAT)?;
    let victim = mesh.nodes[2].clone();
    let mut rng = Rng::with_seed(cluster.seed());
    let flaps = cluster.scaled(10, 3);
    cluster.progress().plan(flaps, "flaps");
    let longest = HEARTBEAT.timeout.mul_f64(1.5);
    let mut losses = 0;
    for _ in 0..flaps {
        cluster.pull(&victim)?;
        thread::sleep(longest.mul_f64(rng.f64()));
        cluster.plug(&victim)?;
        thread::sleep(longest.mul_f64(rng.f64() / 2.0));
        losses += mesh.lost().len();
        // Nodes that have lost a session try to restore it, while the next pull of the cable may
        // already begin.
        mesh.watch_again()?;
        cluster.progress().step();
    }
    mesh.converge()?;
    cluster.figure("flaps", flaps);
    cluster.figure("losses", losses);
    mesh.finish()
}
