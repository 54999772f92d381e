//! Monitors within one node, in every form.

mod common;

use common::{Cluster, eventually, run};
use futures::StreamExt;
use monitor_runtime::{Demonitored, TryRecvError, prelude::*};

const KILLED: DownReason = DownReason::Exit(ExitReason::Killed);
const NORMAL: DownReason = DownReason::Exit(ExitReason::Normal);

#[test]
fn every_monitor_of_a_target_fires_once() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut watcher = a.process().unwrap();
        let target = a.process().unwrap();
        let first = watcher.monitor(target.pid()).unwrap();
        let second = watcher.monitor_with(target.pid(), MonitorOptions::new().tag(7)).unwrap();
        assert_ne!(first, second);
        assert_eq!(watcher.monitors().len(), 2);

        let pid = target.pid().clone();
        drop(target);
        let downs: Vec<_> = std::iter::from_fn(|| watcher.try_recv().ok()).collect();
        let [Event::Down(one), Event::Down(two)] = &downs[..] else { panic!("{downs:?}") };
        assert_eq!((&one.monitor, one.tag, &one.reason), (&first, 0, &NORMAL));
        assert_eq!((&two.monitor, two.tag, &two.target), (&second, 7, &Target::from(pid)));
        assert!(watcher.monitors().is_empty());
        assert_eq!(a.stats().fired, 0);
    });
}

#[test]
fn of_many_that_fired_each_can_be_flushed_until_it_is_received() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut watcher = a.process().unwrap();
        let targets: Vec<_> = (0..300).map(|_| a.process().unwrap()).collect();
        let monitors: Vec<_> = targets.iter().map(|target| watcher.monitor(target.pid()).unwrap()).collect();
        drop(targets);
        // The mailbox may have prefetched others with the one received, but has returned none of
        // them.
        let mut received = Vec::new();
        for (index, monitor) in monitors.iter().enumerate() {
            match index % 3 {
                0 => received.push(common::next_down(&mut watcher).await.monitor),
                1 => {
                    let left: Vec<_> = watcher.monitors().into_iter().map(|(monitor, _)| monitor).collect();
                    assert_eq!(left, monitors[index..], "what waits is listed");
                    assert_eq!(watcher.demonitor_flush(monitor), Ok(Demonitored::Fired));
                    assert_eq!(watcher.demonitor_flush(monitor), Ok(Demonitored::Unknown), "it is gone");
                }
                // Without a flush it stays.
                _ => {
                    assert_eq!(watcher.demonitor(monitor), Ok(Demonitored::Fired));
                    assert_eq!(watcher.demonitor(monitor), Ok(Demonitored::Fired), "its Down is unread");
                    received.push(common::next_down(&mut watcher).await.monitor);
                    assert_eq!(watcher.demonitor(monitor), Ok(Demonitored::Unknown));
                }
            }
        }
        assert!(watcher.try_recv() == Err(TryRecvError::Empty));
        let wanted = monitors.iter().enumerate().filter(|(index, _)| index % 3 != 1);
        assert!(received.iter().eq(wanted.map(|(_, monitor)| monitor)));
    });
}

#[test]
fn a_mailbox_that_is_flushed_again_and_again_stays_small() {
    run(async {
        let a = Cluster::new().node("a").await;
        let watcher = a.process().unwrap();
        let gone = a.process().unwrap().pid().clone();
        for _ in 0..10_000 {
            let monitor = watcher.monitor(&gone).unwrap();
            assert_eq!(watcher.demonitor_flush(&monitor), Ok(Demonitored::Fired));
        }
        assert_eq!(a.stats().fired, 0);
        let inspect = a.inspect();
        let process = inspect.processes.iter().find(|process| process.pid == *watcher.pid()).unwrap();
        assert!(process.waiting < 100, "{} entries wait", process.waiting);

        let mut set = a.monitor_set();
        for _ in 0..10_000 {
            let monitor = set.monitor(&gone).unwrap();
            assert_eq!(set.demonitor(&monitor), Demonitored::Fired);
        }
        assert!(set.is_empty());
    });
}

#[test]
fn a_watcher_s_death_ends_its_monitors() {
    run(async {
        let a = Cluster::new().node("a").await;
        let target = a.process().unwrap();
        let watcher = a.process().unwrap();
        for _ in 0..1000 {
            watcher.monitor(target.pid()).unwrap();
        }
        assert_eq!(a.stats().monitors, 1000);
        drop(watcher);
        eventually("the backlog is empty", || a.stats().monitors == 0).await;
    });
}

#[test]
fn a_thousand_watchers_hear_of_one_death() {
    run(async {
        let a = Cluster::new().node("a").await;
        let target = a.process().unwrap();
        let monitors: Vec<_> = (0..1000).map(|_| a.monitor(target.pid()).unwrap()).collect();
        a.kill(target.pid()).unwrap();
        drop(target);
        for down in futures::future::join_all(monitors).await {
            assert_eq!(down.reason, KILLED);
        }
        assert_eq!(a.stats().watchers, 0);
    });
}

#[test]
fn guarded_work_ends_with_its_target() {
    run(async {
        let a = Cluster::new().node("a").await;
        let target = a.process().unwrap();
        let done = a.monitor(target.pid()).unwrap().guard(async { 42 }).await;
        assert_eq!(done, Ok(42));

        let monitor = a.monitor(target.pid()).unwrap();
        let (end, ended) = futures::channel::oneshot::channel::<()>();
        let work = async {
            let _dropped_with_the_work = end;
            std::future::pending::<()>().await;
        };
        drop(target);
        assert_eq!(monitor.guard(work).await.unwrap_err().reason, NORMAL);
        assert!(ended.await.is_err());
    });
}

#[test]
fn a_set_gives_every_down_once() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut set = a.monitor_set();
        assert_eq!(set.next().await, None);
        let targets: Vec<_> = (0..100).map(|_| a.process().unwrap()).collect();
        let monitors: Vec<_> = targets.iter().map(|target| set.monitor(target.pid()).unwrap()).collect();
        assert_eq!(set.len(), 100);
        for monitor in &monitors[..10] {
            assert_eq!(set.demonitor(monitor), Demonitored::Active);
            assert_eq!(set.demonitor(monitor), Demonitored::Unknown);
        }
        drop(targets);
        let downs: Vec<_> = set.by_ref().collect().await;
        let fired: Vec<_> = downs.into_iter().map(|down| down.monitor).collect();
        assert_eq!(fired, monitors[10..]);

        let gone = a.process().unwrap().pid().clone();
        let monitors: Vec<_> = (0..100).map(|_| set.monitor(&gone).unwrap()).collect();
        assert_eq!(set.next().await.map(|down| down.monitor).as_ref(), Some(&monitors[0]));
        for (index, monitor) in monitors.iter().enumerate().skip(1) {
            assert_eq!(set.demonitor(monitor), Demonitored::Fired);
            assert_eq!(set.len(), 99 - index);
        }
        assert_eq!(set.next().await, None);
        drop(set);
        assert_eq!(a.stats().watchers, 0);
    });
}

#[test]
fn monitors_and_refs_cannot_be_named_as_processes() {
    run(async {
        let a = Cluster::new().node("a").await;
        let target = a.process().unwrap();
        let _watcher = a.monitor(target.pid()).unwrap();
        // The watcher of a `Monitor` has a number, but no process is registered under it.
        for slot in 0..4 {
            let pid = Pid::new(a.id().clone(), monitor_runtime::refs::Serial::new(slot, 1));
            assert_eq!(a.is_process_alive(&pid), pid == *target.pid());
        }
    });
}
