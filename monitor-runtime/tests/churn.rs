//! Random calls and faults from a seed: each monitor ends once, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{Cluster, eventually, run};
use monitor_runtime::{MonitorRef, NodeType, prelude::*};

/// Xorshift: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// One node, its processes, and its monitors.
struct Actor {
    node: Node,
    processes: Vec<Process>,
    set: MonitorSet,
    /// Monitors that have not ended yet.
    open: BTreeSet<MonitorRef>,
    futures: Vec<Monitor>,
}

impl Actor {
    fn new(node: Node) -> Self {
        let set = node.monitor_set();
        Actor { node, processes: Vec::new(), set, open: BTreeSet::new(), futures: Vec::new() }
    }

    fn fired(&mut self, down: &Down) {
        assert!(self.open.remove(&down.monitor), "{down:?} of a monitor that had ended");
    }
}

fn churn(seed: u64) {
    run(async {
        let cluster = Cluster::new();
        let mut dice = Dice(seed);
        let mut actors = Vec::new();
        for label in ["a", "b", "c"] {
            actors.push(Actor::new(cluster.node(label).await));
        }
        for _ in 0..3000 {
            let (me, other) = (dice.roll(3), dice.roll(3));
            match dice.roll(20) {
                0..4 => {
                    let process = actors[me].node.process().unwrap();
                    actors[me].processes.push(process);
                }
                4..6 if !actors[me].processes.is_empty() => {
                    let victim = dice.roll(actors[me].processes.len());
                    drop(actors[me].processes.swap_remove(victim));
                }
                6..14 if !actors[other].processes.is_empty() => {
                    let target = dice.roll(actors[other].processes.len());
                    let pid = actors[other].processes[target].pid().clone();
                    if dice.roll(3) == 0 {
                        let monitor = actors[me].node.monitor(pid).unwrap();
                        actors[me].futures.push(monitor);
                    } else {
                        let monitor = actors[me].set.monitor(pid).unwrap();
                        assert!(actors[me].open.insert(monitor), "a reference that was used before");
                    }
                }
                14..16 if !actors[me].open.is_empty() => {
                    let which = dice.roll(actors[me].open.len());
                    let monitor = actors[me].open.iter().nth(which).unwrap().clone();
                    actors[me].set.demonitor(&monitor);
                    actors[me].open.remove(&monitor);
                }
                16 if !actors[me].futures.is_empty() => {
                    let which = dice.roll(actors[me].futures.len());
                    drop(actors[me].futures.swap_remove(which));
                }
                17 => cluster.sever(&actors[me].node, &actors[other].node),
                18 if me != other => actors[me].node.disconnect(actors[other].node.name()).unwrap(),
                _ => smol::future::yield_now().await,
            }
            while let Some(Some(down)) = futures::FutureExt::now_or_never(actors[me].set.next()) {
                actors[me].fired(&down);
            }
        }

        // All processes end, and then no node has a row of any monitor or watcher.
        actors.iter_mut().for_each(|actor| actor.processes.clear());
        for actor in &mut actors {
            for monitor in actor.futures.drain(..) {
                monitor.await;
            }
            while let Some(down) = actor.set.next().await {
                actor.fired(&down);
            }
            assert!(actor.open.is_empty(), "seed {seed}: {} never ended", actor.open.len());
        }
        for actor in &actors {
            let rests = || {
                let stats = actor.node.stats();
                stats.monitors + stats.fired + stats.incoming_monitors + stats.waiting + stats.backlog == 0
            };
            eventually("the tables are empty", rests).await;
            assert_eq!((actor.node.stats().processes, actor.node.stats().watchers), (0, 1));
        }
        for actor in &actors {
            actor.node.stop().await;
            assert!(actor.node.nodes(NodeType::All).is_empty());
        }
    });
}

#[test]
fn each_monitor_ends_once_whatever_happens() {
    (1..=20).for_each(|seed| churn(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed)));
}
