//! Random steps of two nodes, and the conditions that must hold after each step.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Got, Pair, name};
use monitor_core::{
    Demonitored, ExitReason, LocalPid, MonitorId, NodesOptions,
    refs::{EndKind, SessionId, Target},
};
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Debug)]
enum Step {
    Spawn { on_a: bool },
    Exit { on_a: bool, who: usize },
    Monitor { on_a: bool, watcher: usize, target_on_a: bool, target: usize },
    Demonitor { on_a: bool, which: usize, flush: bool },
    MonitorNode { on_a: bool, watcher: usize },
    Receive { on_a: bool, who: usize },
    DeliverToA,
    DeliverToB,
    Resume { on_a: bool },
    Connect,
    FailDial { on_a: bool },
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    let (side, index) = (any::<bool>, || 0..6_usize);
    prop_oneof![
        3 => side().prop_map(|on_a| Step::Spawn { on_a }),
        2 => (side(), index()).prop_map(|(on_a, who)| Step::Exit { on_a, who }),
        8 => (side(), index(), side(), index()).prop_map(|(on_a, watcher, target_on_a, target)| {
            Step::Monitor { on_a, watcher, target_on_a, target }
        }),
        3 => (side(), 0..12_usize, side()).prop_map(|(on_a, which, flush)| Step::Demonitor { on_a, which, flush }),
        1 => (side(), index()).prop_map(|(on_a, watcher)| Step::MonitorNode { on_a, watcher }),
        3 => (side(), index()).prop_map(|(on_a, who)| Step::Receive { on_a, who }),
        5 => Just(Step::DeliverToA),
        5 => Just(Step::DeliverToB),
        3 => side().prop_map(|on_a| Step::Resume { on_a }),
        2 => Just(Step::Connect),
        1 => side().prop_map(|on_a| Step::FailDial { on_a }),
        1 => Just(Step::Cut),
    ]
}

/// The test's own record of one node, independent of the core.
#[derive(Default)]
struct Known {
    /// Every process that ever existed, in the order of creation.
    processes: Vec<LocalPid>,
    alive: BTreeSet<LocalPid>,
    /// Monitors that must still end, by number: watcher and target.
    open: BTreeMap<MonitorId, (LocalPid, Target)>,
    ended: BTreeSet<MonitorId>,
    /// For each subscriber, the session whose beginning it was told and whose end it was not.
    up: BTreeMap<LocalPid, Option<SessionId>>,
}

impl Known {
    fn process(&self, index: usize) -> Option<LocalPid> {
        self.processes.get(index % self.processes.len().max(1)).copied()
    }

    fn living(&self, index: usize) -> Option<LocalPid> {
        self.process(index).filter(|pid| self.alive.contains(pid))
    }

    fn end(&mut self, id: MonitorId) {
        assert!(self.open.remove(&id).is_some(), "{id:?} ends, but was not open");
        assert!(self.ended.insert(id), "{id:?} ends twice");
    }

    fn check(&mut self, who: LocalPid, got: Got) {
        match got {
            Got::Down(down) => {
                let id = MonitorId(down.monitor.serial());
                let (watcher, target) = self.open.get(&id).expect("a Down of an open monitor");
                assert_eq!((*watcher, target), (who, &down.target));
                self.end(id);
            }
            Got::Up(_, _, session) => {
                let before = self.up.insert(who, Some(session));
                assert!(before.flatten().is_none(), "up twice");
            }
            Got::NodeDown(_, _, session, _) => {
                let before = self.up.insert(who, None);
                assert_eq!(before.flatten(), Some(session), "the end of what had begun");
            }
            Got::MonitoredDown(..) => {}
        }
    }
}

struct World {
    pair: Pair,
    a: Known,
    b: Known,
}

impl World {
    fn side(&mut self, on_a: bool) -> (&mut common::Node, &mut Known) {
        if on_a { (&mut self.pair.a, &mut self.a) } else { (&mut self.pair.b, &mut self.b) }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Spawn { on_a } => {
                let (node, known) = self.side(on_a);
                let pid = node.spawn();
                known.processes.push(pid);
                known.alive.insert(pid);
                // Every other process subscribes to nodes.
                if known.processes.len() % 2 == 0 {
                    let up = node.monitor_nodes(pid, NodesOptions::new());
                    let session = node.core.nodes(Default::default()).first().and_then(|e| e.session.clone());
                    assert_eq!(up.len(), usize::from(session.is_some()));
                    known.up.insert(pid, session.map(|(session, _)| session));
                }
            }
            Step::Exit { on_a, who } => {
                let (node, known) = self.side(on_a);
                if let Some(pid) = known.living(who) {
                    known.alive.remove(&pid);
                    known.open.retain(|_, (watcher, _)| *watcher != pid);
                    node.exit(pid, ExitReason::Normal);
                }
            }
            Step::Monitor { on_a, watcher, target_on_a, target } => {
                let target_pid = self.side(target_on_a).1.process(target);
                let target_node = self.side(target_on_a).0;
                let target = target_pid.map(|pid| Target::from(target_node.pid(pid)));
                let same = on_a == target_on_a;
                let (node, known) = self.side(on_a);
                if let (Some(watcher), Some(target)) = (known.living(watcher), target) {
                    let id = node.monitor(watcher, &target);
                    assert!(
                        !known.ended.contains(&id) && !known.open.contains_key(&id),
                        "a number used twice"
                    );
                    let itself = same && target_pid == Some(watcher);
                    if !itself {
                        known.open.insert(id, (watcher, target));
                    }
                }
            }
            Step::Demonitor { on_a, which, flush } => {
                let (node, known) = self.side(on_a);
                let Some((&id, &(watcher, _))) = known.open.iter().nth(which) else { return };
                let fired = node.core.is_fired(id);
                let found = node.demonitor(watcher, id, flush);
                assert_eq!(found, if fired { Demonitored::Fired } else { Demonitored::Active });
                if flush || !fired {
                    known.end(id);
                }
            }
            Step::MonitorNode { on_a, watcher } => {
                let other = name(if on_a { "b" } else { "a" });
                let (node, known) = self.side(on_a);
                if let Some(watcher) = known.living(watcher) {
                    node.monitor_node(watcher, &other);
                }
            }
            Step::Receive { on_a, who } => {
                let (node, known) = self.side(on_a);
                if let Some(pid) = known.living(who) {
                    for got in node.receive(pid) {
                        known.check(pid, got);
                    }
                }
            }
            Step::DeliverToA => drop(self.pair.step_to_a()),
            Step::DeliverToB => drop(self.pair.step_to_b()),
            Step::Resume { on_a } => drop(self.side(on_a).0.resume()),
            Step::Connect if self.pair.session.is_none() => self.pair.connect(),
            Step::Connect => {}
            Step::FailDial { on_a } => {
                let (node, _) = self.side(on_a);
                if !node.dials.is_empty() {
                    node.fail_dial(EndKind::Refused);
                }
            }
            Step::Cut if self.pair.session.is_some() => self.pair.cut(EndKind::Closed),
            Step::Cut => {}
        }
    }

    /// The faults are over: both ends agree, all monitors that must have ended have ended, and when
    /// all processes exit the tables are empty.
    fn converge(&mut self) {
        if self.pair.session.is_none() {
            self.pair.connect();
        }
        self.pair.expect_agreement();
        self.pair.cut(EndKind::Left);
        self.pair.settle();
        self.pair.connect();
        self.pair.settle();
        for on_a in [true, false] {
            let (node, known) = self.side(on_a);
            for pid in known.alive.clone() {
                for got in node.receive(pid) {
                    known.check(pid, got);
                }
            }
            let (here, remote): (Vec<_>, Vec<_>) =
                known.open.values().partition(|(_, target)| *target.node() == node.id.name);
            assert_eq!(
                remote,
                Vec::<&(LocalPid, Target)>::new(),
                "every remote monitor has ended with the session"
            );
            let dead = here
                .iter()
                .filter(|(_, t)| !known.alive.iter().any(|&pid| Target::from(node.pid(pid)) == *t));
            assert_eq!(dead.count(), 0, "every monitor on a dead process has ended");
        }
        for on_a in [true, false] {
            let (node, known) = self.side(on_a);
            for pid in std::mem::take(&mut known.alive) {
                node.exit(pid, ExitReason::Normal);
            }
        }
        self.pair.settle();
        self.pair.a.expect_empty();
        self.pair.b.expect_empty();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_monitor_ends_once_and_nothing_is_left(
        max_batch in prop_oneof![Just(1), Just(2), Just(3), Just(256)],
        steps in vec(step(), 1..120),
    ) {
        let mut world = World { pair: Pair::new(max_batch), a: Known::default(), b: Known::default() };
        for step in steps {
            world.take(step);
        }
        world.converge();
    }
}
