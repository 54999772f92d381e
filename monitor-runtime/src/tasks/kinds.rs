//! The kinds of background tasks of a node, and the consequences of losing one.
//!
//! A task is lost when it panics, or when its executor drops it before its work is done. Each loss
//! is logged and counted (`tasks_failed`), and a settle function does the remaining work of the
//! task; ARCHITECTURE.md has the table.

use std::{future::Future, sync::Arc};

use supervision::{
    Loss,
    task::{self, TaskKind, TaskOwner},
};

use crate::{engine::state::Inner, records::log};

pub(crate) const EVENTS: TaskKind =
    TaskKind { name: "events", consequence: "no further session starts; restart this node" };
pub(crate) const BACKLOG: TaskKind =
    TaskKind { name: "backlog", consequence: "each input now works off its own additions to the backlog" };
pub(crate) const SESSION: TaskKind = TaskKind { name: "session", consequence: "its session has ended" };
pub(crate) const FLUSHER: TaskKind = TaskKind { name: "flusher", consequence: "its session has ended" };
pub(crate) const STOP: TaskKind =
    TaskKind { name: "stop", consequence: "the stop ended without waiting for sessions and processes" };
#[cfg(all(feature = "control", unix))]
pub(crate) const CLIENTS: TaskKind =
    TaskKind { name: "clients", consequence: "its socket is closed until the program opens it again" };
#[cfg(all(feature = "control", unix))]
pub(crate) const CLIENT: TaskKind = TaskKind { name: "client", consequence: "its connection was closed" };
#[cfg(feature = "metrics")]
pub(crate) const RECORDING: TaskKind =
    TaskKind { name: "recording", consequence: "metrics are not recorded any more" };

impl Inner {
    /// Starts a task of the engine. If the task is lost, `settle` does its remaining work.
    pub(crate) fn run_task(
        self: &Arc<Self>,
        kind: TaskKind,
        work: impl Future<Output = ()> + Send + 'static,
        settle: impl FnOnce(&Arc<Inner>) + Send + 'static,
    ) {
        task::start(self, &*self.engine, kind, work, settle);
    }
}

impl TaskOwner for Inner {
    fn has_ended(&self) -> bool {
        !self.is_alive()
    }

    fn task_failed(&self, kind: TaskKind, loss: &Loss) {
        self.counters.tasks_failed.add_one();
        log::task_failed(&self.id, kind, loss);
    }

    fn executor_lost(this: &Arc<Self>) {
        this.stop_at_once();
    }
}

/// The settle function of a task whose values do the remaining work on drop.
pub(crate) fn settled_on_drop(_: &Arc<Inner>) {}
