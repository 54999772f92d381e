//! Processes: their exits and reasons, their names, and `kill`.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use common::{Cluster, panic_quietly, run};
use futures::channel::oneshot;
use monitor_runtime::{RegisterError, prelude::*};

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

#[test]
fn a_process_that_is_done_exits_normally() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (pid, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        let down = monitor.await;
        assert_eq!(down.reason, exit(ExitReason::Normal));
        assert_eq!(down.target, pid.clone().into());
        assert!(!a.is_process_alive(&pid));
    });
}

#[test]
fn an_error_is_a_reason() {
    run(async {
        let a = Cluster::new().node("a").await;
        let own = ExitReason::other("the disk is full");
        let (_, monitor) =
            a.spawn_monitor(|_mailbox| async { Err(ExitReason::other("the disk is full")) }).unwrap();
        assert_eq!(monitor.await.reason, exit(own));

        let (_, monitor) = a
            .spawn_monitor(|_mailbox| async {
                "x".parse::<u32>()?;
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason.to_string(), "exit: invalid digit found in string");
    });
}

#[test]
fn a_panic_is_a_reason_wherever_it_happens() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { panic!("in the task") }).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::panicked("in the task")));

        let (_, monitor) =
            a.spawn_monitor(|_mailbox| -> std::future::Ready<_> { panic!("{} the task", "before") }).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::panicked("before the task")));

        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("in a drop");
            }
        }
        let (runs, running) = oneshot::channel();
        let (pid, monitor) = a
            .spawn_monitor(|_mailbox| async {
                let _held = PanicsWhenDropped;
                let _ = runs.send(());
                std::future::pending().await
            })
            .unwrap();
        running.await.unwrap();
        a.kill(&pid).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));

        // The node still runs.
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
    });
}

#[test]
fn a_guard_exits_when_it_is_dropped() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;

        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        drop(process);
        assert_eq!(monitor.await.reason, exit(ExitReason::Normal));

        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        process.exit(ExitReason::Shutdown);
        assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));

        let mut process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        process.set_exit_reason(ExitReason::other("mine"));
        drop(process);
        assert_eq!(monitor.await.reason, exit(ExitReason::other("mine")));

        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let thread = thread::Builder::new().name("worker".into());
        let thread = thread.spawn(move || {
            let _process = process;
            panic!("outside any task");
        });
        assert!(thread.unwrap().join().is_err());
        assert!(
            matches!(monitor.await.reason, DownReason::Exit(ExitReason::Panicked(text)) if text.contains("worker"))
        );
    });
}

#[test]
fn a_killed_task_is_dropped_before_anybody_hears_of_it() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    run(async {
        let a = Cluster::new().node("a").await;
        let dropped = Arc::new(AtomicBool::new(false));
        let held = Dropped(dropped.clone());
        let (pid, monitor) = a
            .spawn_monitor(|mut mailbox| async move {
                let _held = held;
                while mailbox.recv().await.is_some() {}
                std::future::pending().await
            })
            .unwrap();
        assert!(a.kill(&pid).unwrap());
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
        assert!(dropped.load(Ordering::SeqCst));
        assert!(!a.kill(&pid).unwrap());
    });
}

/// A task that runs while it is killed runs to its next await.
#[test]
fn a_task_that_runs_while_it_is_killed_receives_nothing_that_was_sent_after() {
    run(async {
        // The task has a thread of its own, which this test stops at a chosen point.
        let threads =
            Config::new("a@local").spawner(Arc::new(|task| drop(thread::spawn(|| smol::block_on(task)))));
        let network = peer_service::memory::Network::new();
        let a = Node::with_service(threads, network.join("a@local".parse().unwrap())).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (told, received) = mpsc::channel();
        let (pid, monitor) = a
            .spawn_monitor(move |mut mailbox| async move {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                while let Some(Event::Message(message)) = mailbox.recv().await {
                    told.send(message.body).unwrap();
                }
                Ok(())
            })
            .unwrap();
        has_begun.recv().unwrap();
        a.try_send(&pid, "before").unwrap();
        assert!(a.kill(&pid).unwrap());
        a.try_send(&pid, "after").unwrap();
        go_on.send(()).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
        assert_eq!(received.iter().collect::<Vec<_>>(), [b"before".to_vec()]);
    });
}

#[test]
fn a_killed_guard_receives_what_waits_and_dies_of_it() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        a.try_send(process.pid(), "before").unwrap();
        assert!(a.kill(process.pid()).unwrap());
        a.try_send(process.pid(), "after").unwrap();
        assert!(matches!(process.recv().await, Some(Event::Message(message)) if message.body == "before"));
        assert_eq!(process.recv().await, None);
        assert!(a.is_process_alive(process.pid()), "it is its guard's to drop");
        process.exit(ExitReason::Normal);
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
        assert_eq!(a.stats().count("messages_for_nobody"), Some(1));
    });
}

#[test]
fn processes_of_others_cannot_be_killed() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let process = b.process().unwrap();
        assert!(!a.kill(process.pid()).unwrap());
        assert!(!a.is_process_alive(process.pid()));
        assert!(b.is_process_alive(process.pid()));
    });
}

#[test]
fn a_name_has_one_holder() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let (one, two) = (a.process().unwrap(), a.process().unwrap());
        one.register("jobs").unwrap();
        one.register("jobs").unwrap();
        assert_eq!(two.register("jobs"), Err(RegisterError::NameTaken(one.pid().clone())));
        assert_eq!(a.whereis("jobs"), Some(one.pid().clone()));

        assert!(a.unregister("jobs").unwrap());
        assert!(!a.unregister("jobs").unwrap());
        assert_eq!(a.whereis("jobs"), None);
        two.register("jobs").unwrap();

        let b = cluster.node("b").await;
        let elsewhere = b.process().unwrap();
        assert_eq!(a.register("other", elsewhere.pid()), Err(RegisterError::NoProc));
        let gone = one.pid().clone();
        drop(one);
        assert_eq!(a.register("other", &gone), Err(RegisterError::NoProc));
    });
}

#[test]
fn a_mailbox_that_outlives_its_process_is_dead() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (give, take) = oneshot::channel();
        let (_, monitor) = a
            .spawn_monitor(|mailbox| async {
                let _ = give.send(mailbox);
                Ok(())
            })
            .unwrap();
        monitor.await;
        let mut mailbox = take.await.unwrap();
        assert_eq!(mailbox.recv().await, None);
        let other = a.process().unwrap();
        assert!(mailbox.monitor(other.pid()).is_err());
        assert!(mailbox.monitor_nodes(Default::default()).is_err());
        assert_eq!(a.stats().monitors, 0);
    });
}

#[test]
fn m10_a_panic_in_guarded_work_is_its_callers() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let work = monitor.guard(async { panic!("in the work") });
        let result = catch_unwind(AssertUnwindSafe(|| run(work)));
        assert!(result.is_err());
        assert_eq!(a.stats().monitors, 0);
    });
}
