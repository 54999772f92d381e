//! Runs of a cluster of `test_util` are reproducible: they depend on the calls of the test, and on
//! no clock.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use monitor_runtime::{
    ChannelId, Envelope,
    prelude::*,
    test_util::{Cluster, Join},
};

/// Number of replays of each script; `OBIT_REPLAYS` sets another number.
const REPLAYS: usize = 70;

/// More than the runtime treats as a flood.
const FLOOD: usize = 300;

const CHANNELS: [&str; 2] = ["bulk", "control"];

/// All events that the processes of a run received, in order.
#[derive(Clone, Default)]
struct EventLog(Arc<Mutex<Vec<String>>>);

impl EventLog {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn start(cluster: &Cluster, name: &str) -> Node {
    let join = Join::new(name.parse().unwrap()).channels(CHANNELS.map(|name| name.parse().unwrap()));
    cluster.start_with(Config::new(join.name.clone()).max_history(100), join).unwrap()
}

fn channels(node: &Node) -> [ChannelId; 3] {
    [ChannelId::DEFAULT, node.channel(CHANNELS[0]).unwrap(), node.channel(CHANNELS[1]).unwrap()]
}

/// A process that writes all its events into the log, and answers requests whose body is even.
fn writer(node: &Node, log: &EventLog) -> Pid {
    let log = log.clone();
    let body = move |mut mailbox: Process| async move {
        let me = mailbox.pid().clone();
        while let Some(event) = mailbox.recv().await {
            log.write(format!("{me}: {event:?}"));
            if let Event::Message(message) = &event
                && message.body.last().is_some_and(|last| last % 2 == 0)
            {
                mailbox.reply(message, "yes")?;
            }
        }
        Ok(())
    };
    node.spawn(body).unwrap()
}

#[test]
fn a_settled_cluster_has_delivered_everything_on_every_channel() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), start(&cluster, "b@test"));
    for (round, count) in [1, 2, 10, FLOOD, 10 * FLOOD, 1].into_iter().cycle().take(60).enumerate() {
        for channel in channels(&a) {
            let mut receiver = b.process().unwrap();
            let mut watcher = a.process().unwrap();
            watcher.monitor_with(receiver.pid(), MonitorOptions::new().channel(channel)).unwrap();
            cluster.settle();
            for _ in 0..count {
                watcher.try_send(receiver.pid(), Envelope::new("x").channel(channel)).unwrap();
            }
            cluster.settle();
            let got = std::iter::from_fn(|| receiver.try_recv().ok()).count();
            assert_eq!(got, count, "round {round}, {channel:?}");
            for _ in 0..count {
                receiver.try_send(watcher.pid(), Envelope::new("y").channel(channel)).unwrap();
            }
            receiver.exit(ExitReason::Shutdown);
            cluster.settle();
            let got: Vec<_> = std::iter::from_fn(|| watcher.try_recv().ok()).collect();
            assert_eq!(got.len(), count + 1, "round {round}, {channel:?}");
            assert!(matches!(got.last(), Some(Event::Down(_))), "round {round}, {channel:?}");
        }
    }
}

/// One run: a script made from the seed.
struct Play {
    rng: Rng,
    cluster: Cluster,
    log: EventLog,
    nodes: Vec<Node>,
    writers: Vec<Pid>,
    speakers: Vec<Process>,
    monitors: Vec<Monitor>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let (cluster, log) = (Cluster::new(), EventLog::default());
        let nodes: Vec<_> = ["a@test", "b@test", "c@test"].map(|name| start(&cluster, name)).into();
        let writers = nodes.iter().map(|node| writer(node, &log)).collect();
        let speakers = nodes.iter().map(|node| node.process().unwrap()).collect();
        Play { rng: Rng::with_seed(seed), cluster, log, nodes, writers, speakers, monitors: Vec::new() }
    }

    fn step(&mut self) {
        let (from, to) = (self.rng.usize(..3), self.rng.usize(..3));
        let (here, there) = (self.nodes[from].name().clone(), self.nodes[to].name().clone());
        match self.rng.u8(..14) {
            0..3 => self.talk(from, 1),
            3 => self.talk(from, FLOOD),
            4 | 5 => self.watch(from),
            6 => {
                let writer = self.some_writer();
                let killed = self.nodes.iter().filter(|node| node.kill(&writer).unwrap()).count();
                self.log.write(format!("{killed} nodes had {writer}"));
            }
            7 => self.writers.push(writer(&self.nodes[from], &self.log)),
            8 => self.ask(from),
            9 => self.cluster.network().sever(&here, &there),
            10 => self.cluster.network().cut_one_way(&here, &there),
            11 => self.replace(from),
            _ => self.cluster.network().heal(&here, &there),
        }
        match self.rng.u8(..4) {
            0 => self.cluster.advance(Duration::from_millis(self.rng.u64(..2_000))),
            1 => {}
            _ => self.cluster.settle(),
        }
        self.collect();
    }

    fn some_writer(&mut self) -> Pid {
        self.writers[self.rng.usize(..self.writers.len())].clone()
    }

    fn talk(&mut self, from: usize, count: usize) {
        for round in 0..count {
            let (to, channel) = (self.some_writer(), channels(&self.nodes[from])[self.rng.usize(..3)]);
            let body = round.to_le_bytes().to_vec();
            let sent = self.speakers[from].try_send(&to, Envelope::new(body).channel(channel));
            sent.unwrap_or_else(|error| self.log.write(format!("not sent: {error}")));
        }
    }

    fn watch(&mut self, from: usize) {
        let channel = channels(&self.nodes[from])[self.rng.usize(..3)];
        for _ in 0..self.rng.usize(1..20) {
            let target = self.some_writer();
            let options = MonitorOptions::new().channel(channel);
            self.monitors.push(self.nodes[from].monitor_with(&target, options).unwrap());
        }
    }

    /// A call from a process of its own, which ends with the reply, with a `Down`, or after a
    /// second.
    fn ask(&mut self, from: usize) {
        let (to, log, request) = (self.some_writer(), self.log.clone(), vec![self.rng.u8(..)]);
        let call = move |mailbox: Process| async move {
            let reply = mailbox.call(&to, request).timeout(Duration::from_secs(1)).await;
            log.write(format!("{}: {reply:?}", mailbox.pid()));
            Ok(())
        };
        self.nodes[from].spawn(call).unwrap();
    }

    /// The node stops, and another one with its name starts.
    fn replace(&mut self, which: usize) {
        let node = self.nodes[which].clone();
        let stopped = self.cluster.now_or_never(node.stop()).is_some();
        self.log.write(format!("{} stopped at once: {stopped}", node.id()));
        self.nodes[which] = start(&self.cluster, node.name().as_str());
        self.speakers[which] = self.nodes[which].process().unwrap();
        self.writers.push(writer(&self.nodes[which], &self.log));
    }

    /// The state that is visible from outside.
    fn collect(&mut self) {
        let now = self.cluster.network().now();
        let mut open = Vec::new();
        for mut monitor in self.monitors.drain(..) {
            match smol::block_on(smol::future::poll_once(&mut monitor)) {
                Some(down) => self.log.write(format!("{now:?}: {down:?}")),
                None => open.push(monitor),
            }
        }
        self.monitors = open;
        for node in &self.nodes {
            let seen = (node.inspect(), node.monitors(100), node.history());
            self.log.write(format!("{now:?}: {seen:?}"));
        }
    }
}

/// The log of a run with that seed.
fn play(seed: u64) -> Vec<String> {
    let mut play = Play::new(seed);
    (0..40).for_each(|_| play.step());
    play.cluster.advance(Duration::from_secs(20));
    play.collect();
    play.log.lines()
}

#[test]
fn the_same_seed_gives_the_same_trace_however_often_it_is_played() {
    let replays = std::env::var("OBIT_REPLAYS").map_or(REPLAYS, |count| count.parse().expect("a number"));
    for seed in 1..=3 {
        let first = play(seed);
        let events = first.iter().filter(|line| line.contains(": Message(")).count();
        assert!(events > FLOOD, "seed {seed}: only {events} messages were received");
        for replay in 0..replays {
            let again = play(seed);
            let differs = first.iter().zip(&again).find(|(first, again)| first != again);
            assert_eq!(differs, None, "seed {seed}, replay {replay}");
            assert_eq!(first.len(), again.len(), "seed {seed}, replay {replay}");
        }
    }
    assert_ne!(play(1), play(2), "the seed decides what happens");
}

#[test]
fn a_call_times_out_once_the_test_has_let_its_time_pass() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), start(&cluster, "b@test"));
    let silent = b.process().unwrap();
    let mut call = pin!(a.call(silent.pid(), "anybody there?").timeout(Duration::from_secs(60)));
    assert!(cluster.now_or_never(&mut call).is_none());
    cluster.advance(Duration::from_millis(59_999));
    assert!(cluster.now_or_never(&mut call).is_none());
    cluster.advance(Duration::from_millis(1));
    assert!(matches!(cluster.now_or_never(call), Some(Err(CallError::Timeout { .. }))));
}

#[test]
fn everything_that_falls_into_a_step_of_time_happens_at_its_own_time() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), start(&cluster, "b@test"));
    let log = EventLog::default();
    let echo = writer(&b, &log);
    a.connect(b.name().clone()).unwrap();
    cluster.settle();
    cluster.network().delay(a.name(), b.name(), Duration::from_secs(2));
    // Two seconds there, and two back: before the timeout, though the test lets more time pass at
    // once.
    let mut call = pin!(a.call(&echo, vec![0]).timeout(Duration::from_secs(5)));
    assert!(cluster.now_or_never(&mut call).is_none());
    cluster.advance(Duration::from_secs(60));
    assert!(matches!(cluster.now_or_never(call), Some(Ok(_))));

    let (network, seen) = (cluster.network().clone(), log.clone());
    let clock = move |_| async move {
        for _ in 0..4 {
            let next = network.now() + Duration::from_secs(1);
            network.sleep_until(next).await;
            seen.write(format!("late by {:?}", network.now() - next));
        }
        Ok(())
    };
    a.spawn(clock).unwrap();
    cluster.advance(Duration::from_secs(3));
    assert_eq!(log.lines()[1..], ["late by 0ns"; 3]);
}

#[test]
fn a_stop_gives_up_once_the_test_has_let_its_time_pass() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), start(&cluster, "b@test"));
    a.connect(b.name().clone()).unwrap();
    cluster.settle();
    // A frozen node does not receive the end of its own session, so the stop waits for its timeout
    // of 5 s.
    cluster.network().freeze(a.name());
    let node = a.clone();
    let mut stop = pin!(node.stop());
    assert!(cluster.now_or_never(&mut stop).is_none());
    cluster.advance(Duration::from_millis(4_999));
    let early = cluster.now_or_never(&mut stop).is_some();
    cluster.advance(Duration::from_millis(1));
    assert_eq!((early, cluster.now_or_never(stop)), (false, Some(())));
}
