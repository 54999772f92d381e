//! Exit reasons, and the result of `kill`.

use std::{
    any::Any,
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{Arc, Mutex},
    thread,
};

use futures::{FutureExt, channel::oneshot, task::ArcWake};
use monitor_runtime::prelude::*;

use crate::common::{Cluster, PassTo, panic_quietly, run};

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A payload whose destructor panics, with one of the same kind again.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

#[test]
fn a_body_that_is_dropped_before_its_first_poll_was_killed() {
    run(async {
        let a = Cluster::new().node("a").await;
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        drop(process.run(|_mailbox| pending::<Result<(), ExitReason>>()));
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));

        // The same on tokio, with a runtime that never runs it.
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let task = tokio.spawn(process.run(|_mailbox| pending::<Result<(), ExitReason>>()));
        task.abort();
        drop(tokio);
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));

        // After its first poll.
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let mut body = Box::pin(process.run(|_mailbox| pending::<Result<(), ExitReason>>()));
        assert!((&mut body).now_or_never().is_none());
        drop(body);
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
    });
}

#[test]
fn what_a_body_holds_is_gone_before_its_exit_polled_or_not() {
    run(async {
        let a = Cluster::new().node("a").await;
        for poll in [false, true] {
            let process = a.process().unwrap();
            let (node, pid) = (a.clone(), process.pid().clone());
            let lived = Arc::new(Mutex::new(None));
            let told = lived.clone();
            let held = OnDrop(move || *told.lock().unwrap() = Some(node.is_process_alive(&pid)));
            let mut body = Box::pin(process.run(move |_mailbox| async move {
                let _held = held;
                pending::<Result<(), ExitReason>>().await
            }));
            if poll {
                assert!((&mut body).now_or_never().is_none());
            }
            drop(body);
            assert_eq!(*lived.lock().unwrap(), Some(true), "polled: {poll}");
        }
    });
}

#[test]
fn a_guards_body_ends_as_it_does() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        type Body = Box<dyn Fn() -> Result<(), ExitReason>>;
        let bodies: [(_, Body); 4] = [
            (ExitReason::Normal, Box::new(|| Ok(()))),
            (ExitReason::Shutdown, Box::new(|| Err(ExitReason::Shutdown))),
            (ExitReason::panicked("at work"), Box::new(|| panic!("at work"))),
            (ExitReason::panicked("a panic without a text"), Box::new(|| panic_any(7))),
        ];
        for (reason, body) in bodies {
            for in_the_closure in [false, true] {
                let process = a.process().unwrap();
                let monitor = a.monitor(process.pid()).unwrap();
                let outcome = if in_the_closure {
                    let run = process.run(|_mailbox| ready(body()));
                    quietly(|| run.now_or_never())
                } else {
                    let run = process.run(|_mailbox| async { body() });
                    quietly(|| run.now_or_never())
                };
                // The caller gets what the body returned, or its panic.
                assert_eq!(outcome.is_err(), matches!(reason, ExitReason::Panicked(_)));
                assert_eq!(monitor.await.reason, exit(reason.clone()), "in the closure: {in_the_closure}");
            }
        }
    });
}

/// Runs a closure that may panic, and hides the panic's output.
fn quietly<T>(act: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(act));
    std::panic::set_hook(hook);
    result
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_is_a_panic() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        let without_text = exit(ExitReason::panicked("a panic without a text"));
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { panic_any(Bomb) }).unwrap();
        assert_eq!(monitor.await.reason, without_text, "in the body");
        let (_, monitor) = a.spawn_monitor(|_mailbox| -> std::future::Ready<_> { panic_any(Bomb) }).unwrap();
        assert_eq!(monitor.await.reason, without_text, "before the body");
        let (_, monitor) = a
            .spawn_monitor(|_mailbox| async {
                let _held = OnDrop(|| panic_any(Bomb));
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason, without_text, "in a destructor");

        // A destructor of the body's own state, after the body has panicked or was killed.
        let (ready, is_ready) = oneshot::channel();
        let (pid, monitor) = a
            .spawn_monitor(|_mailbox| async {
                let _held = OnDrop(|| panic_any(Bomb));
                let _ = ready.send(());
                pending().await
            })
            .unwrap();
        is_ready.await.unwrap();
        assert!(a.kill(&pid).unwrap());
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed), "killed before");

        // The node still runs.
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
        assert_eq!(a.stats().processes, 0);
    });
}

#[test]
fn an_error_that_cannot_be_written_is_a_panic() {
    #[derive(Debug)]
    struct Silent;
    impl std::fmt::Display for Silent {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words for it")
        }
    }
    impl std::error::Error for Silent {}

    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        let (_, monitor) = a
            .spawn_monitor(|_mailbox| async {
                Err(Silent)?;
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::panicked("no words for it")));
    });
}

#[test]
fn a_kill_and_an_end_at_once_agree() {
    run(async {
        let a = Cluster::new().node("a").await;
        for round in 0..500 {
            let (pid, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
            if round % 2 == 0 {
                thread::yield_now();
            }
            let killed = a.kill(&pid).unwrap();
            let reason = if killed { ExitReason::Killed } else { ExitReason::Normal };
            assert_eq!(monitor.await.reason, exit(reason), "round {round}");
        }
        // Guards that are dropped on another thread.
        for round in 0..500 {
            let process = a.process().unwrap();
            let pid = process.pid().clone();
            let monitor = a.monitor(&pid).unwrap();
            let dropped = thread::spawn(move || drop(process));
            let killed = a.kill(&pid).unwrap();
            let reason = if killed { ExitReason::Killed } else { ExitReason::Normal };
            assert_eq!(monitor.await.reason, exit(reason), "round {round}");
            dropped.join().unwrap();
        }
    });
}

#[test]
fn a_kill_counts_until_the_exit_and_not_after() {
    run(async {
        let a = Cluster::new().node("a").await;
        // The body has returned, and what it holds is dropped: the process has not exited yet.
        let killed = Arc::new(Mutex::new(None));
        let (node, answer) = (a.clone(), killed.clone());
        let (_, monitor) = a
            .spawn_monitor(move |mailbox| async move {
                let pid = mailbox.pid().clone();
                let _held = OnDrop(move || *answer.lock().unwrap() = Some(node.kill(&pid).unwrap()));
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
        assert_eq!(*killed.lock().unwrap(), Some(true));

        // Its watcher is being woken, so it has exited.
        struct Kills(Node, Pid, Mutex<Option<bool>>);
        impl ArcWake for Kills {
            fn wake_by_ref(this: &Arc<Self>) {
                *this.2.lock().unwrap() = Some(this.0.kill(&this.1).unwrap());
            }
        }
        let process = a.process().unwrap();
        let mut monitor = a.monitor(process.pid()).unwrap();
        let kills = Arc::new(Kills(a.clone(), process.pid().clone(), Mutex::default()));
        let waker = futures::task::waker(kills.clone());
        assert!(monitor.poll_unpin(&mut std::task::Context::from_waker(&waker)).is_pending());
        drop(process);
        assert_eq!(*kills.2.lock().unwrap(), Some(false));
        assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
    });
}

#[test]
fn whoever_was_killed_was_killed_whatever_it_says() {
    run(async {
        let a = Cluster::new().node("a").await;
        let killed = exit(ExitReason::Killed);

        let mut process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        assert!(a.kill(process.pid()).unwrap());
        assert!(!a.kill(process.pid()).unwrap(), "once is enough");
        process.set_exit_reason(ExitReason::Shutdown);
        process.exit(ExitReason::Normal);
        assert_eq!(monitor.await.reason, killed);

        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let node = a.clone();
        let body = process.run(|mailbox| async move { Ok(node.kill(mailbox.pid()).unwrap()) });
        assert_eq!(body.await, Ok(true));
        assert_eq!(monitor.await.reason, killed);

        // A task that kills itself: one that goes on to its end, and one that waits.
        for waits in [false, true] {
            let (_, monitor) = a
                .spawn_monitor(move |mailbox| async move {
                    mailbox.node().kill(mailbox.pid())?;
                    if waits {
                        pending::<()>().await;
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!(monitor.await.reason, killed);
        }
    });
}

#[test]
fn a_guard_that_is_dropped_while_its_thread_unwinds_has_panicked_unless_it_says_otherwise() {
    run(async {
        let a = Cluster::new().node("a").await;
        let panicked = |down: Down| matches!(down.reason, DownReason::Exit(ExitReason::Panicked(_)));

        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let held = quietly(move || {
            let mut process = process;
            process.set_exit_reason(ExitReason::Shutdown);
            panic!("while it is held");
        });
        assert!(held.is_err());
        assert!(panicked(monitor.await));

        // A reason that is passed to `exit` at that moment counts.
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let mut slot = Some(process);
        let held = quietly(move || {
            let _ends = OnDrop(move || {
                if let Some(process) = slot.take() {
                    process.exit(ExitReason::Shutdown);
                }
            });
            panic!("while it is held");
        });
        assert!(held.is_err());
        assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));

        // A body that the panic of its holder drops, without a panic of its own, was killed.
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let body = process.run(|_mailbox| pending::<Result<(), ExitReason>>());
        let held = quietly(move || {
            let _body = body;
            panic!("while it is held");
        });
        assert!(held.is_err());
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
    });
}

#[test]
fn a_guard_within_another_process_ends_by_itself() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        // Dropped in good order, then the outer one panics: two reasons.
        let inner = a.process().unwrap();
        let of_inner = a.monitor(inner.pid()).unwrap();
        let (_, of_outer) = a
            .spawn_monitor(|_mailbox| async move {
                drop(inner);
                panic!("only the outer one")
            })
            .unwrap();
        assert_eq!(of_inner.await.reason, exit(ExitReason::Normal));
        assert_eq!(of_outer.await.reason, exit(ExitReason::panicked("only the outer one")));

        // Held while the outer one panics: both have panicked.
        let inner = a.process().unwrap();
        let of_inner = a.monitor(inner.pid()).unwrap();
        let (_, of_outer) = a
            .spawn_monitor(|_mailbox| async move {
                let _inner = inner;
                panic!("both")
            })
            .unwrap();
        assert!(matches!(of_inner.await.reason, DownReason::Exit(ExitReason::Panicked(_))));
        assert_eq!(of_outer.await.reason, exit(ExitReason::panicked("both")));

        // Held by one that is killed: dropped in good order.
        let inner = a.process().unwrap();
        let of_inner = a.monitor(inner.pid()).unwrap();
        let (pid, of_outer) = a
            .spawn_monitor(|_mailbox| async move {
                let _inner = inner;
                pending().await
            })
            .unwrap();
        assert!(a.kill(&pid).unwrap());
        assert_eq!(of_outer.await.reason, exit(ExitReason::Killed));
        assert_eq!(of_inner.await.reason, exit(ExitReason::Normal));
    });
}

#[test]
fn a_process_that_its_executor_drops_was_killed() {
    run(async {
        let drops = |config: Config| config.runtime(PassTo(drop));
        let a = Cluster::new().node_with("a", drops).await;
        let (_, monitor) = a.spawn_monitor(|_mailbox| async { Ok(()) }).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));

        // A destructor of the body's state panics; the caller does not see that panic.
        let held = OnDrop(|| panic_any(Bomb));
        let spawned = quietly(|| {
            a.spawn_monitor(|_mailbox| async move {
                let _held = held;
                Ok(())
            })
        });
        let (_, monitor) = spawned.unwrap().unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Killed));
    });
}
