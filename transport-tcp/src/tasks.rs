//! The background tasks of the transport, and the consequences of losing one.
//!
//! A task is lost when it panics, or when its executor drops it before its work is done. Each loss
//! is logged and counted (`tasks_failed`), and what the task owed is settled:
//!
//! | task | owes | when it is lost |
//! |---|---|---|
//! | listener | accepting inbound connections | it restarts after a second; without an executor the port is closed |
//! | admission | a session, or a refusal, for one inbound connection | the connection is closed; its peer dials again |
//! | dialer | a result for every dial | open dials fail with `Internal`; the next demand starts another dialer |
//! | connection | heartbeats, writes, the end of the session | the session ends with `Internal` |
//! | discovery | an up-to-date list of peers | it restarts after a second; the last valid list stays in use |
//!
//! If a task is dropped, the executor is gone. No task can start without one, so the transport
//! shuts down, too.

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

use crate::{hub::Hub, log};

/// Time until a task that must continue restarts after a panic.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// A kind of task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    name: &'static str,
    /// Consequence of its loss, for the log.
    consequence: &'static str,
}

pub(crate) const LISTENER: Task =
    Task { name: "listener", consequence: "no connections are accepted until it restarts" };
pub(crate) const ADMISSION: Task =
    Task { name: "admission", consequence: "the inbound connection was closed" };
pub(crate) const DIALER: Task = Task { name: "dialer", consequence: "open dials to that peer have failed" };
pub(crate) const CONNECTION: Task = Task { name: "connection", consequence: "its session has ended" };
pub(crate) const DISCOVERY: Task =
    Task { name: "discovery", consequence: "the last valid list of peers stays in use until it restarts" };

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
        hub: &Arc<Hub>,
        task: Task,
        work: impl Future<Output = ()> + Send + 'static,
        pay: impl FnOnce(&Arc<Hub>) + Send + 'static,
    ) {
        let hub = Arc::downgrade(hub);
        let supervised = supervise(task.name, work, move |loss| {
            report(&hub, task, &loss);
            if let Some(hub) = hub.upgrade() {
                pay(&hub);
            }
        });
        // A spawner that panics has dropped the task, which has settled what it owed.
        let _ = unwind::catch(|| (self.spawner)(Box::pin(supervised)));
    }

    /// Starts a task that restarts after a panic, until the handle of `ended` ends it.
    pub(crate) fn spawn_restarting<F: Future<Output = ()> + Send + 'static>(
        &self,
        hub: &Arc<Hub>,
        task: Task,
        ended: AbortRegistration,
        work: impl Fn() -> F + Send + 'static,
    ) {
        let told = Arc::downgrade(hub);
        let pause = || Timer::after(RESTART_AFTER);
        let on_loss = move |loss| report(&told, task, &loss);
        let going_on = async move { restarting(task.name, work, pause, on_loss).await };
        // `restarting` catches the panics; this supervision handles the loss of the executor.
        self.spawn(
            hub,
            Task { name: "restarting", ..task },
            Abortable::new(going_on, ended).map(drop),
            |_| {},
        );
    }
}

/// Logs and counts a loss. After the transport was shut down, its executor may drop tasks; that is
/// no failure.
fn report(hub: &Weak<Hub>, task: Task, loss: &Loss) {
    let Some(hub) = hub.upgrade() else { return };
    if matches!(loss, Loss::Dropped) && hub.is_shut_down() {
        return;
    }
    hub.counters.tasks_failed.add();
    log::task_failed(task.name, loss, task.consequence);
    if matches!(loss, Loss::Dropped) {
        hub.shut_down(EndKind::Internal);
    }
}
