//! How long a `Down` has waited when it is received, by the clock of a simulated cluster.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{future::Future, time::Duration};

use monitor_runtime::{Demonitored, prelude::*, test_util::Cluster};

fn two(cluster: &Cluster) -> (Node, Node) {
    (cluster.start("a@test").unwrap(), cluster.start("b@test").unwrap())
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// `count` targets, half of them on each node.
fn targets(count: usize, (a, b): (&Node, &Node)) -> Vec<Process> {
    (0..count).map(|number| if number % 2 == 0 { a } else { b }.process().unwrap()).collect()
}

/// Ends a target, and lets that time pass.
fn end(cluster: &Cluster, target: Process, then: Duration) {
    target.exit(ExitReason::Shutdown);
    cluster.settle();
    cluster.advance(then);
}

fn received(process: &mut Process) -> Duration {
    match process.try_recv() {
        Ok(Event::Down(down)) => down.elapsed(),
        other => panic!("no Down: {other:?}"),
    }
}

fn ready<F: Future>(cluster: &Cluster, future: F) -> F::Output {
    cluster.now_or_never(future).expect("it is ready")
}

#[test]
fn a_fresh_down_has_waited_for_no_time() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    for target in targets(2, (&a, &b)) {
        let mut watcher = a.process().unwrap();
        let monitor = a.monitor(target.pid()).unwrap();
        watcher.monitor(target.pid()).unwrap();
        cluster.advance(ms(60_000));
        end(&cluster, target, ms(0));
        assert_eq!((received(&mut watcher), ready(&cluster, monitor).elapsed()), (ms(0), ms(0)));
    }
}

#[test]
fn each_down_of_a_mailbox_has_waited_since_its_own_monitor_fired() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    let mut watcher = a.process().unwrap();
    let targets = targets(6, (&a, &b));
    let monitors: Vec<_> = targets.iter().map(|target| watcher.monitor(target.pid()).unwrap()).collect();
    cluster.settle();
    for (number, target) in targets.into_iter().enumerate() {
        // Two fire at a time, in a run.
        end(&cluster, target, if number % 2 == 0 { ms(0) } else { ms(10) });
        if number == 3 {
            a.try_send(watcher.pid(), "between").unwrap();
        }
    }
    assert_eq!(watcher.demonitor_flush(&monitors[1]).unwrap(), Demonitored::Fired);
    assert_eq!(received(&mut watcher), ms(30));
    // The next ones were taken with the first one, and wait on.
    cluster.advance(ms(1));
    assert_eq!(watcher.demonitor_flush(&monitors[2]).unwrap(), Demonitored::Fired);
    cluster.advance(ms(5));
    assert_eq!(received(&mut watcher), ms(25) + ms(1));
    assert!(matches!(watcher.try_recv(), Ok(Event::Message(_))));
    cluster.advance(ms(100));
    assert_eq!(received(&mut watcher), ms(115) + ms(1));
    cluster.advance(ms(1000));
    assert_eq!(received(&mut watcher), ms(1115) + ms(1));
    assert!(watcher.try_recv().is_err());
}

#[test]
fn a_monitor_counts_until_it_is_polled_and_not_further() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    for target in targets(2, (&a, &b)) {
        let mut monitor = a.monitor(target.pid()).unwrap();
        assert!(cluster.now_or_never(&mut monitor).is_none());
        end(&cluster, target, ms(90_000));
        let down = ready(&cluster, monitor);
        cluster.advance(ms(1));
        assert_eq!(down.elapsed(), ms(90_000));
    }
}

#[test]
fn each_down_of_a_set_has_waited_since_its_own_monitor_fired() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    let mut set = a.monitor_set();
    let targets = targets(300, (&a, &b));
    let monitors: Vec<_> = targets.iter().map(|target| set.monitor(target.pid()).unwrap()).collect();
    cluster.settle();
    targets.into_iter().for_each(|target| end(&cluster, target, ms(1)));
    // So many that the queue drops the flushed ones.
    let (flushed, left) = monitors.split_at(200);
    flushed.iter().for_each(|monitor| assert_eq!(set.demonitor(monitor), Demonitored::Fired));
    for (number, monitor) in left.iter().enumerate() {
        let down = ready(&cluster, set.next()).unwrap();
        // One passes for each `Down` that was received, as one passed for each that fired.
        assert_eq!((&down.monitor, down.elapsed()), (monitor, ms(100)), "number {number}");
        cluster.advance(ms(1));
    }
    assert!(set.is_empty());
}

#[test]
fn a_call_counts_until_it_is_polled() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    for target in targets(2, (&a, &b)) {
        let caller = a.process().unwrap();
        let mut of_process = caller.call(target.pid(), "hello");
        let mut of_node = a.call(target.pid(), "hello");
        assert!(cluster.now_or_never(&mut of_process).is_none());
        assert!(cluster.now_or_never(&mut of_node).is_none());
        end(&cluster, target, ms(250));
        let Err(CallError::Down(down)) = ready(&cluster, of_process) else { panic!("no Down") };
        assert_eq!(down.elapsed(), ms(250));
        cluster.advance(ms(1));
        let Err(CallError::Down(down)) = ready(&cluster, of_node) else { panic!("no Down") };
        assert_eq!(down.elapsed(), ms(251));
    }
}

#[test]
fn the_end_of_a_session_counts_from_its_end_and_not_from_the_silence_before() {
    let cluster = Cluster::new();
    let (a, b) = two(&cluster);
    let worker = b.process().unwrap();
    let mut monitor = a.monitor(worker.pid()).unwrap();
    assert!(cluster.now_or_never(&mut monitor).is_none());
    cluster.network().cut(a.name(), b.name());
    cluster.advance(ms(5_000));
    cluster.advance(ms(7));
    let down = ready(&cluster, monitor);
    assert!(matches!(down.reason, DownReason::NoConnection(_)));
    assert_eq!(down.elapsed(), ms(7));
}
