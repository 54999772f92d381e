//! The background tasks of the transport, and the consequences of losing one.
//!
//! A task is lost when it panics, or when its executor drops it before its work is done. Each loss
//! is logged and counted (`tasks_failed`), and has a consequence:
//!
//! | task | duty | when it is lost |
//! |---|---|---|
//! | listener | accepting inbound connections | it restarts after a second; without an executor the port is closed |
//! | admission | a session, or a refusal, for one inbound connection | the connection is closed; its peer dials again |
//! | dialer | a result for every dial | open dials fail with `Internal`; the next demand starts another dialer |
//! | connection | heartbeats, writes, the end of the session | the session ends with `Internal` |
//! | discovery | an up-to-date list of peers | it restarts after a second; the last valid list stays in use |
//!
//! If the executor drops a task, it has been shut down. No further task can start without it, so
//! the transport shuts down, too.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{AbortRegistration, Abortable},
};
use peer_service::Spawner;
use smol::Timer;
use supervision::{
    restarting,
    task::{self, TaskKind, TaskOwner},
};

/// Time until a task that must continue restarts after a panic.
const RESTART_AFTER: Duration = Duration::from_secs(1);

pub(crate) const LISTENER: TaskKind =
    TaskKind { name: "listener", consequence: "no connections are accepted until it restarts" };
pub(crate) const ADMISSION: TaskKind =
    TaskKind { name: "admission", consequence: "the inbound connection was closed" };
pub(crate) const DIALER: TaskKind =
    TaskKind { name: "dialer", consequence: "open dials to that peer have failed" };
pub(crate) const CONNECTION: TaskKind = TaskKind { name: "connection", consequence: "its session has ended" };
pub(crate) const DISCOVERY: TaskKind = TaskKind {
    name: "discovery",
    consequence: "the last valid list of peers stays in use until it restarts",
};

/// Starts tasks, each under supervision.
pub(crate) struct Tasks {
    spawner: Spawner,
}

impl Tasks {
    pub(crate) fn new(spawner: Spawner) -> Self {
        Tasks { spawner }
    }

    /// Starts a task. If the task is lost, `on_loss` is called.
    pub(crate) fn spawn<O: TaskOwner>(
        &self,
        owner: &Arc<O>,
        kind: TaskKind,
        work: impl Future<Output = ()> + Send + 'static,
        on_loss: impl FnOnce(&Arc<O>) + Send + 'static,
    ) {
        task::start(owner, &*self.spawner, kind, work, on_loss);
    }

    /// Starts a task that restarts after a panic, until the handle of `registration` aborts it.
    pub(crate) fn spawn_restarting<O: TaskOwner, F: Future<Output = ()> + Send + 'static>(
        &self,
        owner: &Arc<O>,
        kind: TaskKind,
        registration: AbortRegistration,
        work: impl Fn() -> F + Send + 'static,
    ) {
        let weak = Arc::downgrade(owner);
        let pause = || Timer::after(RESTART_AFTER);
        let on_loss = move |loss| {
            if let Some(owner) = weak.upgrade() {
                task::report(&owner, kind, &loss);
            }
        };
        let supervised = async move { restarting(kind.name, work, pause, on_loss).await };
        // `restarting` catches the panics; this supervision handles the loss of the executor.
        let kind = TaskKind { name: "restarting", ..kind };
        self.spawn(owner, kind, Abortable::new(supervised, registration).map(drop), |_| {});
    }
}
