//! The executor of a node that was given none: one thread of its own.

use std::{
    sync::{Arc, Weak},
    thread,
};

use futures::channel::oneshot;
use peer_service::Spawner;
use smol::Executor;

use crate::error::StartError;

/// Starts the thread, which also waits for sockets and timers. It ends when the sender is dropped, and with
/// it every task that it runs.
pub(crate) fn start() -> Result<(Spawner, oneshot::Sender<()>), StartError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let executor = Arc::new(Executor::new());
    // Weakly: tasks hold the spawner, and the executor holds the tasks.
    let weak: Weak<Executor<'static>> = Arc::downgrade(&executor);
    let run = move || {
        // Nothing is ever sent: the sender's end is the signal.
        let _ = smol::block_on(executor.run(stopped));
    };
    thread::Builder::new().name("obit".to_owned()).spawn(run).map_err(StartError::Thread)?;
    let spawner: Spawner = Arc::new(move |task| {
        if let Some(executor) = weak.upgrade() {
            executor.spawn(task).detach();
        }
    });
    Ok((spawner, stop))
}
