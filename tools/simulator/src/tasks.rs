//! The tasks of a node: counted step by step, and made to panic.

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
    /// The panic that comes next on this thread was planned.
    static PLANNED: Cell<bool> = const { Cell::new(false) };
}

/// Has nothing printed of a panic that was planned.
pub fn hush_planned_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !PLANNED.take() {
            usual(info);
        }
    }));
}

/// The tasks of one incarnation of a node.
pub struct Tasks {
    executor: Executor<'static>,
    steps: AtomicUsize,
    fault: Arc<Mutex<Fault>>,
}

/// The panic that is planned, and the one that has happened.
#[derive(Default)]
struct Fault {
    /// Number of polls of the runtime's tasks up to the one that panics.
    polls: Option<usize>,
    /// The kind of task that has panicked.
    struck: Option<&'static str>,
}

impl Fault {
    /// Whether the task of that kind panics instead of this poll. `name` is also called for points
    /// within a poll.
    fn strikes(&mut self, name: &'static str) -> bool {
        if name.starts_with("effect") {
            return false;
        }
        let Some(polls) = &mut self.polls else { return false };
        *polls -= 1;
        if *polls > 0 {
            return false;
        }
        *self = Fault { polls: None, struck: Some(name) };
        PLANNED.set(true);
        true
    }
}

impl Tasks {
    pub fn new() -> Arc<Self> {
        Arc::new(Tasks { executor: Executor::new(), steps: AtomicUsize::new(0), fault: Arc::default() })
    }

    /// Runs tasks, in the order in which they were woken, for about that many steps; returns
    /// whether none is left that can go on.
    pub fn run(&self, steps: usize) -> bool {
        let fault = self.fault.clone();
        supervision::faults::set(move |name| fault.lock().strikes(name));
        let until = self.steps.load(Ordering::Relaxed) + steps;
        let mut idle = false;
        while !idle && self.steps.load(Ordering::Relaxed) < until {
            idle = !self.executor.try_tick();
        }
        supervision::faults::clear();
        idle
    }

    /// A task of the runtime will panic in place of its poll: the one whose turn it is after that
    /// many polls, at least one.
    pub fn plan_panic(&self, polls: usize) {
        self.fault.lock().polls = Some(polls.max(1));
    }

    /// No task will panic any more.
    pub fn cancel_panic(&self) {
        self.fault.lock().polls = None;
    }

    /// The kind of task that has panicked as planned since the last call.
    pub fn take_struck(&self) -> Option<&'static str> {
        self.fault.lock().struck.take()
    }

    /// For the configuration of the node. It holds the tasks weakly: they hold the spawner.
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
