//! The executor of a node that was given none: one thread of its own.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use futures::{channel::oneshot, future::select};
use peer_service::Spawner;
use smol::Executor;

use crate::error::StartError;

/// How long tasks run before the thread looks at its sockets and timers again, which takes about a microsecond.
const TURN: Duration = Duration::from_micros(20);

/// How many tasks run before it looks at the clock.
const TICKS: usize = 4;

/// Starts the thread, which also waits for sockets and timers. It ends when the sender is dropped, and with
/// it every task that it runs.
pub(crate) fn start() -> Result<(Spawner, oneshot::Sender<()>), StartError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let executor = Arc::new(Executor::new());
    // Weakly: tasks hold the spawner, and the executor holds the tasks.
    let weak: Weak<Executor<'static>> = Arc::downgrade(&executor);
    let run = move || {
        // Nothing is ever sent: the sender's end is the signal.
        let _ = smol::block_on(select(stopped, pin!(work(&executor))));
    };
    thread::Builder::new().name("obit".to_owned()).spawn(run).map_err(StartError::Thread)?;
    let spawner: Spawner = Arc::new(move |task| {
        if let Some(executor) = weak.upgrade() {
            executor.spawn(task).detach();
        }
    });
    Ok((spawner, stop))
}

/// Runs tasks as they come. [`Executor::run`] would run two hundred before it lets the thread look at its sockets and timers,
/// and of those that read a flood each may take long: what has arrived elsewhere would wait for all of them.
async fn work(executor: &Executor<'_>) {
    loop {
        executor.tick().await;
        let start = Instant::now();
        while (0..TICKS).all(|_| executor.try_tick()) {
            if start.elapsed() >= TURN {
                smol::future::yield_now().await;
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

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

    #[test]
    fn a_task_that_is_always_busy_does_not_keep_timers_waiting() {
        let (spawner, _stop) = start().expect("a thread");
        let (said, heard) = channel();
        spawner(Box::pin(async move {
            loop {
                smol::future::yield_now().await;
            }
        }));
        spawner(Box::pin(async move {
            smol::Timer::after(Duration::from_millis(1)).await;
            said.send(()).expect("somebody hears it");
        }));
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(()));
    }
}
