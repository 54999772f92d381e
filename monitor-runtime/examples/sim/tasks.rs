//! The tasks of a node: counted step by step, and watched for panics.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use peer_service::Spawner;
use smol::Executor;

/// The tasks of one incarnation of a node.
pub struct Tasks {
    executor: Executor<'static>,
    steps: AtomicUsize,
    panicked: AtomicBool,
}

impl Tasks {
    pub fn new() -> Arc<Self> {
        Arc::new(Tasks {
            executor: Executor::new(),
            steps: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        })
    }

    /// Runs tasks, in the order in which they were woken, for about that many steps; returns whether none is left that can go on.
    pub fn run(&self, steps: usize) -> bool {
        let until = self.steps.load(Ordering::Relaxed) + steps;
        while self.steps.load(Ordering::Relaxed) < until {
            if !self.executor.try_tick() {
                return true;
            }
        }
        false
    }

    /// Whether a task has panicked. The executor drops such a task and goes on.
    pub fn have_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    /// For the configuration of the node. It holds the tasks weakly: they hold the spawner.
    pub fn spawner(self: &Arc<Self>) -> Spawner {
        let tasks = Arc::downgrade(self);
        Arc::new(move |mut task| {
            let Some(all) = tasks.upgrade() else { return };
            let tasks = tasks.clone();
            let step = poll_fn(move |cx| {
                let _step = tasks.upgrade().map(Step);
                task.as_mut().poll(cx)
            });
            all.executor.spawn(step).detach();
        })
    }
}

/// One step of a task, which its drop ends.
struct Step(Arc<Tasks>);

impl Drop for Step {
    fn drop(&mut self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
        if thread::panicking() {
            self.0.panicked.store(true, Ordering::Relaxed);
        }
    }
}
