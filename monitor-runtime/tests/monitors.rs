//! Monitors within one node, in every form.

mod common;

use common::{Cluster, eventually, name, run};
use futures::{FutureExt, StreamExt};
use monitor_runtime::{Demonitor, MonitorOptions, prelude::*};

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
        let downs: Vec<_> = std::iter::from_fn(|| watcher.try_recv()).collect();
        let [Event::Down(one), Event::Down(two)] = &downs[..] else { panic!("{downs:?}") };
        assert_eq!((&one.monitor, one.tag, &one.reason), (&first, 0, &NORMAL));
        assert_eq!((&two.monitor, two.tag, &two.target), (&second, 7, &Target::from(pid)));
        assert!(watcher.monitors().is_empty());
        assert_eq!(a.stats().fired, 0);
    });
}

#[test]
fn what_is_not_there_is_noproc() {
    run(async {
        let a = Cluster::new().node("a").await;
        let gone = a.process().unwrap().pid().clone();
        assert_eq!(a.monitor(&gone).unwrap().await.reason, DownReason::NoProc);

        let unknown = name("nobody").at(a.name().clone());
        let down = a.monitor(&unknown).unwrap().await;
        assert_eq!((down.reason, down.target), (DownReason::NoProc, unknown.into()));

        // A process of an earlier life of this node.
        let life = monitor_runtime::Incarnation::new(gone.incarnation().get() ^ 2).unwrap();
        let process = a.process().unwrap();
        let earlier = Pid::new(monitor_runtime::NodeId::new(a.name().clone(), life), process.pid().serial());
        assert_eq!(a.monitor(earlier).unwrap().await.reason, DownReason::NoProc);
    });
}

#[test]
fn a_name_is_resolved_once() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (first, second) = (a.process().unwrap(), a.process().unwrap());
        first.register(name("jobs")).unwrap();
        let target = name("jobs").at(a.name().clone());
        let mut monitor = a.monitor(&target).unwrap();
        a.unregister(&name("jobs")).unwrap();
        second.register(name("jobs")).unwrap();
        drop(second);
        assert!((&mut monitor).now_or_never().is_none());
        drop(first);
        let down = monitor.await;
        assert_eq!((down.reason, down.target), (NORMAL, target.into()));
    });
}

#[test]
fn to_monitor_oneself_never_fires() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut process = a.process().unwrap();
        let own = process.pid().clone();
        let monitor = process.monitor(&own).unwrap();
        assert_eq!(process.try_recv(), None);
        assert!(process.demonitor(&monitor).unwrap());
    });
}

#[test]
fn demonitor_leaves_what_is_in_the_mailbox_unless_it_flushes() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut watcher = a.process().unwrap();
        let [info, flush] = [Demonitor::new().info(), Demonitor::new().flush().info()];

        let target = a.process().unwrap();
        let monitor = watcher.monitor(target.pid()).unwrap();
        assert_eq!(watcher.demonitor_with(&monitor, info), Ok(true));
        assert_eq!(watcher.demonitor_with(&monitor, info), Ok(false), "it is gone");
        assert_eq!(watcher.demonitor(&monitor), Ok(true), "without info it is always true");
        drop(target);
        assert_eq!(watcher.try_recv(), None);

        let gone = a.process().unwrap().pid().clone();
        let kept = watcher.monitor(&gone).unwrap();
        let flushed = watcher.monitor(&gone).unwrap();
        assert_eq!(watcher.demonitor_with(&kept, info), Ok(false));
        assert_eq!(watcher.demonitor_with(&flushed, flush), Ok(false));
        assert!(matches!(watcher.try_recv(), Some(Event::Down(down)) if down.monitor == kept));
        assert_eq!(watcher.try_recv(), None);
    });
}

#[test]
fn a_monitor_of_another_process_is_left_alone() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (mut watcher, other, target) = (a.process().unwrap(), a.process().unwrap(), a.process().unwrap());
        let monitor = watcher.monitor(target.pid()).unwrap();
        assert_eq!(other.demonitor_with(&monitor, Demonitor::new().flush().info()), Ok(false));
        assert_eq!(other.demonitor(&monitor), Ok(true));
        drop(target);
        assert!(matches!(watcher.try_recv(), Some(Event::Down(down)) if down.monitor == monitor));
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
            watcher.demonitor_with(&monitor, Demonitor::new().flush()).unwrap();
        }
        assert_eq!(a.stats().fired, 0);
        let inspect = a.inspect();
        let process = inspect.processes.iter().find(|process| process.pid == *watcher.pid()).unwrap();
        assert!(process.waiting < 100, "{} entries wait", process.waiting);

        let mut set = a.monitor_set().unwrap();
        for _ in 0..10_000 {
            let monitor = set.add(&gone).unwrap();
            assert!(!set.remove(&monitor));
        }
        assert!(set.is_empty());
    });
}

#[test]
fn to_drop_a_monitor_is_to_demonitor() {
    run(async {
        let a = Cluster::new().node("a").await;
        let target = a.process().unwrap();
        let mut monitor = a.monitor(target.pid()).unwrap();
        assert!((&mut monitor).now_or_never().is_none());
        assert_eq!((a.stats().monitors, a.stats().watchers), (1, 1));
        drop(monitor);
        assert_eq!((a.stats().monitors, a.stats().watchers), (0, 0));

        let gone = a.process().unwrap().pid().clone();
        drop(a.monitor(&gone).unwrap());
        assert_eq!((a.stats().fired, a.stats().watchers), (0, 0));

        assert!(a.monitor(target.pid()).unwrap().demonitor());
        assert!(!a.monitor(&gone).unwrap().demonitor());
        assert_eq!(a.stats().watchers, 0);
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
fn messages_come_before_the_down_of_their_sender() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut watcher = a.process().unwrap();
        let to = watcher.pid().clone();
        let pid = a
            .spawn(|mut mailbox| async move {
                mailbox.recv().await;
                for i in 0..1000u32 {
                    mailbox.send(&to, i.to_le_bytes())?;
                }
                Ok(())
            })
            .unwrap();
        watcher.monitor(&pid).unwrap();
        watcher.send(&pid, "go").unwrap();
        for i in 0..1000u32 {
            let Some(Event::Message(message)) = watcher.recv().await else { panic!("no message {i}") };
            assert_eq!((message.from.as_ref(), message.body), (Some(&pid), i.to_le_bytes().to_vec()));
        }
        assert!(matches!(watcher.recv().await, Some(Event::Down(down)) if down.reason == NORMAL));
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
        let mut set = a.monitor_set().unwrap();
        assert_eq!(set.next().await, None);
        let targets: Vec<_> = (0..100).map(|_| a.process().unwrap()).collect();
        let monitors: Vec<_> = targets.iter().map(|target| set.add(target.pid()).unwrap()).collect();
        assert_eq!(set.len(), 100);
        for monitor in &monitors[..10] {
            assert!(set.remove(monitor));
            assert!(!set.remove(monitor));
        }
        drop(targets);
        let downs: Vec<_> = set.by_ref().collect().await;
        let fired: Vec<_> = downs.into_iter().map(|down| down.monitor).collect();
        assert_eq!(fired, monitors[10..]);

        set.add(a.process().unwrap().pid()).unwrap();
        assert!(set.next().await.is_some());
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
        // Whatever number the watcher has, nobody finds a process under it.
        for slot in 0..4 {
            let pid = Pid::new(a.id().clone(), monitor_runtime::refs::Serial::new(slot, 1));
            assert_eq!(a.is_process_alive(&pid), pid == *target.pid());
        }
    });
}
