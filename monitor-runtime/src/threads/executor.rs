//! The threads of a node: one on duty, and one for each process that blocks.
//!
//! These threads run two kinds of tasks: tasks of the *engine* (sessions, dials, heartbeats), and
//! the *bodies* of processes, which are code of the user. The thread on duty runs both, in the
//! order in which they became ready, so that a message from a session to a body does not wake
//! another thread. If a body blocks, the [watchdog](crate::threads::watchdog) detects it within
//! some milliseconds and calls the [`Relief`] of the thread, which puts another thread on duty. The
//! blocked thread continues its body, and ends when the body returns.
//!
//! So a body that blocks delays only itself. If more threads than the maximum are blocked, the
//! thread on duty polls no further body: bodies wait, the engine never does.

use std::{
    cell::OnceCell,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, select};
use peer_service::Spawner;
use smol::{
    Executor,
    channel::{Receiver, Sender, bounded},
};

use crate::{
    sync::waker_set::WakerSet,
    threads::watchdog::{self, Relief},
};

/// Time for which tasks run before the thread polls its sockets and timers again. That poll takes
/// about a microsecond.
const TURN: Duration = Duration::from_micros(20);

/// Number of tasks that run before the thread reads the clock.
const TICKS: usize = 4;

/// The spawners of a node, and the handle that keeps its threads running.
pub(crate) struct Threads {
    /// Starts a task of the engine.
    pub(crate) engine: Spawner,
    /// Starts the body of a process.
    pub(crate) bodies: Spawner,
    /// On drop, ends the threads and drops every task that they run.
    pub(crate) running: Sender<()>,
}

/// Starts the first thread, which also waits for sockets and timers.
pub(crate) fn start(max_blocked: usize) -> std::io::Result<Threads> {
    // Nothing is ever sent: the end of the sender is the signal.
    let (running, stopped) = bounded(1);
    let limit = Arc::new(Limit { blocked: AtomicUsize::new(0), max_blocked, waiting: WakerSet::default() });
    let crew = Arc::new(Crew { executor: Executor::new(), on_duty: AtomicU64::new(0), limit, stopped });
    crew.start_thread(None)?;
    // Weak references, because tasks hold the spawner, and the crew holds the tasks.
    let (engine, bodies) = (Arc::downgrade(&crew), Arc::downgrade(&crew));
    let engine: Spawner = Arc::new(move |task| {
        if let Some(crew) = engine.upgrade() {
            crew.executor.spawn(task).detach();
        }
    });
    let bodies: Spawner = Arc::new(move |body| {
        if let Some(crew) = bodies.upgrade() {
            crew.executor.spawn(Limited { body }).detach();
        }
    });
    Ok(Threads { engine, bodies, running })
}

/// The limit of bodies that block at the same time.
struct Limit {
    /// Number of threads that were relieved and whose body has not returned yet.
    blocked: AtomicUsize,
    max_blocked: usize,
    /// Bodies that wait until one has returned.
    waiting: WakerSet,
}

impl Limit {
    /// Whether bodies may run. Once `max_blocked + 1` threads are blocked, the other bodies wait.
    fn takes_bodies(&self) -> bool {
        self.blocked.load(Ordering::Acquire) <= self.max_blocked
    }

    /// Whether a body must wait. If it must, the context's task is woken once another body has
    /// returned.
    fn must_wait(&self, cx: &mut Context<'_>) -> bool {
        if self.takes_bodies() {
            return false;
        }
        self.waiting.register(cx);
        // A body that returned before the task was registered has not woken it.
        !self.takes_bodies()
    }

    fn has_returned(&self) {
        self.blocked.fetch_sub(1, Ordering::AcqRel);
        self.waiting.wake_all();
    }
}

thread_local! {
    /// The limit of the crew that the thread belongs to.
    static LIMIT: OnceCell<Arc<Limit>> = const { OnceCell::new() };
}

/// The body of a process, which is polled only while fewer bodies than the limit are blocked. It
/// finds the limit by its thread, because a reference of its own would cost each process two atomic
/// operations.
struct Limited {
    body: BoxFuture<'static, ()>,
}

impl Future for Limited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if LIMIT.with(|limit| limit.get().is_some_and(|limit| limit.must_wait(cx))) {
            return Poll::Pending;
        }
        self.body.as_mut().poll(cx)
    }
}

/// The threads of one node.
struct Crew {
    executor: Executor<'static>,
    /// The number of the thread on duty. Each thread that goes on duty gets the next number.
    on_duty: AtomicU64,
    limit: Arc<Limit>,
    stopped: Receiver<()>,
}

impl Crew {
    /// Starts a thread, which goes on duty as number 0 or in place of a blocked thread. Changes
    /// nothing if the system refuses the thread.
    fn start_thread(self: &Arc<Self>, in_place_of: Option<u64>) -> std::io::Result<()> {
        let crew = self.clone();
        let serve = move || {
            let Some(number) = crew.go_on_duty(in_place_of) else { return };
            let _ = LIMIT.with(|limit| limit.set(crew.limit.clone()));
            watchdog::attach(relief(Arc::downgrade(&crew), number));
            smol::block_on(select(pin!(crew.stopped.recv()), pin!(crew.work(number))));
            if !crew.is_on_duty(number) {
                crew.limit.has_returned();
            }
        };
        thread::Builder::new().name("obit".to_owned()).spawn(serve).map(drop)
    }

    /// Puts the calling thread on duty and returns its number. Returns `None` if the thread that it
    /// should relieve is no longer on duty.
    fn go_on_duty(&self, in_place_of: Option<u64>) -> Option<u64> {
        let Some(blocked) = in_place_of else { return Some(0) };
        // Counted before the other thread can see that it was relieved and subtract itself.
        self.limit.blocked.fetch_add(1, Ordering::AcqRel);
        let next = blocked + 1;
        if self.on_duty.compare_exchange(blocked, next, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.limit.has_returned();
            return None;
        }
        Some(next)
    }

    fn is_on_duty(&self, number: u64) -> bool {
        self.on_duty.load(Ordering::Acquire) == number
    }

    /// Runs ready tasks until another thread is on duty. [`Executor::run`] would run two hundred
    /// tasks before it lets the thread poll its sockets and timers. A task that reads a flood may
    /// take long, so input on other sockets would wait for all of them.
    ///
    /// A thread never waits for a task while it runs another one: the executor wakes one waiting
    /// thread at a time, and must not wake a blocked thread.
    async fn work(&self, number: u64) {
        loop {
            self.executor.tick().await;
            let start = Instant::now();
            while (0..TICKS).all(|_| self.is_on_duty(number) && self.executor.try_tick()) {
                if start.elapsed() >= TURN {
                    smol::future::yield_now().await;
                    break;
                }
            }
            if !self.is_on_duty(number) {
                return;
            }
        }
    }
}

/// Puts another thread on duty in place of thread `number` while that one is blocked.
fn relief(crew: Weak<Crew>, number: u64) -> Relief {
    Box::new(move || crew.upgrade().is_none_or(|crew| crew.start_thread(Some(number)).is_ok()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn tasks_run_wait_for_timers_and_end_with_the_thread() {
        let threads = start(1).expect("the system starts a thread");
        let (sender, receiver) = channel();
        (threads.engine)(Box::pin(async move {
            smol::Timer::after(Duration::from_millis(1)).await;
            sender.send("awake").expect("the test listens");
            std::future::pending::<()>().await;
            drop(sender);
        }));
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok("awake"));
        drop(threads.running);
        assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn tasks_that_are_always_busy_keep_neither_timers_nor_the_other_kind_waiting() {
        for busy_bodies in [false, true] {
            let threads = start(1).expect("the system starts a thread");
            let (busy, other) = if busy_bodies {
                (&threads.bodies, &threads.engine)
            } else {
                (&threads.engine, &threads.bodies)
            };
            let (sender, receiver) = channel();
            for _ in 0..2 * TICKS {
                busy(Box::pin(async move {
                    loop {
                        smol::future::yield_now().await;
                    }
                }));
            }
            other(Box::pin(async move {
                smol::Timer::after(Duration::from_millis(1)).await;
                sender.send(()).expect("the test listens");
            }));
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(()));
        }
    }

    #[test]
    fn a_task_of_the_engine_that_yields_lets_bodies_that_are_ready_go_first() {
        const READY: usize = 16;
        let threads = start(1).expect("the system starts a thread");
        let (engine, bodies) = (threads.engine.clone(), threads.bodies.clone());
        let (sender, receiver) = channel();
        // One poll starts all of them, so all are ready when it returns.
        (threads.bodies)(Box::pin(async move {
            let done = Arc::new(AtomicUsize::new(0));
            for _ in 0..READY {
                let done = done.clone();
                bodies(Box::pin(async move { _ = done.fetch_add(1, Ordering::Relaxed) }));
            }
            engine(Box::pin(async move {
                let mut seen = vec![done.load(Ordering::Relaxed)];
                while seen.last() < Some(&READY) {
                    smol::future::yield_now().await;
                    seen.push(done.load(Ordering::Relaxed));
                }
                sender.send(seen).expect("the test listens");
            }));
        }));
        let seen = receiver.recv_timeout(PATIENCE).expect("the task has sent its result");
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    }

    /// Starts a body that blocks until the sender is dropped. The watchdog observes it like the
    /// body of a process.
    fn blocks(threads: &Threads) -> Sender<()> {
        let (go_on, blocked) = bounded(1);
        (threads.bodies)(Box::pin(async move {
            watchdog::poll(0, 0, || {
                // It ends when the test drops the sender.
                let _ = blocked.recv_blocking();
            });
        }));
        go_on
    }

    #[test]
    fn bodies_that_block_delay_no_other_task() {
        let threads = start(2).expect("the system starts a thread");
        let (sender, receiver) = channel();
        let say = |spawner: &Spawner, word: &'static str| {
            let sender = sender.clone();
            spawner(Box::pin(async move { sender.send(word).expect("the test listens") }));
        };
        let blocked: Vec<_> = (0..2).map(|_| blocks(&threads)).collect();
        say(&threads.bodies, "body");
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok("body"), "two bodies are blocked");

        let last = blocks(&threads);
        say(&threads.engine, "engine");
        assert_eq!(
            receiver.recv_timeout(PATIENCE),
            Ok("engine"),
            "three bodies are blocked, so no other body may run"
        );
        say(&threads.bodies, "later body");
        say(&threads.engine, "engine again");
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok("engine again"));
        drop(last);
        assert_eq!(
            receiver.recv_timeout(PATIENCE),
            Ok("later body"),
            "a body has returned, so another may run"
        );
        drop(blocked);
        say(&threads.bodies, "last");
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok("last"));
    }
}
