//! A node whose time and random numbers come from a test.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use peer_service::memory::Network;

use crate::{
    Config,
    threads::environment::{Environment, Simulation},
};

/// The clock of a simulated node. It stands still while the node's tasks run; the test advances it.
pub trait Clock: Send + Sync + 'static {
    /// The time since the clock was started. Never decreases.
    fn now(&self) -> Duration;

    /// Completes once [`now`](Self::now) has reached `at`.
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl Clock for Network {
    fn now(&self) -> Duration {
        Network::now(self)
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Network::sleep_until(self, at))
    }
}

impl Config {
    /// Takes all time from that clock, and all random numbers from a sequence that the seed
    /// determines. The behavior of the node is then a function of its inputs and of the order in
    /// which the spawner of [`run_all_on`](crate::test_util::run_all_on) runs its tasks.
    ///
    /// A [`Cluster`](crate::test_util::Cluster) does this for each of its nodes. Never use it
    /// outside of tests: peers can predict the random numbers.
    #[must_use]
    pub fn simulated(mut self, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let simulated = Simulated { start: Instant::now(), clock, random: AtomicU64::new(seed) };
        self.environment = Environment::simulated(Arc::new(simulated));
        self
    }
}

struct Simulated {
    /// The start of `clock`. Only differences between instants count, so the system's time has no
    /// effect.
    start: Instant,
    clock: Arc<dyn Clock>,
    random: AtomicU64,
}

/// The maximum time of a clock, so that instants do not overflow: 136 years.
const LAST: Duration = Duration::from_secs(1 << 32);

impl Simulation for Simulated {
    fn now(&self) -> Instant {
        self.start + self.time()
    }

    fn time(&self) -> Duration {
        self.clock.now().min(LAST)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep_until(at.saturating_duration_since(self.start))
    }

    /// SplitMix64.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
