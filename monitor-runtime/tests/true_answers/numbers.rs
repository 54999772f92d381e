//! Counts, lists and booleans about monitors, also for prefetched `Down`s.

use monitor_runtime::{Demonitored, MonitorRef, ProcessInfo, prelude::*};

use crate::common::{Cluster, eventually, next_down, run};

const MONITORS: usize = 300;

fn info(process: &Process) -> ProcessInfo {
    let inspect = process.node().inspect();
    inspect.processes.into_iter().find(|info| info.pid == *process.pid()).unwrap()
}

/// A process whose monitors have all fired, and their references in the order in which they fired.
async fn fired(node: &Node) -> (Process, Vec<MonitorRef>) {
    let watcher = node.process().unwrap();
    let targets: Vec<_> = (0..MONITORS).map(|_| node.process().unwrap()).collect();
    let references = targets.iter().map(|target| watcher.monitor(target.pid()).unwrap()).collect();
    drop(targets);
    eventually("all have fired", || node.stats().fired == MONITORS).await;
    (watcher, references)
}

#[test]
fn a_down_counts_until_it_is_received() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (mut watcher, _) = fired(&a).await;
        for left in (0..MONITORS).rev() {
            next_down(&mut watcher).await;
            assert_eq!((a.stats().fired, watcher.monitors().len()), (left, left));
            let info = info(&watcher);
            assert_eq!(info.monitors, info.waiting);
            assert!((left.saturating_sub(127)..=left).contains(&info.waiting), "{info:?}, {left}");
        }
        let told: u64 = a.stats().downs.iter().map(|count| count.count).sum();
        assert_eq!(told, MONITORS as u64);

        let mut set = a.monitor_set();
        let targets: Vec<_> = (0..MONITORS).map(|_| a.process().unwrap()).collect();
        targets.iter().for_each(|target| drop(set.monitor(target.pid()).unwrap()));
        assert_eq!((set.len(), a.stats().monitors), (MONITORS, MONITORS));
        drop(targets);
        for left in (MONITORS / 2..MONITORS).rev() {
            set.next().await.unwrap();
            assert_eq!((set.len(), a.stats().fired, a.stats().monitors), (left, left, 0));
        }
        drop(set);
        eventually("nothing is left of it", || a.stats().fired == 0).await;
        drop(watcher);
        assert_eq!((a.stats().fired, a.stats().watchers), (0, 0));
    });
}

#[test]
fn d27_a_demonitor_says_what_became_of_the_monitor() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (mut watcher, references) = fired(&a).await;
        // The next 127 are prefetched with the first one.
        let first = next_down(&mut watcher).await;
        assert_eq!(first.monitor, references[0]);
        let (taken, queued) = (&references[1], &references[200]);
        assert_eq!(watcher.demonitor(&first.monitor), Ok(Demonitored::Unknown), "received");
        for reference in [taken, queued] {
            for _ in 0..2 {
                assert_eq!(watcher.demonitor(reference), Ok(Demonitored::Fired));
                assert!(watcher.monitors().iter().any(|(listed, _)| listed == reference), "it stays");
            }
            assert_eq!(watcher.demonitor_flush(reference), Ok(Demonitored::Fired));
            assert!(!watcher.monitors().iter().any(|(listed, _)| listed == reference));
            assert_eq!(watcher.demonitor_flush(reference), Ok(Demonitored::Unknown), "flushed");
            assert_eq!(watcher.demonitor(reference), Ok(Demonitored::Unknown), "flushed");
        }
        assert_eq!(a.stats().fired, MONITORS - 3);
        let target = a.process().unwrap();
        let active = watcher.monitor(target.pid()).unwrap();
        assert_eq!(watcher.demonitor(&active), Ok(Demonitored::Active));
        assert_eq!(watcher.demonitor(&active), Ok(Demonitored::Unknown), "once");
        // A monitor of another process, fired or not.
        let other = a.process().unwrap();
        let of_other = other.monitor(target.pid()).unwrap();
        for reference in [&of_other, &references[2], &references[201]] {
            let stranger = if *reference == of_other { &watcher } else { &other };
            assert_eq!(stranger.demonitor_flush(reference), Ok(Demonitored::Unknown), "of another");
        }
        assert_eq!(other.demonitor(&of_other), Ok(Demonitored::Active));

        let mut received = vec![references[0].clone()];
        while let Ok(Event::Down(down)) = watcher.try_recv() {
            received.push(down.monitor);
        }
        let rest = references.iter().filter(|&reference| reference != taken && reference != queued);
        assert!(received.iter().eq(rest));
        assert_eq!((a.stats().fired, a.stats().monitors), (0, 0));
    });
}

#[test]
fn what_a_set_removes_and_a_monitor_ends_is_told() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut set = a.monitor_set();
        let targets: Vec<_> = (0..MONITORS).map(|_| a.process().unwrap()).collect();
        let references: Vec<_> = targets.iter().map(|target| set.monitor(target.pid()).unwrap()).collect();
        assert_eq!(set.demonitor(&references[MONITORS - 1]), Demonitored::Active);
        assert_eq!(set.demonitor(&references[MONITORS - 1]), Demonitored::Unknown, "once");
        drop(targets);
        eventually("all have fired", || a.stats().fired == MONITORS - 1).await;
        let first = set.next().await.unwrap();
        assert_eq!(first.monitor, references[0]);
        assert_eq!(set.demonitor(&first.monitor), Demonitored::Unknown, "received");
        assert_eq!(set.len(), MONITORS - 2);
        for (removed, at) in [1, 200].into_iter().enumerate() {
            assert_eq!(set.demonitor(&references[at]), Demonitored::Fired, "{at}");
            assert_eq!((set.len(), a.stats().fired), (MONITORS - 3 - removed, MONITORS - 3 - removed));
        }
        let mut rest = 0;
        while set.next().await.is_some() {
            rest += 1;
        }
        assert_eq!((rest, set.len(), a.stats().fired), (MONITORS - 4, 0, 0));

        let target = a.process().unwrap();
        assert_eq!(a.monitor(target.pid()).unwrap().demonitor(), Demonitored::Active);
        let monitor = a.monitor(target.pid()).unwrap();
        drop(target);
        assert_eq!(monitor.demonitor(), Demonitored::Fired, "unread");
        assert_eq!((a.stats().fired, a.stats().watchers), (0, 1));
    });
}
