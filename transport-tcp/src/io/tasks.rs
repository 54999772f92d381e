//! The background tasks of the transport, and what is done when one of them is lost.
//!
//! A task is lost when it panics, or when its executor drops it before its work is done. Each loss is logged and counted
//! (`tasks_failed`), and the debt of the task is paid:
//!
//! | task | owes | when it is lost |
//! |---|---|---|
//! | listener | inbound connections are accepted | it begins again after a second; without an executor the port is closed |
//! | admission | the inbound connection becomes a session or is refused | the connection is closed; its peer dials again |
//! | dialer | every dial is answered | open dials fail with `Internal`; the next demand starts another dialer |
//! | connection | heartbeats, writing, the end of the session | the session ends with `Internal` |
//! | discovery | the list of peers is kept up to date | it begins again after a second; the last good list holds |
//!
//! A task that is dropped means that the executor is gone. Nothing can be begun without one, so the transport shuts down, too.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{AbortRegistration, Abortable},
};
use peer_service::{EndKind, Spawner};
use smol::Timer;
use supervision::{Loss, restarting, supervise, unwind};

use crate::{io::endpoint::Endpoint, log};

/// Time until a task that must go on begins again after a panic.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// A kind of task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    name: &'static str,
    /// Consequence of its loss, for the log.
    consequence: &'static str,
}

pub(crate) const LISTENER: Task =
    Task { name: "listener", consequence: "no connections are accepted until it begins again" };
pub(crate) const ADMISSION: Task =
    Task { name: "admission", consequence: "the inbound connection was closed" };
pub(crate) const DIALER: Task = Task { name: "dialer", consequence: "open dials to that peer have failed" };
pub(crate) const CONNECTION: Task = Task { name: "connection", consequence: "its session has ended" };
pub(crate) const DISCOVERY: Task =
    Task { name: "discovery", consequence: "the last good list of peers holds until it begins again" };

/// Starts tasks, each under supervision.
pub(crate) struct Tasks {
    spawner: Spawner,
}

impl Tasks {
    pub(crate) fn new(spawner: Spawner) -> Self {
        Tasks { spawner }
    }

    /// Starts a task. If it is lost, `pay` settles what it owed.
    pub(crate) fn spawn(
        &self,
        endpoint: &Arc<Endpoint>,
        task: Task,
        work: impl Future<Output = ()> + Send + 'static,
        pay: impl FnOnce(&Arc<Endpoint>) + Send + 'static,
    ) {
        let endpoint = Arc::downgrade(endpoint);
        let supervised = supervise(task.name, work, move |loss| {
            report(&endpoint, task, &loss);
            if let Some(endpoint) = endpoint.upgrade() {
                pay(&endpoint);
            }
        });
        // A spawner that panics has dropped the task, which has settled what it owed.
        let _ = unwind::catch(|| (self.spawner)(Box::pin(supervised)));
    }

    /// Starts a task that begins again after a panic, until it is ended by the handle of `ended`.
    pub(crate) fn spawn_restarting<F: Future<Output = ()> + Send + 'static>(
        &self,
        endpoint: &Arc<Endpoint>,
        task: Task,
        ended: AbortRegistration,
        work: impl Fn() -> F + Send + 'static,
    ) {
        let told = Arc::downgrade(endpoint);
        let pause = || Timer::after(RESTART_AFTER);
        let on_loss = move |loss| report(&told, task, &loss);
        let going_on = async move { restarting(task.name, work, pause, on_loss).await };
        // `restarting` catches the panics; this supervision handles the loss of the executor.
        self.spawn(
            endpoint,
            Task { name: "restarting", ..task },
            Abortable::new(going_on, ended).map(drop),
            |_| {},
        );
    }
}

/// Logs and counts a loss. A transport that was shut down loses tasks with its executor: that is no failure.
fn report(endpoint: &Weak<Endpoint>, task: Task, loss: &Loss) {
    let Some(endpoint) = endpoint.upgrade() else { return };
    if matches!(loss, Loss::Dropped) && endpoint.is_shut_down() {
        return;
    }
    endpoint.counters.tasks_failed.add();
    log::task_failed(task.name, loss, task.consequence);
    if matches!(loss, Loss::Dropped) {
        endpoint.shut_down(EndKind::Internal);
    }
}
