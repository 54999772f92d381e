//! The executor of a node that was given none: one thread of its own.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use futures::{channel::oneshot, future};
use peer_service::Spawner;
use smol::{Executor, future::yield_now};

use crate::error::StartError;

/// For how long a thread of low latency looks for something to do before it sleeps: as long as a question and its answer
/// take with two wakes in between.
const SPIN: Duration = Duration::from_micros(100);

/// How many tasks it runs before it looks whether something has arrived.
const TURN: usize = 32;

/// Starts the thread, which also waits for sockets and timers. It ends when the sender is dropped, and with
/// it every task that it runs.
pub(crate) fn start(low_latency: bool) -> Result<(Spawner, oneshot::Sender<()>), StartError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let executor = Arc::new(Executor::new());
    // Weakly: tasks hold the spawner, and the executor holds the tasks.
    let weak: Weak<Executor<'static>> = Arc::downgrade(&executor);
    let run = move || {
        // Nothing is ever sent: the sender's end is the signal.
        let _ = if low_latency {
            smol::block_on(future::select(stopped, pin!(spin(&executor)))).factor_first().0
        } else {
            smol::block_on(executor.run(stopped))
        };
    };
    thread::Builder::new().name("obit".to_owned()).spawn(run).map_err(StartError::Thread)?;
    let spawner: Spawner = Arc::new(move |task| {
        if let Some(executor) = weak.upgrade() {
            executor.spawn(task).detach();
        }
    });
    Ok((spawner, stop))
}

/// Runs tasks, and after the last of them looks for another for [`SPIN`] before it sleeps.
async fn spin<T>(executor: &Executor<'_>) -> T {
    loop {
        let mut ran = Instant::now();
        while ran.elapsed() < SPIN {
            if (0..TURN).filter(|_| executor.try_tick()).count() > 0 {
                ran = Instant::now();
            }
            // Whoever wants the processor goes first; then what has arrived wakes its task.
            thread::yield_now();
            yield_now().await;
        }
        executor.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;

    #[test]
    fn tasks_run_wait_for_timers_and_end_with_the_thread() {
        for low_latency in [false, true] {
            let (spawner, stop) = start(low_latency).expect("a thread");
            let (said, heard) = channel();
            spawner(Box::pin(async move {
                // Longer than it spins.
                smol::Timer::after(10 * SPIN).await;
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
}
