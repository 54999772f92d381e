//! `many-strangers` and `reconnects`

use anyhow::Result;
use fastrand::Rng;
use harness::conditions::ensure;

use super::{hostile::attacks, mesh::Mesh, strangers::knock};
use crate::cluster::{Cluster, heartbeat::Heartbeat, node::Node};

/// Maximum growth of a node after it has done the same work twice: no retained memory, only
/// differences of the allocator.
const GROWTH: u64 = 4 << 20;

/// Thousands of unauthenticated peers, one after the other, with different input: none leaves any
/// memory or descriptor in use.
pub(super) fn many_strangers(cluster: &Cluster<'_>) -> Result<()> {
    let mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let target = mesh.nodes[1].clone();
    let attacks = attacks(&target, &mut Rng::with_seed(cluster.seed()));
    let strangers = cluster.scaled(10_000, 600);
    cluster.progress().plan(strangers, "strangers");
    let address = cluster.address("b");
    let mut attack = attacks.iter().cycle();
    leaves_nothing(cluster, &target, strangers, |times| {
        cluster.at("z", || {
            attack.by_ref().take(times).try_for_each(|attack| {
                cluster.progress().step();
                knock(address, &attack.bytes)
            })
        })?
    })?;
    cluster.figure("strangers", strangers);
    mesh.expect_all_kept()?;
    mesh.finish()
}

/// Two nodes disconnect and reconnect repeatedly.
pub(super) fn reconnects(cluster: &Cluster<'_>) -> Result<()> {
    let mut mesh = Mesh::new(cluster, 2, Heartbeat::DEFAULT)?;
    let (one, other) = (mesh.nodes[0].clone(), mesh.nodes[1].clone());
    let reconnects = cluster.scaled(1_000, 60);
    cluster.progress().plan(reconnects, "reconnects");
    let watcher = mesh.watchers[0].clone();
    let mut partings = 0;
    leaves_nothing(cluster, &other, reconnects, |times| {
        for _ in 0..times {
            partings += 1;
            cluster.disconnect(&one, &other)?;
            watcher.await_node_downs(&other, partings)?;
            one.meet(&other)?;
            cluster.progress().step();
        }
        Ok(())
    })?;
    cluster.figure("reconnects", reconnects);
    mesh.converge()?;
    mesh.finish()
}

/// Repeats an action that many times, and checks that the second half uses no more memory than the
/// first.
fn leaves_nothing(
    cluster: &Cluster<'_>,
    node: &Node,
    times: usize,
    mut act: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    act(times / 2)?;
    let early = node.memory()?;
    act(times - times / 2)?;
    let late = node.memory()?;
    cluster.figure("memory_growth_kib", late.saturating_sub(early) >> 10);
    ensure(late <= early + GROWTH, || {
        format!("{} has {late} bytes after {times} times, and had {early} after half of them", node.name())
    })
}
