//! The tasks of a node, run step by step, with planned panics.

use std::{
    cell::Cell,
    future::poll_fn,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use peer_service::Spawner;
use smol::Executor;

thread_local! {
    /// Whether the next panic on this thread is planned.
    static PLANNED: Cell<bool> = const { Cell::new(false) };
}

/// Installs a panic hook that prints nothing for planned panics.
pub fn silence_planned_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !PLANNED.take() {
            usual(info);
        }
    }));
}

/// The tasks of one instance of a node.
pub struct Tasks {
    executor: Executor<'static>,
    steps: AtomicUsize,
    fault: Arc<Mutex<Fault>>,
}

/// The planned panic, and the last one that has happened.
#[derive(Default)]
struct Fault {
    /// Number of polls of the runtime's tasks up to the one that panics.
    polls: Option<usize>,
    /// The kind of task that has panicked.
    panicked: Option<&'static str>,
}

impl Fault {
    /// Whether the task of that kind panics instead of this poll. The runtime also calls this with
    /// the names of points within a poll.
    fn panics_now(&mut self, name: &'static str) -> bool {
        if name.starts_with("effect") {
            return false;
        }
        let Some(polls) = &mut self.polls else { return false };
        *polls -= 1;
        if *polls > 0 {
            return false;
        }
        *self = Fault { polls: None, panicked: Some(name) };
        PLANNED.set(true);
        true
    }
}

impl Tasks {
    pub fn new() -> Arc<Self> {
        Arc::new(Tasks { executor: Executor::new(), steps: AtomicUsize::new(0), fault: Arc::default() })
    }

    /// Runs tasks for about that many steps, in the order in which they were woken. Returns whether
    /// no task is ready any more.
    pub fn run(&self, steps: usize) -> bool {
        let fault = self.fault.clone();
        supervision::faults::set(move |name| fault.lock().panics_now(name));
        let until = self.steps.load(Ordering::Relaxed) + steps;
        let mut idle = false;
        while !idle && self.steps.load(Ordering::Relaxed) < until {
            idle = !self.executor.try_tick();
        }
        supervision::faults::clear();
        idle
    }

    /// Plans a panic in place of the poll after that many polls, at least one.
    pub fn plan_panic(&self, polls: usize) {
        self.fault.lock().polls = Some(polls.max(1));
    }

    /// Cancels a planned panic.
    pub fn cancel_panic(&self) {
        self.fault.lock().polls = None;
    }

    /// The kind of task that has panicked as planned since the last call.
    pub fn take_panicked(&self) -> Option<&'static str> {
        self.fault.lock().panicked.take()
    }

    /// The spawner for the configuration of the node. It holds the tasks weakly, since they hold
    /// the spawner.
    pub fn spawner(self: &Arc<Self>) -> Spawner {
        let tasks = Arc::downgrade(self);
        Arc::new(move |mut task| {
            let Some(all) = tasks.upgrade() else { return };
            let tasks = tasks.clone();
            let step = poll_fn(move |cx| {
                if let Some(tasks) = tasks.upgrade() {
                    tasks.steps.fetch_add(1, Ordering::Relaxed);
                }
                task.as_mut().poll(cx)
            });
            all.executor.spawn(step).detach();
        })
    }
}
