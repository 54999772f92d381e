//! `Process::exit` and the reason of a process that is dropped.
#![allow(clippy::unwrap_used, reason = "tests")]

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

use common::{Cluster, PassTo, panic_quietly, run};
use monitor_runtime::{Demonitored, prelude::*};
use peer_service::memory::Network;

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

/// Sets the flag when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn an_exit_of_a_guard_is_its_end() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        for watcher in [&a, &b] {
            let mut process = a.process().unwrap();
            let (pid, monitor) = (process.pid().clone(), watcher.monitor(process.pid()).unwrap());
            cluster.settle(&b, &a).await;
            process.set_exit_reason(ExitReason::other("on drop"));
            process.exit(ExitReason::other("now"));
            assert!(!a.is_process_alive(&pid) && !a.kill(&pid).unwrap());
            assert_eq!(monitor.await.reason, exit(ExitReason::other("now")));
        }
    });
}

#[test]
fn a_reason_is_given_as_a_text_or_an_error() {
    run(async {
        let node = Cluster::new().node("a").await;
        let reasons: [(ExitReason, &str); 4] = [
            ("out of paper".into(), "out of paper"),
            ("out of ink".to_owned().into(), "out of ink"),
            ("x".parse::<u8>().unwrap_err().into(), "invalid digit found in string"),
            (NotAlive.into(), "the node was stopped, or the calling process has exited"),
        ];
        for (reason, text) in reasons {
            let process = node.process().unwrap();
            let monitor = node.monitor(process.pid()).unwrap();
            process.exit(reason);
            assert_eq!(monitor.await.reason, exit(ExitReason::other(text)));
        }
    });
}

#[test]
fn a_process_that_unwinds_may_still_choose_its_reason() {
    struct Exits(Option<Process>);
    impl Drop for Exits {
        fn drop(&mut self) {
            self.0.take().unwrap().exit(ExitReason::Shutdown);
        }
    }
    panic_quietly();
    run(async {
        let node = Cluster::new().node("a").await;
        let process = node.process().unwrap();
        let monitor = node.monitor(process.pid()).unwrap();
        let held = Exits(Some(process));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = held;
            // Not `panic!`, whose message would be printed.
            std::panic::resume_unwind(Box::new("unwinds"));
        }));
        assert!(panicked.is_err());
        assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));
    });
}

#[test]
fn a_spawned_body_ends_at_its_next_await_and_is_dropped_before_its_exit_is_told() {
    run(async {
        let node = Cluster::new().node("a").await;
        let [dropped, goes_on, ends] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        let held = Flag(dropped.clone());
        let (before, after) = (Flag(goes_on.clone()), Flag(ends.clone()));
        let (_, monitor) = node
            .spawn_monitor(move |process| async move {
                let _held = held;
                process.exit(ExitReason::other("enough"));
                drop(before);
                std::future::pending::<()>().await;
                std::mem::forget(after);
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::other("enough")));
        assert!(goes_on.load(Ordering::SeqCst), "it runs to its next await");
        assert!(dropped.load(Ordering::SeqCst) && ends.load(Ordering::SeqCst), "the body is dropped first");
    });
}

/// The reason stays, regardless of the actions of the body between the exit and its end.
#[test]
fn the_first_reason_of_a_spawned_process_counts() {
    panic_quietly();
    run(async {
        let node = Cluster::new().node("a").await;
        let bodies: [fn() -> Result<(), ExitReason>; 3] =
            [|| Ok(()), || Err("of the body".into()), || panic!("of the body")];
        for body in bodies {
            let (_, monitor) = node
                .spawn_monitor(move |process| async move {
                    process.exit(ExitReason::Shutdown);
                    body()
                })
                .unwrap();
            assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));
        }
    });
}

#[test]
fn an_exit_on_another_thread_ends_a_body_that_waits() {
    run(async {
        let node = Cluster::new().node("a").await;
        let (give, take) = mpsc::channel();
        let (pid, monitor) = node
            .spawn_monitor(move |process| async move {
                give.send(process).unwrap();
                std::future::pending().await
            })
            .unwrap();
        let process = take.recv().unwrap();
        assert_eq!(process.pid(), &pid);
        thread::spawn(move || process.exit(ExitReason::other("from outside"))).join().unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::other("from outside")));
        assert!(!node.is_process_alive(&pid));
    });
}

#[test]
fn a_kill_that_was_earlier_decides_the_reason_and_a_later_one_is_too_late() {
    run(async {
        let node = Cluster::new().node("a").await;
        let process = node.process().unwrap();
        let monitor = node.monitor(process.pid()).unwrap();
        assert!(node.kill(process.pid()).unwrap());
        process.exit(ExitReason::Shutdown);
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));

        // The tasks have threads of their own, which this test stops at a chosen point.
        let threads =
            Config::new("a@local").runtime(PassTo(|task| drop(thread::spawn(|| smol::block_on(task)))));
        let node = Node::with_service(threads, Network::new().join("a@local".parse().unwrap())).unwrap();
        for (kill_first, reason) in [(true, ExitReason::Killed), (false, ExitReason::Shutdown)] {
            let ((begun, has_begun), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel::<()>());
            let (pid, monitor) = node
                .spawn_monitor(move |process| async move {
                    if kill_first {
                        begun.send(()).unwrap();
                        may_go_on.recv().unwrap();
                    }
                    process.exit(ExitReason::Shutdown);
                    if !kill_first {
                        begun.send(()).unwrap();
                        may_go_on.recv().unwrap();
                    }
                    std::future::pending().await
                })
                .unwrap();
            has_begun.recv().unwrap();
            assert_eq!(node.kill(&pid), Ok(kill_first));
            go_on.send(()).unwrap();
            assert_eq!(monitor.await.reason, exit(reason));
        }
    });
}

#[test]
fn the_body_of_a_run_keeps_the_reason_that_it_chose() {
    run(async {
        let node = Cluster::new().node("a").await;
        let process = node.process().unwrap();
        let monitor = node.monitor(process.pid()).unwrap();
        let result = process.run(|process| async move {
            process.exit(ExitReason::other("chosen"));
            Ok(7)
        });
        assert_eq!(result.await, Ok(7));
        assert_eq!(monitor.await.reason, exit(ExitReason::other("chosen")));
    });
}

#[test]
fn the_process_value_of_a_body_may_be_dropped_while_the_body_goes_on() {
    run(async {
        let node = Cluster::new().node("a").await;
        let (give, take) = futures::channel::oneshot::channel::<()>();
        let body = |mut process: Process| async move {
            // Without effect: the body decides.
            process.set_exit_reason(ExitReason::Shutdown);
            drop(process);
            take.await?;
            Err("in the end".into())
        };
        let (pid, monitor) = node.spawn_monitor(body).unwrap();
        let watcher = node.process().unwrap();
        let own = watcher.monitor(&pid).unwrap();
        assert_eq!(watcher.demonitor(&own), Ok(Demonitored::Active));
        assert!(node.is_process_alive(&pid));
        give.send(()).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::other("in the end")));
    });
}
