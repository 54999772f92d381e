//! A panic under the node's lock ends the node, and every waiting caller is notified.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{cell::Cell, rc::Rc, time::Duration};

use futures::FutureExt;
use monitor_runtime::{
    AliasMode, Connect, EndKind, SendErrorKind, TrySendError,
    prelude::*,
    test_util::{Cluster, Join},
};
use supervision::faults;

/// Makes the first effect of that name panic. The returned flag is set once it has.
fn panic_at(effect: &'static str) -> Rc<Cell<bool>> {
    let struck = Rc::new(Cell::new(false));
    let mark = struck.clone();
    faults::set(move |name| name == effect && !mark.replace(true));
    struck
}

/// A node with one of each kind of waiting future.
struct WaitingFutures {
    node: Node,
    process: Process,
    monitor: Monitor,
    set: MonitorSet,
    guarded: Process,
}

impl WaitingFutures {
    fn on(node: &Node) -> Self {
        let guarded = node.process().unwrap();
        let process = node.process().unwrap();
        process.monitor_nodes(NodesOptions::new()).unwrap();
        process.monitor(guarded.pid()).unwrap();
        let mut set = node.monitor_set();
        set.monitor(guarded.pid()).unwrap();
        set.monitor(guarded.pid()).unwrap();
        WaitingFutures {
            node: node.clone(),
            process,
            monitor: node.monitor(guarded.pid()).unwrap(),
            set,
            guarded,
        }
    }

    fn has_failed(&self) -> bool {
        self.node.stats().count("node_failures") == Some(1)
    }

    /// Checks that every futures future is notified once, and that later calls are refused.
    fn expect_failed(mut self, cluster: &Cluster) {
        let end = DownReason::NoConnection(EndKind::NodeFailed.into());
        let down = cluster.now_or_never(&mut self.monitor).expect("the monitor ends");
        assert_eq!((&down.reason, &down.target), (&end, &self.guarded.pid().clone().into()));
        let of_set = cluster.now_or_never(self.set.next()).expect("the set ends");
        assert_eq!(of_set.map(|down| down.reason), Some(end));
        assert_eq!(cluster.now_or_never(self.set.next()), Some(None));
        let events: Vec<_> = std::iter::from_fn(|| self.process.recv().now_or_never().flatten()).collect();
        assert_eq!(events.iter().filter(|event| **event == Event::NodeFailed).count(), 1, "{events:?}");
        assert_eq!(events.last(), Some(&Event::NodeFailed));
        assert_eq!(cluster.now_or_never(self.process.recv()), Some(None), "the mailbox ends");

        assert_eq!(self.node.monitor(self.guarded.pid()).map(drop), Err(NotAlive.into()));
        assert_eq!(self.process.monitor(self.guarded.pid()), Err(NotAlive.into()));
        let sent = self.node.try_send(self.guarded.pid(), "x");
        let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "x".into())
        );
        assert!(self.node.spawn(|_| async { Ok(()) }).is_err());
        assert!(self.node.nodes(Default::default()).is_empty());
        assert_eq!(self.node.inspect().sessions, []);
        cluster.now_or_never(self.node.stop()).expect("a failed node stops at once");
    }
}

/// Makes every call that may cause an effect, on two nodes.
fn play(cluster: &Cluster, a: &Node, b: &Node, target: &Pid) -> Vec<Monitor> {
    let mut monitors = Vec::new();
    let watcher = a.process();
    let nowhere: NodeName = "nowhere@test".parse().unwrap();
    if let Ok(watcher) = &watcher {
        let _ = watcher.monitor_node_with(nowhere.clone(), Connect::Never);
        let _ = watcher.try_send("job@nowhere@test".parse::<Name>().unwrap(), "to be discarded");
        let _ = watcher.try_send(target, "to be forwarded");
    }
    monitors.extend(a.monitor(target));
    cluster.settle();
    monitors.extend(b.monitor("job@a@test".parse::<Name>().unwrap()));
    monitors.extend(a.monitor("job@nowhere@test".parse::<Name>().unwrap()));
    cluster.settle();
    cluster.advance(Duration::from_secs(10));
    monitors
}

const EFFECTS: [&str; 8] = [
    "effect admit",
    "effect connect",
    "effect deliver down",
    "effect deliver node event",
    "effect send",
    "effect watch",
    "effect forward",
    "effect discard",
];

#[test]
fn a_panic_at_any_effect_ends_the_node_and_tells_whoever_waits() {
    for effect in EFFECTS {
        let cluster = Cluster::new();
        let (a, b) = (cluster.start("a@test").unwrap(), cluster.start("b@test").unwrap());
        let futures = [WaitingFutures::on(&a), WaitingFutures::on(&b)];
        let target = b.process().unwrap();
        let pid = target.pid().clone();
        let struck = panic_at(effect);
        let monitors = play(&cluster, &a, &b, &pid);
        faults::clear();
        assert!(struck.get(), "{effect}: the test does not get there");
        let [of_a, of_b] = futures;
        assert!(of_a.has_failed() != of_b.has_failed(), "{effect}: one of the two fails");
        let (failed, other) = if of_a.has_failed() { (of_a, of_b) } else { (of_b, of_a) };
        failed.expect_failed(&cluster);
        // The other node still works, and each monitor of either has ended or has a live target.
        assert!(!other.has_failed());
        cluster.advance(Duration::from_secs(1));
        assert_eq!(other.node.nodes(Default::default()), [], "{effect}: the session has ended");
        let own = other.node.process().unwrap();
        let down = other.node.monitor(own.pid()).unwrap();
        drop(own);
        assert!(cluster.now_or_never(down).is_some(), "{effect}: the other node goes on");
        for monitor in monitors {
            let node = monitor.target().clone();
            assert!(cluster.now_or_never(monitor).is_some(), "{effect}: the monitor of {node} ends");
        }
    }
}

/// No frame is lost if the backlog's task is dropped at any of its suspension points.
#[test]
fn whoever_is_owed_a_down_gets_it_though_the_task_that_works_off_the_backlog_panics() {
    for poll in 1.. {
        let cluster = Cluster::new();
        let join = |name: &str| Join::new(name.parse().unwrap());
        let config = Config::new("a@test").max_batch(4);
        let a = cluster.start_with(config, join("a@test")).unwrap();
        let b = cluster.start("b@test").unwrap();
        let target = a.process().unwrap();
        let monitors: Vec<_> = (0..40).map(|_| b.monitor(target.pid()).unwrap()).collect();
        cluster.settle();

        let (polls, struck) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let mark = struck.clone();
        faults::set(move |name| {
            polls.set(polls.get() + usize::from(name == "backlog"));
            name == "backlog" && polls.get() == poll && !mark.replace(true)
        });
        target.exit(ExitReason::Shutdown);
        cluster.settle();
        faults::clear();
        for monitor in monitors {
            let down = cluster.now_or_never(monitor).unwrap_or_else(|| panic!("poll {poll}: no Down"));
            assert_eq!(down.reason, DownReason::Exit(ExitReason::Shutdown));
        }
        if !struck.get() {
            assert!(poll > 5, "the backlog was worked off in {poll} steps: there is nothing to lose");
            return;
        }
    }
}

#[test]
fn a_panic_while_a_call_waits_ends_the_call() {
    let cluster = Cluster::new();
    let a = cluster.start("a@test").unwrap();
    let (client, server) = (a.process().unwrap(), a.process().unwrap());
    let mut call = Box::pin(client.call(server.pid(), "a question").timeout(Duration::from_secs(60)));
    assert!(cluster.now_or_never(&mut call).is_none());
    let _struck = panic_at("effect deliver down");
    let _ = a.monitor("nobody@a@test".parse::<Name>().unwrap());
    faults::clear();
    let ended = cluster.now_or_never(call).expect("the call ends");
    assert_eq!(ended, Err(CallError::NotAlive(Target::from(server.pid()))));
    let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
    assert_eq!(client.monitor_with(server.pid(), options), Err(NotAlive.into()));
}
