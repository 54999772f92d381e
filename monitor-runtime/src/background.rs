//! The background tasks of a node, and what is done when one of them is lost.
//!
//! A task is lost when it panics, or when its executor drops it before its work is done. Each loss is logged and counted
//! (`tasks_failed`), and whatever the task owed is paid; ARCHITECTURE.md has the table.

use std::{future::Future, sync::Arc};

use supervision::{Loss, supervise, unwind};

use crate::{log, state::Inner, stop};

/// A kind of task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    name: &'static str,
    /// Consequence of its loss, for the log.
    consequence: &'static str,
}

pub(crate) const EVENTS: Task =
    Task { name: "events", consequence: "no session begins any more; restart this node" };
pub(crate) const BACKLOG: Task =
    Task { name: "backlog", consequence: "each input that adds to the backlog now works it off itself" };
pub(crate) const SESSION: Task = Task { name: "session", consequence: "its session has ended" };
pub(crate) const FLUSHER: Task = Task { name: "flusher", consequence: "its session has ended" };
pub(crate) const STOP: Task = Task { name: "stop", consequence: "the stop was ended at once" };
#[cfg(all(feature = "control", unix))]
pub(crate) const CLIENTS: Task =
    Task { name: "clients", consequence: "its socket is closed until the program opens it again" };
#[cfg(all(feature = "control", unix))]
pub(crate) const CLIENT: Task = Task { name: "client", consequence: "its connection was closed" };
#[cfg(feature = "metrics")]
pub(crate) const RECORDING: Task =
    Task { name: "recording", consequence: "metrics are not recorded any more" };

impl Inner {
    /// Starts a task of the engine. If it is lost, `pay` settles what it owed.
    pub(crate) fn run_task(
        self: &Arc<Self>,
        task: Task,
        work: impl Future<Output = ()> + Send + 'static,
        pay: impl FnOnce(&Arc<Inner>) + Send + 'static,
    ) {
        let node = Arc::downgrade(self);
        let supervised = supervise(task.name, work, move |loss| {
            if let Some(node) = node.upgrade() {
                report(&node, task, &loss);
                pay(&node);
            }
        });
        // A spawner that panics has dropped the task, which has settled what it owed.
        let _ = unwind::catch(|| (self.engine)(Box::pin(supervised)));
    }
}

/// Logs and counts a loss. A dropped task is no further failure if the node is stopping or has
/// failed. Otherwise the executor is gone and the node is stopped at once: it cannot start a task without one.
fn report(node: &Arc<Inner>, task: Task, loss: &Loss) {
    if matches!(loss, Loss::Dropped) && !node.is_alive() {
        return;
    }
    node.counters.tasks_failed.add_one();
    log::task_failed(&node.id, task.name, loss, task.consequence);
    if matches!(loss, Loss::Dropped) {
        stop::at_once(node);
    }
}

/// Pays nothing: the destructors of the values that the task held have settled what it owed.
pub(crate) fn nothing(_: &Arc<Inner>) {}
