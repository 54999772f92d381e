//! Processes that block their thread do not delay others.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fmt::{self, Write},
    hint,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use common::{eventually, expect_exit, expect_no_connection, run};
use monitor_runtime::{EndKind, NodeSpec, prelude::*, test_util::run_all_on};
use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// The heartbeat timeout in these tests.
const SILENCE: Duration = Duration::from_millis(1_500);

async fn node(label: &str, secret: &Secret, set: impl FnOnce(Config) -> Config) -> Node {
    let config = Config::new(format!("{label}@127.0.0.1"))
        .listen("127.0.0.1:0".parse().unwrap())
        .secret(secret.clone());
    let config = config.heartbeat(SILENCE / 5, SILENCE);
    Node::start(set(config)).await.unwrap()
}

fn spec(node: &Node) -> NodeSpec {
    format!("{}={}", node.name(), node.local_addr().unwrap()).parse().unwrap()
}

/// Processes that block until this is dropped.
struct Blockers {
    pids: Vec<Pid>,
    spins: Arc<AtomicBool>,
    _blocked: Vec<mpsc::Sender<()>>,
}

impl Blockers {
    /// All but one sleep, and one spins.
    async fn on(node: &Node, count: usize) -> Self {
        let (begun, begins) = mpsc::channel();
        let spins = Arc::new(AtomicBool::new(true));
        let (mut pids, mut blocked) = (Vec::new(), Vec::new());
        for nth in 0..count {
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let (begun, spins) = (begun.clone(), spins.clone());
            let body = move |_| async move {
                begun.send(()).unwrap();
                if nth == 0 {
                    while spins.load(Ordering::Relaxed) {
                        hint::spin_loop();
                    }
                }
                let _ = may_go_on.recv();
                Ok(())
            };
            pids.push(node.spawn(body).unwrap());
            blocked.push(go_on);
        }
        let all = || begins.try_recv().is_ok();
        for _ in 0..count {
            eventually("each of them blocks", all).await;
        }
        Blockers { pids, spins, _blocked: blocked }
    }
}

impl Drop for Blockers {
    fn drop(&mut self) {
        self.spins.store(false, Ordering::Relaxed);
    }
}

/// Ends processes of `node`, one after the other, for longer than the heartbeat timeout. Each end
/// is reported with its true reason, while `blockers` block.
async fn others_go_on(watcher: &Node, node: &Node, blockers: &Blockers, spawned: bool) {
    let blocked: Vec<_> = blockers.pids.iter().map(|pid| watcher.monitor(pid).unwrap()).collect();
    let begin = Instant::now();
    while begin.elapsed() < 2 * SILENCE {
        let guard = node.process().unwrap();
        let worker = if spawned { spawn_worker(node) } else { guard.pid().clone() };
        let monitor = watcher.monitor(&worker).unwrap();
        let arrived = || node.monitors(1_000).on.iter().any(|on| on.process == worker);
        eventually("the monitor arrives", arrived).await;
        if spawned {
            watcher.try_send(&worker, "exit").unwrap();
        } else {
            guard.exit(ExitReason::Shutdown);
        }
        expect_exit(monitor, ExitReason::Shutdown).await;
    }
    for mut monitor in blocked {
        assert!(futures::poll!(&mut monitor).is_pending(), "those that block live, and are reachable");
    }
}

/// A process that ends on a message.
fn spawn_worker(node: &Node) -> Pid {
    let worker = node.spawn(|mut mailbox| async move {
        mailbox.recv().await;
        Err(ExitReason::Shutdown)
    });
    worker.unwrap()
}

#[test]
fn processes_that_block_hold_up_neither_heartbeats_nor_other_processes_nor_stop() {
    run(async {
        let secret = Secret::generate();
        let (a, b) = (node("a", &secret, |config| config).await, node("b", &secret, |config| config).await);
        a.connect(spec(&b)).unwrap();
        let blockers = Blockers::on(&b, 64).await;
        others_go_on(&a, &b, &blockers, true).await;

        let local = b.monitor(&blockers.pids[0]).unwrap();
        let remote = a.monitor(&blockers.pids[0]).unwrap();
        b.stop().await;
        expect_no_connection(local, EndKind::LocalShutdown).await;
        expect_no_connection(remote, EndKind::Left).await;
        a.stop().await;
    });
}

#[test]
fn with_more_blocked_processes_than_allowed_others_wait_and_the_node_does_not() {
    run(async {
        let secret = Secret::generate();
        let a = node("a", &secret, |config| config).await;
        let b = node("b", &secret, |config| config.max_blocked_threads(2)).await;
        a.connect(spec(&b)).unwrap();
        let blockers = Blockers::on(&b, 3).await;
        let waits = b.spawn(|_| async { Ok(()) }).unwrap();
        let waiting = a.monitor(&waits).unwrap();
        others_go_on(&a, &b, &blockers, false).await;
        drop(blockers);
        expect_exit(waiting, ExitReason::Normal).await;
    });
}

#[test]
fn a_runtime_of_the_user_whose_workers_are_all_blocked_holds_up_only_its_own_processes() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let handle = tokio.handle().clone();
    run(async {
        let secret = Secret::generate();
        let a = node("a", &secret, |config| config).await;
        let on_tokio = |config: Config| config.spawner(Arc::new(move |task| drop(handle.spawn(task))));
        let b = node("b", &secret, on_tokio).await;
        a.connect(spec(&b)).unwrap();
        let blockers = Blockers::on(&b, 2).await;
        others_go_on(&a, &b, &blockers, false).await;
        b.stop().await;
    });
}

/// Records the warnings.
struct Warnings;

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        WARNINGS.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

#[test]
fn a_warning_names_the_process_that_blocks_and_for_how_long() {
    tracing::subscriber::set_global_default(Warnings).unwrap();
    run(async {
        let a = node("a", &Secret::generate(), |config| config).await;
        let blockers = Blockers::on(&a, 2).await;
        for pid in &blockers.pids {
            let pid = format!("pid={pid}");
            let warned = || {
                let warnings = WARNINGS.lock().unwrap();
                warnings.iter().any(|line| line.contains(&pid) && line.contains("blocked_for=1."))
            };
            eventually("a warning", warned).await;
        }
    });
}

#[test]
fn a_stop_is_over_in_time_where_nothing_runs_the_node() {
    run(async {
        let executor = Arc::new(smol::Executor::new());
        let spawner = executor.clone();
        let config = Config::new("a@127.0.0.1").listen("127.0.0.1:0".parse().unwrap());
        let config =
            run_all_on(config.stop_timeout(SILENCE), Arc::new(move |task| spawner.spawn(task).detach()));
        let a = executor.run(Node::start(config)).await.unwrap();
        let guard = a.process().unwrap();
        let monitor = a.monitor(guard.pid()).unwrap();
        // No thread drives the executor any more.
        a.stop().await;
        expect_no_connection(monitor, EndKind::LocalShutdown).await;
        drop(executor);
    });
}
