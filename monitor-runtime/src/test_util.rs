//! To test your own failover with: a cluster in memory, on a clock that the test turns.
//!
//! A [`Cluster`] is made of real [`Node`]s: the same core, the same calls, the same notices as over
//! TCP. What is not real is the [network](Network) between them, which has a verb for every fault,
//! and the time by which it judges silence. All tasks of all nodes run where the test
//! [tells](Cluster::settle) them to, on its own thread. So nothing is slept for, a minute of
//! silence takes no time, and a failure comes again when the test is run again.
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
//! assert!(cluster.now_or_never(&mut monitor).is_none(), "nobody has noticed yet");
//! cluster.advance(Duration::from_millis(1));        // … and after five seconds of silence that is noticed
//! let down = cluster.now_or_never(&mut monitor).expect("the session has ended");
//! assert!(matches!(down.reason, DownReason::NoConnection(_)), "which says nothing of the worker");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/failover_test.rs` tests a small application with it.
//!
//! # Time and chance
//!
//! The nodes of a cluster read no clock but [`Network::now`], and take no random numbers but those
//! of a fixed sequence. The same calls give the same run, event by event, in a debug and in a
//! release build. The timeouts of [`Process::call`](crate::Process::call) and [`Node::stop`] pass
//! when the test [advances](Cluster::advance) the clock.
//!
//! Timers that your own tasks make are not virtual. Use [`Network::sleep_until`] in their place.
//!
//! A node on an executor and a network of your own is simulated in the same way by
//! [`Config::simulated`].

mod simulation;

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

/// Runs the processes *and the node itself* by that spawner, for tests that decide when each task
/// runs.
///
/// A node that others rely on runs on its own thread: see [`Config::spawner`].
#[must_use]
pub fn run_all_on(config: Config, spawner: Spawner) -> Config {
    Config { engine: Some(spawner), ..config }
}

/// Nodes in memory, all of whose tasks run on the thread of the test.
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

    /// The network, to do harm to. After that [`settle`](Self::settle), and what follows from it at
    /// once has happened.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Starts a node of that name.
    ///
    /// # Errors
    /// [`StartError`], also if the name is none.
    pub fn start(&self, name: &str) -> Result<Node, Box<dyn std::error::Error>> {
        let name: NodeName = name.parse()?;
        Ok(self.start_with(Config::new(name.clone()), Join::new(name))?)
    }

    /// Starts a node with a configuration of its own. What concerns TCP has no effect here; the
    /// [`Join`] says how the node looks to others, and bears the same name.
    ///
    /// # Errors
    /// As [`Node::with_service`].
    pub fn start_with(&self, config: Config, join: Join) -> Result<Node, StartError> {
        // Weakly: tasks hold the spawner, and the executor holds the tasks.
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

    /// Runs all tasks of all nodes until none of them can go on: everything that can happen at this
    /// time has happened, on every channel.
    ///
    /// Does not return while a task is always ready.
    pub fn settle(&self) {
        while self.executor.try_tick() {}
    }

    /// Lets that much time pass on the network. Everything that falls into it happens at its own
    /// time, and the cluster settles each time before the next thing happens.
    pub fn advance(&self, time: Duration) {
        self.settle();
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

    /// What the future gives once all is settled; none if it still waits.
    pub fn now_or_never<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        // It may have to be polled to begin at all.
        if let Some(output) = future::block_on(future::poll_once(&mut future)) {
            return Some(output);
        }
        self.settle();
        future::block_on(future::poll_once(future))
    }
}
