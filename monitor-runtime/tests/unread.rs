//! Maximum memory of a receiver that reads nothing, through the public API. The allocator counts
//! for each thread, so the node and the peers run on the thread of the test.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use allocation_counter::measure;
use monitor_runtime::{prelude::*, test_util::run_all_on};
use peer_service::memory::Network;
use smol::Executor;

/// A node whose tasks run only when the test drives them.
struct World {
    executor: Arc<Executor<'static>>,
    network: Network,
}

impl World {
    fn new() -> Self {
        World { executor: Arc::default(), network: Network::new() }
    }

    fn node(&self, label: &str, set: impl FnOnce(Config) -> Config) -> Node {
        let name: monitor_runtime::NodeName = format!("{label}@local").parse().unwrap();
        let executor = self.executor.clone();
        let spawner = Arc::new(move |task| executor.spawn(task).detach());
        let config = run_all_on(Config::new(name.clone()), spawner);
        Node::with_service(set(config), self.network.join(name)).unwrap()
    }

    fn settle(&self) {
        while self.executor.try_tick() {}
    }
}

const KIB: usize = 1024;

#[test]
fn a_mailbox_is_full_to_the_byte_and_four_of_the_longest_messages_fit_by_default() {
    let world = World::new();
    let node = world.node("a", |config| config);
    let mut receiver = node.process().unwrap();
    let longest = 16 << 20;
    (0..4).for_each(|_| receiver.try_send(receiver.pid(), vec![0; longest]).unwrap());
    receiver.try_send(receiver.pid(), "x").unwrap();
    (0..4).for_each(|_| {
        assert!(matches!(receiver.try_recv(), Ok(Event::Message(m)) if m.body.len() == longest))
    });
    assert_eq!(receiver.try_recv(), Ok(Event::Missed(1)));

    for (last, fits) in [(999, true), (1000, true), (1001, false)] {
        let node = World::new().node("b", |config| config.max_mailbox_bytes(4000));
        let receiver = node.process().unwrap();
        (0..3).for_each(|_| receiver.try_send(receiver.pid(), vec![0; 1000]).unwrap());
        receiver.try_send(receiver.pid(), vec![0; last]).unwrap();
        assert_eq!(node.stats().count("messages_missed"), Some(u64::from(!fits)), "{last}");
    }
}

#[test]
fn a_flood_of_empty_messages_is_bounded() {
    let world = World::new();
    let node = world.node("a", |config| config.max_mailbox_messages(10_000));
    let receiver = node.process().unwrap();
    let flood = || (0..100_000).for_each(|_| node.try_send(receiver.pid(), Vec::with_capacity(KIB)).unwrap());
    let taken = measure(flood).bytes_current;
    assert!(taken <= 10_000 * 160 + 64 * KIB as i64, "{taken} bytes");
    assert_eq!(node.stats().count("messages_missed"), Some(90_000));
}

#[test]
fn long_reasons_that_nobody_reads_are_cut_whoever_watches() {
    const TARGETS: usize = 500;
    let limit = 256 * KIB;
    let world = World::new();
    let node = world.node("a", |config| config.max_reason_bytes(limit));
    let mut watcher = node.process().unwrap();
    let mut set = node.monitor_set();
    let targets: Vec<Process> = (0..TARGETS).map(|_| node.process().unwrap()).collect();
    for target in &targets {
        watcher.monitor(target.pid()).unwrap();
        set.monitor(target.pid()).unwrap();
    }
    let reason = || ExitReason::other(vec![7; 64 * KIB]);
    let taken = measure(|| {
        targets.into_iter().for_each(|target| target.exit(reason()));
        world.settle();
    });
    // Both share the whole reasons. Each unread `Down` has at most 256 bytes beside those, in as
    // much again of tables and allocations.
    let most = limit + 2 * TARGETS * (256 + 256);
    assert!(taken.bytes_current <= most as i64, "{} bytes", taken.bytes_current);

    let mut downs = Vec::new();
    smol::block_on(async {
        for _ in 0..TARGETS {
            downs.push(common::next_down(&mut watcher).await);
            downs.push(set.next().await.unwrap());
        }
    });
    let whole = downs.iter().filter(|down| !down.reason_was_cut);
    assert!(whole.clone().all(|down| down.reason == DownReason::Exit(reason())));
    assert_eq!(whole.count(), 2 * 4);
    let short = DownReason::Exit(ExitReason::other(vec![7; 256]));
    assert!(downs.iter().filter(|down| down.reason_was_cut).all(|down| down.reason == short));
    assert!(downs.iter().all(|down| matches!(down.reason, DownReason::Exit(ExitReason::Other(_)))));
    // The read reasons have freed their space.
    let target = node.process().unwrap();
    watcher.monitor(target.pid()).unwrap();
    target.exit(reason());
    world.settle();
    assert!(!smol::block_on(common::next_down(&mut watcher)).reason_was_cut);
}

#[test]
fn many_monitors_that_nobody_awaits_share_a_limit_of_the_node() {
    const TARGETS: usize = 500;
    let world = World::new();
    let node = world.node("a", |config| config.max_node_reason_bytes(256 * KIB));
    let targets: Vec<Process> = (0..TARGETS).map(|_| node.process().unwrap()).collect();
    let monitors: Vec<Monitor> = targets.iter().map(|target| node.monitor(target.pid()).unwrap()).collect();
    let taken = measure(|| {
        targets.into_iter().for_each(|target| target.exit(ExitReason::other(vec![7; 64 * KIB])));
        world.settle();
    });
    assert!(taken.bytes_current <= 1024 * KIB as i64, "{} bytes", taken.bytes_current);
    let downs: Vec<Down> = smol::block_on(futures::future::join_all(monitors));
    assert_eq!(downs.iter().filter(|down| !down.reason_was_cut).count(), 4);
}

#[test]
fn a_short_reason_is_whole_when_the_limits_leave_nothing() {
    let world = World::new();
    let node = world.node("a", |config| config.max_reason_bytes(0).max_node_reason_bytes(0));
    let mut watcher = node.process().unwrap();
    for (reason, was_cut) in [
        (ExitReason::other("exit code 1"), false),
        (ExitReason::panicked("x".repeat(256)), false),
        (ExitReason::panicked("x".repeat(257)), true),
    ] {
        let target = node.process().unwrap();
        watcher.monitor(target.pid()).unwrap();
        target.exit(reason.clone());
        world.settle();
        let down = smol::block_on(common::next_down(&mut watcher));
        let kept = if was_cut { ExitReason::panicked("x".repeat(256)) } else { reason };
        assert_eq!((down.reason, down.reason_was_cut), (DownReason::Exit(kept), was_cut));
    }
}
