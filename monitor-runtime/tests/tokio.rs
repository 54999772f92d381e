//! Processes whose bodies tokio runs, and what becomes of them when it stops.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::mpsc, thread, time::Duration};

use monitor_runtime::{StartError, TokioRuntime, prelude::*};
use peer_service::memory::Network;
use smol::block_on as run;
use tokio::{runtime, task};

/// Starts two connected nodes; that runtime runs the processes of the second one.
fn nodes(runtime: TokioRuntime) -> (Node, Node) {
    let network = Network::new();
    let start = |label: &str, set: &dyn Fn(Config) -> Config| {
        let name: NodeName = format!("{label}@local").parse().unwrap();
        Node::with_service(set(Config::new(name.clone())), network.join(name)).unwrap()
    };
    (start("a", &|config| config), start("b", &|config| config.runtime(runtime.clone())))
}

fn current_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn expect_exit(monitor: Monitor, reason: ExitReason) {
    assert_eq!(monitor.await.reason, DownReason::Exit(reason));
}

/// The test passes only if the node tells ends that do not depend on the runtime.
async fn the_node_goes_on(watcher: &Node, node: &Node) {
    let guard = node.process().unwrap();
    let monitor = watcher.monitor(guard.pid()).unwrap();
    guard.exit(ExitReason::Shutdown);
    assert!(monitor.await.reason.is_terminal());
}

#[test]
fn a_body_uses_timers_and_sockets_of_the_runtime_around_the_configuration() {
    current_thread().block_on(async {
        let service = Network::new().join("a@local".parse().unwrap());
        let node = Node::with_service(Config::new("a@local").tokio(), service).unwrap();
        let here = thread::current().id();
        let (_, monitor) = node
            .spawn_monitor(move |_| async move {
                assert_eq!(thread::current().id(), here);
                tokio::time::sleep(Duration::from_millis(1)).await;
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
                tokio::net::TcpStream::connect(listener.local_addr()?).await?;
                task::spawn(async {}).await?;
                Ok(())
            })
            .unwrap();
        expect_exit(monitor, ExitReason::Normal).await;
    });
}

#[test]
fn outside_of_a_runtime_the_start_fails_and_says_what_to_do() {
    let service = Network::new().join("a@local".parse().unwrap());
    let error = Node::with_service(Config::new("a@local").tokio(), service).unwrap_err();
    assert!(matches!(error, StartError::Field { field: "tokio", .. }), "{error:?}");
    assert!(error.to_string().contains("`Config::runtime`"), "{error}");
    assert!(TokioRuntime::current().is_err());
}

#[test]
fn a_process_is_spawned_from_outside_of_the_runtime() {
    let tokio = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (a, b) = nodes(tokio.handle().clone().into());
    let sleeps = || {
        b.spawn(|_| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        })
    };
    // Neither thread runs in the context of tokio.
    let pids = [sleeps().unwrap(), thread::scope(|scope| scope.spawn(sleeps).join().unwrap().unwrap())];
    run(async {
        for pid in pids {
            let reason = a.monitor(&pid).unwrap().await.reason;
            assert!(matches!(reason, DownReason::Exit(ExitReason::Normal) | DownReason::NoProc), "{reason}");
        }
    });
}

#[test]
fn the_processes_of_a_runtime_that_shuts_down_were_killed_and_so_is_every_later_one() {
    let tokio = [
        current_thread(),
        runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ];
    for tokio in tokio {
        let (a, b) = nodes(TokioRuntime::new(tokio.handle().clone()));
        let forever = |_| std::future::pending::<Result<(), ExitReason>>();
        let (pid, local) = b.spawn_monitor(forever).unwrap();
        run(async {
            let remote = a.monitor(&pid).unwrap();
            tokio.shutdown_background();
            expect_exit(local, ExitReason::Killed).await;
            let reason = remote.await.reason;
            assert!(matches!(reason, DownReason::Exit(ExitReason::Killed) | DownReason::NoProc), "{reason}");

            let (_, later) = b.spawn_monitor(forever).unwrap();
            expect_exit(later, ExitReason::Killed).await;
            the_node_goes_on(&a, &b).await;
            b.stop().await;
        });
    }
}

#[test]
fn the_processes_of_a_current_thread_runtime_wait_until_a_thread_drives_it() {
    let tokio = current_thread();
    let (a, b) = nodes(TokioRuntime::new(tokio.handle().clone()));
    let (sender, receiver) = mpsc::channel();
    let (_, monitor) = b
        .spawn_monitor(move |_| async move {
            sender.send(thread::current().id())?;
            Ok(())
        })
        .unwrap();
    run(the_node_goes_on(&a, &b));
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty), "no thread drives the runtime");
    tokio.block_on(expect_exit(monitor, ExitReason::Normal));
    assert_eq!(receiver.try_recv(), Ok(thread::current().id()));
}

#[test]
fn a_current_thread_runtime_that_is_blocked_delays_only_its_own_processes() {
    let tokio = current_thread();
    let (a, b) = nodes(TokioRuntime::new(tokio.handle().clone()));
    let (go_on, blocked) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let (_, blocks) = b
        .spawn_monitor(move |_| async move {
            begun.send(())?;
            Ok(blocked.recv()?)
        })
        .unwrap();
    let (_, mut waits) = b.spawn_monitor(|_| async { Ok(()) }).unwrap();
    let driver = thread::spawn(move || tokio.block_on(blocks));
    begins.recv().unwrap();
    run(async {
        the_node_goes_on(&a, &b).await;
        assert!(futures::poll!(&mut waits).is_pending());
        go_on.send(()).unwrap();
    });
    assert_eq!(driver.join().unwrap().reason, DownReason::Exit(ExitReason::Normal));
}
