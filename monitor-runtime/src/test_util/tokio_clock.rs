//! Advancing the paused clock of tokio together with the clock of the network.

use std::{thread, time::Duration};

use tokio::{
    runtime::Handle,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::Cluster;

/// The resolution of tokio's timers.
const TICK: Duration = Duration::from_millis(1);

impl Cluster {
    /// Runs all tasks of all nodes and of the surrounding runtime of tokio until none can make
    /// progress. Neither clock advances. For applications on tokio, in place of
    /// [`settle`](Self::settle).
    ///
    /// Does not return while a task is always ready.
    ///
    /// # Panics
    /// Outside of the context of a runtime of tokio.
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn settle_tokio(&self) {
        loop {
            self.settle();
            tokio_is_idle().await;
            // The tasks of tokio may have made tasks of the nodes ready.
            if !self.executor.try_tick() {
                return;
            }
        }
    }

    /// Advances the clock of the network and the paused clock of tokio by that time, rounded up to
    /// whole milliseconds. For applications on tokio, in place of [`advance`](Self::advance).
    ///
    /// Both clocks advance in steps of one millisecond, the resolution of tokio's timers, and only
    /// once no task of the nodes and of tokio can make progress. So every timer of the application,
    /// and every event of the network, takes effect at its own time, before any later one. When it
    /// returns, all effects at the new time have happened.
    ///
    /// Call it in the body of a test with `#[tokio::test(start_paused = true)]`. Await no future
    /// there that depends on a node, because only this function and
    /// [`settle_tokio`](Self::settle_tokio) run the nodes; use
    /// [`now_or_never`](Self::now_or_never). While a test awaits another future, tokio may advance
    /// its own clock, and the clock of the network stands still.
    ///
    /// Bodies of [`Node::spawn`](crate::Node::spawn) may use tokio's timers, with or without
    /// [`Config::tokio`](crate::Config::tokio).
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor_runtime::{prelude::*, test_util::Cluster};
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     tokio::time::pause(); // as `#[tokio::test(start_paused = true)]` does
    ///     let cluster = Cluster::new();
    ///     let (a, b) = (cluster.start("a@test")?, cluster.start("b@test")?);
    ///     let worker = b.spawn(|_| async {
    ///         tokio::time::sleep(Duration::from_secs(30)).await;
    ///         Ok(())
    ///     })?;
    ///     let mut monitor = a.monitor(&worker)?;
    ///
    ///     cluster.advance_tokio(Duration::from_secs(29)).await;
    ///     assert!(cluster.now_or_never(&mut monitor).is_none());
    ///     cluster.advance_tokio(Duration::from_secs(2)).await;
    ///     assert!(cluster.now_or_never(&mut monitor).is_some());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// Outside of the context of a runtime of tokio, and in one without timers.
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn advance_tokio(&self, time: Duration) {
        self.settle_tokio().await;
        let mut now = Instant::now();
        let end = now + time;
        while now < end {
            // Tokio advances its paused clock only when it is idle, and then to its next timer.
            // This timer keeps a step short, so that the clock of the network follows in time.
            self.executor.run(sleep_until((now + TICK).min(end))).await;
            let passed = now.elapsed();
            now += passed;
            self.pass(passed);
        }
        self.settle_tokio().await;
    }
}

/// Returns once the runtime has parked its thread, which it does when no task is ready.
///
/// The clock does not advance meanwhile: while a blocking task runs, tokio inhibits that. So the
/// runtime parks its thread until this blocking task, which has seen it park, returns.
async fn tokio_is_idle() {
    let runtime = Handle::current().metrics();
    let parks = move || {
        // Odd while the thread is parked.
        while runtime.worker_park_unpark_count(0).is_multiple_of(2) {
            thread::yield_now();
        }
    };
    // It cannot fail: nothing aborts it, and it does not panic.
    let _ = spawn_blocking(parks).await;
}
