//! A task of the transport that panics, at any of its polls, has the consequence that `io::tasks`
//! lists.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use peer_service::{DialId, EndKind, FrameBuf, PeerEvent, PeerService, Spawner};
use smol::{
    Executor, Timer,
    channel::{Sender, bounded},
    future::or,
};
use supervision::faults;
use support::Setup;
use support::{
    config, connect, count, end_of, exchange_frames, next_failure, next_session, say, spec, start, until,
};
use transport_tcp::TcpTransport;

/// Polls of a task that panic in turn.
const POLLS: u32 = 6;

/// A thread whose tasks can be made to panic.
struct Faulty {
    executor: Arc<Executor<'static>>,
    plan: Arc<Mutex<Option<(&'static str, u32)>>>,
    _stop: Sender<()>,
}

impl Faulty {
    fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let plan = Arc::new(Mutex::new(None::<(&'static str, u32)>));
        let (stop, stopped) = bounded::<()>(1);
        let (runs, planned) = (executor.clone(), plan.clone());
        thread::spawn(move || {
            faults::set(move |name| {
                let mut plan = planned.lock().unwrap();
                match &mut *plan {
                    Some((task, polls)) if *task == name && *polls > 1 => *polls -= 1,
                    Some((task, _)) if *task == name => return plan.take().is_some(),
                    _ => {}
                }
                false
            });
            let _ = smol::block_on(runs.run(stopped.recv()));
        });
        Faulty { executor, plan, _stop: stop }
    }

    /// From now on the task of that name panics once, at that poll.
    fn panic_at(&self, task: &'static str, poll: u32) {
        *self.plan.lock().unwrap() = Some((task, poll));
    }

    /// Whether the planned panic has happened.
    fn has_panicked(&self) -> bool {
        self.plan.lock().unwrap().is_none()
    }

    async fn start(&self, config: Setup) -> Arc<TcpTransport> {
        static INCARNATIONS: AtomicU64 = AtomicU64::new(1_000);
        let incarnation = INCARNATIONS.fetch_add(1, Ordering::Relaxed);
        let executor = self.executor.clone();
        let spawner: Spawner = Arc::new(move |task| executor.spawn(task).detach());
        config.start(incarnation, spawner).await.unwrap()
    }
}

/// The result of a dial.
async fn answer(node: &TcpTransport) -> PeerEvent {
    let late = async {
        Timer::after(Duration::from_secs(20)).await;
        panic!("a dial was not answered")
    };
    or(async { node.next().await.expect("the transport is not shut down") }, late).await
}

#[test]
fn a_dialer_that_panics_answers_its_dials_and_the_next_one_succeeds() {
    smol::block_on(async {
        let (faulty, b) = (Faulty::new(), start(config("b")).await);
        for poll in 1..=POLLS {
            let a = faulty.start(config("a")).await;
            faulty.panic_at("dialer", poll);
            a.connect(&spec(&b), DialId(1));
            match answer(&a).await {
                PeerEvent::Failed { dial, end, .. } => {
                    assert_eq!((dial, end.kind), (DialId(1), EndKind::Internal));
                    assert_eq!(count(&a, "tasks_failed"), 1);
                }
                // The task was complete before that poll.
                PeerEvent::Session(_) => assert!(!faulty.has_panicked()),
            }
            faulty.panic_at("nothing", 1);
            a.connect(&spec(&b), DialId(2));
            let at_a = next_session(&a).await;
            say(&at_a, b"is well");
            // The session of the lost dial ends, and another one follows.
            let mut frames = FrameBuf::new();
            while next_session(&b).await.recv(&mut frames).await.is_err() {}
            assert_eq!(frames.get(0), Some(&b"is well"[..]));
        }
    });
}

#[test]
fn a_connection_whose_task_panics_ends_its_session_at_both_sides() {
    smol::block_on(async {
        let (faulty, b) = (Faulty::new(), start(config("b")).await);
        let a = faulty.start(config("a")).await;
        for poll in 1..=POLLS {
            faulty.panic_at("connection", poll);
            let (mut at_a, mut at_b) = connect(&a, &b).await;
            assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Internal);
            assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
            assert_eq!(count(&a, "tasks_failed"), u64::from(poll));
        }
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn an_admission_that_panics_closes_the_connection_and_the_peer_gets_in_later() {
    smol::block_on(async {
        let (faulty, a) = (Faulty::new(), start(config("a")).await);
        let b = faulty.start(config("b")).await;
        for poll in 1..=POLLS {
            faulty.panic_at("admission", poll);
            a.connect(&spec(&b), DialId(1));
            match a.next().await.unwrap() {
                PeerEvent::Failed { end, .. } => {
                    assert_eq!(end.kind, EndKind::Refused, "the peer closed the connection")
                }
                // The dialer dials again if the connection is closed late in the handshake.
                PeerEvent::Session(mut session) => {
                    session.outbox().close(EndKind::Disconnected);
                    let mut other = next_session(&b).await;
                    end_of(&mut other).await;
                    end_of(&mut session).await;
                }
            }
            faulty.panic_at("nothing", 1);
        }
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn a_listener_that_panics_listens_again() {
    smol::block_on(async {
        let (faulty, a) = (Faulty::new(), start(config("a")).await);
        let b = faulty.start(config("b")).await;
        faulty.panic_at("listener", 1);
        // The first connection wakes the listener. It is accepted once the listener runs again.
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
        assert_eq!((faulty.has_panicked(), count(&b, "tasks_failed")), (true, 1));
    });
}

#[test]
fn a_transport_whose_executor_is_gone_answers_its_dials_and_begins_nothing() {
    smol::block_on(async {
        let b = start(config("b")).await;
        let executor = Arc::new(Executor::new());
        let weak = Arc::downgrade(&executor);
        let spawner: Spawner = Arc::new(move |task| {
            if let Some(executor) = weak.upgrade() {
                executor.spawn(task).detach();
            }
        });
        let begin = config("a").start(2_000, spawner);
        let a = executor.run(begin).await.unwrap();
        let (mut at_a, mut at_b) = executor.run(connect(&a, &b)).await;
        a.connect(&"nowhere@127.0.0.1=127.0.0.1:1".parse().unwrap(), DialId(2));
        drop(executor);
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Internal);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        assert_eq!(next_failure(&a).await, (DialId(2), EndKind::Internal.into()));
        a.connect(&spec(&b), DialId(3));
        assert_eq!(next_failure(&a).await, (DialId(3), EndKind::LocalShutdown.into()));
        until("every lost task is counted", || count(&a, "tasks_failed") >= 1).await;
    });
}
