//! A subscriber of node events that reads too late: the mailbox keeps a limited number of events,
//! and one `NodesMissed` in the position of the others restarts the subscription.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use monitor_runtime::{
    NodeDownSource, NodeType, NodesMissed, TryRecvError,
    prelude::*,
    test_util::{Cluster, Join},
};

const PLAIN: NodesOptions = NodesOptions::new();
const REASON: NodesOptions = NodesOptions::new().nodedown_reason(true);
const LIMIT: usize = 4;
const PEERS: [&str; 5] = ["b@local", "c@local", "d@local", "e@local", "f@local"];

/// Node a, whose mailboxes keep few node events, its peers, and a process of a with two
/// subscriptions.
struct World {
    cluster: Cluster,
    a: Node,
    peers: Vec<Node>,
    watcher: Process,
    view: View,
}

/// The nodes that are up, according to each subscription. Panics if its events do not alternate.
#[derive(Default)]
struct View(BTreeMap<NodesOptions, BTreeSet<NodeName>>);

impl View {
    fn up(&self, options: NodesOptions) -> Vec<NodeName> {
        self.0.get(&options).into_iter().flatten().cloned().collect()
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::NodeUp(up) => {
                let new = self.0.entry(up.options).or_default().insert(up.name.clone());
                assert!(new, "{} was up", up.name);
            }
            Event::NodeDown(down) => {
                let NodeDownSource::MonitorNodes(options) = down.source else { panic!("{down}") };
                assert!(self.0.entry(options).or_default().remove(&down.name), "{} was down", down.name);
            }
            Event::NodesMissed(missed) => {
                self.0.insert(missed.options, names(missed));
            }
            Event::Message(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn names(missed: &NodesMissed) -> BTreeSet<NodeName> {
    missed.up.iter().map(|info| info.name.clone()).collect()
}

impl World {
    fn new() -> Self {
        let cluster = Cluster::new();
        let join = Join::new("a@local".parse().unwrap());
        let config = Config::new(join.name.clone()).max_node_events(LIMIT);
        let a = cluster.start_with(config, join).unwrap();
        let peers = PEERS.map(|name| cluster.start(name).unwrap()).into();
        let watcher = a.process().unwrap();
        for options in [PLAIN, REASON] {
            assert_eq!(watcher.monitor_nodes(options).unwrap(), []);
        }
        World { cluster, a, peers, watcher, view: View::default() }
    }

    fn connect(&self, peer: usize) {
        self.a.connect(self.peers[peer].name()).unwrap();
        self.cluster.settle();
    }

    fn sever(&self, peer: usize) {
        self.cluster.network().sever(self.a.name(), self.peers[peer].name());
        self.cluster.settle();
    }

    fn send(&self, peer: usize, body: &'static str) {
        self.peers[peer].try_send(self.watcher.pid(), body).unwrap();
        self.cluster.settle();
    }

    fn missed_events(&self) -> u64 {
        self.a.stats().count("node_events_missed").unwrap()
    }

    /// The next event, in short, if there is one.
    fn read(&mut self) -> Option<String> {
        let event = match self.watcher.try_recv() {
            Ok(event) => event,
            Err(TryRecvError::Empty) => return None,
            Err(other) => panic!("{other}"),
        };
        self.view.apply(&event);
        Some(match event {
            Event::NodeUp(up) => format!("{} up {}", of(up.options), up.name),
            Event::NodeDown(down) => match down.source {
                NodeDownSource::MonitorNodes(options) => format!("{} down {}", of(options), down.name),
                other => panic!("{other:?}"),
            },
            Event::NodesMissed(missed) => {
                let up: Vec<_> = names(&missed).iter().map(ToString::to_string).collect();
                format!("{} missed {}, up: {}", of(missed.options), missed.count, up.join(" "))
            }
            Event::Message(message) => String::from_utf8(message.body.into()).unwrap(),
            other => panic!("{other:?}"),
        })
    }

    /// All unread events.
    fn read_all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.read()).collect()
    }
}

fn of(options: NodesOptions) -> &'static str {
    if options == PLAIN { "plain:" } else { "reason:" }
}

/// Checks that each subscription got the event. Between subscriptions there is no order.
fn both(events: &[String], expected: &str) {
    let mut events: Vec<&str> = events.iter().map(String::as_str).collect();
    events.sort_unstable();
    assert_eq!(events, [format!("plain: {expected}"), format!("reason: {expected}")]);
}

#[test]
fn one_notice_a_subscription_stands_for_the_events_that_did_not_fit_and_then_it_goes_on() {
    let mut world = World::new();
    world.connect(0);
    world.connect(1);
    world.send(1, "before");
    assert_eq!(world.missed_events(), 0);
    // The limit is reached: from here on events are missing.
    world.connect(2);
    world.send(2, "between");
    world.sever(0);
    world.connect(3);
    world.sever(2);
    world.send(3, "after");
    assert_eq!(world.missed_events(), 8);

    let events = world.read_all();
    both(&events[0..2], "up b@local");
    both(&events[2..4], "up c@local");
    assert_eq!(events[4], "before");
    both(&events[5..7], "missed 4, up: c@local e@local");
    assert_eq!(events[7..], ["between", "after"]);

    for (happens, expected) in [
        (World::sever as fn(&World, usize), "down c@local"),
        (World::connect, "up c@local"),
        (World::sever, "down c@local"),
    ] {
        happens(&world, 1);
        both(&world.read_all(), expected);
    }
    // A second time, because the limit applies again.
    (0..3).for_each(|peer| world.connect(peer));
    world.sever(3);
    let events = world.read_all();
    both(&events[0..2], "up b@local");
    both(&events[2..4], "up c@local");
    both(&events[4..], "missed 2, up: b@local c@local d@local");
    assert_eq!(world.missed_events(), 12);
}

#[test]
fn an_ended_subscription_is_told_nothing_of_what_it_missed() {
    let mut world = World::new();
    (0..3).for_each(|peer| world.connect(peer));
    world.watcher.demonitor_nodes(REASON).unwrap();
    world.sever(2);
    let events = world.read_all();
    both(&events[0..2], "up b@local");
    both(&events[2..4], "up c@local");
    assert_eq!(events[4..], ["plain: missed 2, up: b@local c@local"]);
    world.sever(1);
    assert_eq!(world.read_all(), ["plain: down c@local"]);
}

#[test]
fn a_down_after_the_list_says_nothing_of_what_was_missed_before_it() {
    let mut world = World::new();
    world.watcher.demonitor_nodes(REASON).unwrap();
    world.connect(0);
    world.sever(0);
    // This up and the down before it are left out: the next down would be marked as missed.
    world.connect(0);
    (1..5).for_each(|peer| world.connect(peer));
    let events = world.read_all();
    let list = "plain: missed 1, up: b@local c@local d@local e@local f@local";
    assert_eq!((events.len(), events[4].as_str()), (5, list));
    world.sever(0);
    let Ok(Event::NodeDown(down)) = world.watcher.try_recv() else { panic!("no down") };
    assert_eq!((&down.name, down.missed), (world.peers[0].name(), false));
}

#[test]
fn whenever_it_reads_ups_and_downs_of_a_node_alternate_and_end_with_the_truth() {
    let mut missed = 0;
    for seed in 0..30 {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::new();
        for _ in 0..200 {
            match rng.usize(..5) {
                0 | 1 => world.connect(rng.usize(..PEERS.len())),
                2 | 3 => world.sever(rng.usize(..PEERS.len())),
                _ => (0..rng.usize(..8)).for_each(|_| drop(world.read())),
            }
        }
        world.read_all();
        let up: Vec<_> = world.a.nodes(NodeType::All).into_iter().map(|info| info.name).collect();
        assert_eq!([world.view.up(PLAIN), world.view.up(REASON)], [up.clone(), up], "seed {seed}");
        missed += world.missed_events();
    }
    assert!(missed > 500, "only {missed} events were missed");
}
