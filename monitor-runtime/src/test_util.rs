//! A cluster in memory, with a clock that the test advances, for tests of your own failover.
//!
//! A [`Cluster`] consists of real [`Node`]s: the same core, the same calls, the same notices as
//! over TCP. Only the [network](Network) between them and its clock are simulated; the network has
//! a function for every fault. All tasks of all nodes run on the thread of the test, in its calls
//! of [`Cluster::settle`]. So no test sleeps, a minute of silence takes no time, and a failure is
//! reproducible.
//!
//! ```
//! use std::time::Duration;
//! use monitor_runtime::{prelude::*, test_util::Cluster};
//!
//! let cluster = Cluster::new();
//! let (a, b) = (cluster.start("a@test")?, cluster.start("b@test")?);
//! let worker = b.spawn(|mut mailbox| async move { while mailbox.recv().await.is_some() {} Ok(()) })?;
//! let mut monitor = a.monitor(&worker)?;
//!
//! cluster.network().cut(a.name(), b.name());        // nothing gets through any more …
//! cluster.advance(Duration::from_millis(4_999));
//! assert!(cluster.now_or_never(&mut monitor).is_none(), "the timeout has not passed");
//! cluster.advance(Duration::from_millis(1));        // … and five seconds of silence end the session
//! let down = cluster.now_or_never(&mut monitor).expect("the session has ended");
//! assert!(matches!(down.reason, DownReason::NoConnection(_)), "the worker may still run");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/failover_test.rs` tests a small application with it.
//!
//! # Time and chance
//!
//! The nodes of a cluster read only the clock [`Network::now`], and take their random numbers from
//! a fixed sequence. The same calls produce the same run, event by event, in a debug and in a
//! release build. The timeouts of [`Process::call`](crate::Process::call) and [`Node::stop`] pass
//! when the test [advances](Cluster::advance) the clock.
//!
//! Timers of your own tasks are not virtual: use [`Network::sleep_until`] instead. The timers of
//! tokio are an exception. With the feature `tokio`, `Cluster::advance_tokio` also advances tokio's
//! paused clock; `examples/tokio_failover_test.rs` tests an application on tokio with it.
//!
//! [`Config::simulated`] does the same for a node on an executor and a network of your own.

mod simulation;
#[cfg(feature = "tokio")]
mod tokio_clock;

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use refs::NodeName;
use smol::{Executor, future};

pub use self::simulation::Clock;
pub use peer_service::memory::{Join, MemoryService, Network, Settings, Sleep};

use crate::{Config, Node, Spawner, StartError};

/// Runs the processes *and the node itself* on that spawner, for tests that control when each task
/// runs.
///
/// Never use it outside of tests: a node in production runs on its own thread. See
/// [`Config::runtime`].
#[must_use]
pub fn run_all_on(config: Config, spawner: Spawner) -> Config {
    Config { engine: Some(spawner), ..config }
}

/// Nodes in memory that run all their tasks on the thread of the test.
///
/// See the [module](self).
pub struct Cluster {
    network: Network,
    executor: Arc<Executor<'static>>,
    /// The number of nodes that were ever started, which seeds the random numbers of the next one.
    started: AtomicU64,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cluster in memory")
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster::new()
    }
}

impl Cluster {
    /// A cluster without nodes, on a network with the default [`Settings`].
    pub fn new() -> Self {
        Cluster::on(Network::new())
    }

    /// A cluster without nodes, on that network.
    pub fn on(network: Network) -> Self {
        Cluster { network, executor: Arc::default(), started: AtomicU64::new(0) }
    }

    /// The network, for injecting faults. After a fault call [`settle`](Self::settle), so that its
    /// immediate effects happen.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Starts a node of that name.
    ///
    /// # Errors
    /// [`StartError`], or a [`ParseError`](crate::ParseError) if the name is invalid.
    pub fn start(&self, name: &str) -> Result<Node, Box<dyn std::error::Error>> {
        let name: NodeName = name.parse()?;
        Ok(self.start_with(Config::new(name.clone()), Join::new(name))?)
    }

    /// Starts a node with a configuration of its own. Settings of TCP have no effect here. The
    /// [`Join`] describes how the node appears to other nodes, and must have the same name.
    ///
    /// # Errors
    /// As [`Node::with_service`].
    pub fn start_with(&self, config: Config, join: Join) -> Result<Node, StartError> {
        // The reference is weak because tasks hold the spawner, and the executor holds the tasks.
        let executor = Arc::downgrade(&self.executor);
        let spawner: Spawner = Arc::new(move |task| {
            if let Some(executor) = executor.upgrade() {
                executor.spawn(task).detach();
            }
        });
        let seed = self.started.fetch_add(1, Ordering::Relaxed);
        let config = run_all_on(config, spawner).simulated(Arc::new(self.network.clone()), seed);
        let node = Node::with_service(config, self.network.join_with(join))?;
        self.settle();
        Ok(node)
    }

    /// Runs all tasks of all nodes until none can make progress: everything that can happen at this
    /// time has happened then, on every channel.
    ///
    /// Does not return while a task is always ready.
    pub fn settle(&self) {
        while self.executor.try_tick() {}
    }

    /// Advances the clock of the network by that time. Each event within it happens at its own
    /// time, and the cluster settles before the next event.
    pub fn advance(&self, time: Duration) {
        self.settle();
        self.pass(time);
    }

    /// Advances the clock without running the tasks that are ready before.
    fn pass(&self, time: Duration) {
        let end = self.network.now().saturating_add(time);
        while let Some(next) = self.network.next_event().filter(|next| *next <= end) {
            self.advance_to(next);
        }
        self.advance_to(end);
    }

    fn advance_to(&self, at: Duration) {
        self.network.advance(at.saturating_sub(self.network.now()));
        self.settle();
    }

    /// Settles the cluster and returns the output of the future; `None` if it is still pending.
    pub fn now_or_never<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        // The first poll may start the work of the future.
        if let Some(output) = future::block_on(future::poll_once(&mut future)) {
            return Some(output);
        }
        self.settle();
        future::block_on(future::poll_once(future))
    }
}
