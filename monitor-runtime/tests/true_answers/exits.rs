//! [`Process::exit`], of a guard and of a body that the node or the program runs.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use futures::channel::oneshot;
use monitor_runtime::{TryRecvError, prelude::*};
use smol::future::yield_now;

use crate::common::{Cluster, name, next_body, next_down, panic_quietly, run};

fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

fn reasons() -> [ExitReason; 4] {
    let panicked = ExitReason::panicked("not by a panic");
    [ExitReason::Normal, ExitReason::Shutdown, ExitReason::other("of its own"), panicked]
}

#[test]
fn p38_a_guard_that_exits_has_ended_when_the_call_returns() {
    run(async {
        let a = Cluster::new().node("a").await;
        for reason in reasons() {
            let mut process = a.process().unwrap();
            process.register(name("job")).unwrap();
            process.set_exit_reason(ExitReason::other("replaced"));
            let pid = process.pid().clone();
            let monitor = a.monitor(&pid).unwrap();
            process.exit(reason.clone());
            assert!(!a.is_process_alive(&pid) && a.whereis(name("job")).is_none());
            assert_eq!(a.kill(&pid), Ok(false));
            assert_eq!(monitor.await.reason, exit(reason));
        }
    });
}

/// How the node, or the program, runs the body of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Spawn,
    Run,
}

/// Runs a body that exits with the reason, and then does what `rest` says. Checks the reason of the
/// `Down`, and the result of [`Process::run`].
async fn exits<Fut>(a: &Node, by: By, reason: &ExitReason, rest: impl FnOnce() -> Fut + Send + 'static)
where
    Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
{
    let mut watcher = a.process().unwrap();
    let to = watcher.pid().clone();
    let of_body = reason.clone();
    let body = move |mut process: Process| async move {
        process.recv().await;
        process.try_send(&to, "last words")?;
        process.exit(of_body);
        rest().await
    };
    let begin = |pid: &Pid| {
        watcher.monitor(pid).unwrap();
        watcher.try_send(pid, "begin").unwrap();
    };
    match by {
        By::Spawn => begin(&a.spawn(body).unwrap()),
        By::Run => {
            let process = a.process().unwrap();
            begin(process.pid());
            assert_eq!(process.run(body).await, Err(reason.clone()));
        }
    }
    assert_eq!(next_body(&mut watcher).await, "last words");
    assert_eq!(next_down(&mut watcher).await.reason, exit(reason.clone()));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn p38_a_body_that_exits_ends_at_its_next_await() {
    run(async {
        let a = Cluster::new().node("a").await;
        for by in [By::Spawn, By::Run] {
            for reason in reasons() {
                let (reached, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
                let (at, beyond) = (reached.clone(), passed.clone());
                exits(&a, by, &reason, move || async move {
                    at.store(true, Ordering::SeqCst);
                    yield_now().await;
                    beyond.store(true, Ordering::SeqCst);
                    pending().await
                })
                .await;
                assert!(reached.load(Ordering::SeqCst), "{by:?}: code before the next await runs");
                assert!(!passed.load(Ordering::SeqCst), "{by:?}: code after it does not");
                // The values of the body were dropped with it, before the exit was reported.
                assert_eq!(Arc::strong_count(&passed), 1);
            }
        }
    });
}

#[test]
fn p38_the_reason_of_an_exit_counts_and_not_the_end_of_the_body_after_it() {
    panic_quietly();
    run(async {
        let a = Cluster::new().node("a").await;
        for reason in reasons() {
            exits(&a, By::Spawn, &reason, || async { Ok(()) }).await;
            exits(&a, By::Spawn, &reason, || async { Err("of the body".into()) }).await;
            exits(&a, By::Spawn, &reason, || async { panic!("of the body") }).await;
        }
        assert_eq!(a.stats().processes, 0);

        // The caller of `run` gets what the body returned.
        let process = a.process().unwrap();
        let monitor = a.monitor(process.pid()).unwrap();
        let body = |process: Process| async {
            process.exit(ExitReason::Shutdown);
            Ok(7)
        };
        assert_eq!(process.run(body).await, Ok(7));
        assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));
    });
}

#[test]
fn p38_whoever_was_killed_before_it_exits_was_killed_and_not_the_other_way_round() {
    run(async {
        let a = Cluster::new().node("a").await;
        for killed_first in [true, false] {
            for by in [By::Spawn, By::Run] {
                let node = a.clone();
                let (told, tells) = oneshot::channel();
                let body = move |process: Process| async move {
                    let pid = process.pid().clone();
                    if killed_first {
                        let _ = told.send(node.kill(&pid));
                        process.exit(ExitReason::Shutdown);
                    } else {
                        process.exit(ExitReason::Shutdown);
                        let _ = told.send(node.kill(&pid));
                    }
                    pending::<Result<(), ExitReason>>().await
                };
                let reason = if killed_first { ExitReason::Killed } else { ExitReason::Shutdown };
                let monitor = match by {
                    By::Spawn => a.spawn_monitor(body).unwrap().1,
                    By::Run => {
                        let process = a.process().unwrap();
                        let monitor = a.monitor(process.pid()).unwrap();
                        assert_eq!(process.run(body).await, Err(reason.clone()));
                        monitor
                    }
                };
                assert_eq!(tells.await, Ok(Ok(killed_first)), "{by:?}");
                assert_eq!(monitor.await.reason, exit(reason), "{by:?}");
            }
        }
    });
}

#[test]
fn a_process_that_another_thread_ends_is_ended() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (give, take) = oneshot::channel();
        let (_, monitor) = a
            .spawn_monitor(|process| async {
                let _ = give.send(process);
                pending().await
            })
            .unwrap();
        let process: Process = take.await.unwrap();
        thread::spawn(|| process.exit(ExitReason::other("from a thread"))).join().unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::other("from a thread")));
    });
}

/// A body that runs the rest of itself by [`Process::run`] is one process, which ends as a whole.
#[test]
fn an_exit_within_a_nested_run_ends_the_outer_body() {
    run(async {
        let a = Cluster::new().node("a").await;
        for by in [By::Spawn, By::Run] {
            let went_on = Arc::new(AtomicBool::new(false));
            let outer = went_on.clone();
            let body = move |process: Process| async move {
                let nested = process.run(|process| async {
                    process.exit(ExitReason::Shutdown);
                    pending::<Result<(), ExitReason>>().await
                });
                let ended = nested.await;
                outer.store(true, Ordering::SeqCst);
                ended
            };
            let monitor = match by {
                By::Spawn => a.spawn_monitor(body).unwrap().1,
                By::Run => {
                    let process = a.process().unwrap();
                    let monitor = a.monitor(process.pid()).unwrap();
                    assert_eq!(process.run(body).await, Err(ExitReason::Shutdown));
                    monitor
                }
            };
            assert_eq!(monitor.await.reason, exit(ExitReason::Shutdown));
            assert!(!went_on.load(Ordering::SeqCst), "{by:?}: the outer body has gone on");
        }
    });
}
