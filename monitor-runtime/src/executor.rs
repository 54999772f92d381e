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

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{RecvTimeoutError, channel},
        time::Duration,
    };

    use super::*;

    #[test]
    fn tasks_run_wait_for_timers_and_end_with_the_thread() {
        let (spawner, stop) = start().expect("a thread");
        let (said, heard) = channel();
        spawner(Box::pin(async move {
            smol::Timer::after(Duration::from_millis(1)).await;
            said.send("awake").expect("somebody hears it");
            std::future::pending::<()>().await;
            drop(said);
        }));
        let patience = Duration::from_secs(60);
        assert_eq!(heard.recv_timeout(patience), Ok("awake"));
        drop(stop);
        assert_eq!(heard.recv_timeout(patience), Err(RecvTimeoutError::Disconnected));
    }
}
