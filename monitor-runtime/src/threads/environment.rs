//! The one source of time and random numbers of a node: the system, or a simulation that can be
//! repeated.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use smol::Timer;

use crate::platform;

/// Replaces the system's clock and random numbers, so that a run is a function of its inputs.
pub(crate) trait Simulation: Send + Sync {
    fn now(&self) -> Instant;

    /// The time since the clock was started.
    fn time(&self) -> Duration;

    /// Completes once `now` has reached `at`.
    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    fn random(&self) -> u64;
}

/// The clock and the random numbers of a node. `None` means the system's.
#[derive(Clone, Default)]
pub(crate) struct Environment(Option<Arc<dyn Simulation>>);

impl Environment {
    #[cfg(feature = "test-util")]
    pub(crate) fn simulated(simulation: Arc<dyn Simulation>) -> Self {
        Environment(Some(simulation))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.as_ref().map_or_else(Instant::now, |simulation| simulation.now())
    }

    /// Returns the time of a clock that is fast to read: some nanoseconds, a fifth of
    /// [`Environment::now`].
    pub(crate) fn coarse_now(&self) -> CoarseTime {
        self.0.as_ref().map_or_else(CoarseTime::of_system, |simulation| CoarseTime::new(simulation.time()))
    }

    /// Returns the instant after that duration, or `None` if it is beyond the range of the clock.
    pub(crate) fn after(&self, duration: Duration) -> Option<Instant> {
        self.now().checked_add(duration)
    }

    /// Completes at that instant; never completes if it is `None`.
    pub(crate) fn sleep_until(&self, at: Option<Instant>) -> Sleep {
        match (&self.0, at) {
            (Some(simulation), Some(at)) => Sleep::Simulated(simulation.sleep_until(at)),
            (_, at) => Sleep::System(at.map_or_else(Timer::never, Timer::at)),
        }
    }

    /// Waits for `duration` to save work; no caller may depend on that time having passed. A
    /// simulation only lets its other tasks run once and does not advance its clock, so work that
    /// can be done at an instant is done at that instant.
    pub(crate) async fn pause(&self, duration: Duration) {
        if self.0.is_some() {
            smol::future::yield_now().await;
        } else {
            Timer::after(duration).await;
        }
    }

    /// Returns a number that no peer can guess; in a simulation, the next one of its sequence.
    ///
    /// # Errors
    /// The system returned no random numbers.
    pub(crate) fn random(&self) -> Result<u64, getrandom::Error> {
        self.0.as_ref().map_or_else(getrandom::u64, |simulation| Ok(simulation.random()))
    }
}

/// A reading of [`Environment::coarse_now`]. It never decreases, and advances in steps: of 1 to
/// 10 ms on Linux, by the rate of the kernel's timer, and of 1 ms elsewhere. The clock of a
/// simulation has no steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoarseTime {
    nanos: u64,
}

impl CoarseTime {
    #[cfg(test)]
    pub(crate) const ZERO: Self = CoarseTime { nanos: 0 };

    pub(crate) fn new(time: Duration) -> Self {
        CoarseTime { nanos: time.as_nanos().try_into().unwrap_or(u64::MAX) }
    }

    /// The time from `earlier` to this; zero if `earlier` is later.
    pub(crate) const fn since(self, earlier: CoarseTime) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    fn of_system() -> Self {
        CoarseTime { nanos: platform::coarse_nanos() }
    }
}

/// The future of [`Environment::sleep_until`].
pub(crate) enum Sleep {
    System(Timer),
    Simulated(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep(..)")
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Sleep::System(timer) => Pin::new(timer).poll(cx).map(drop),
            Sleep::Simulated(sleep) => sleep.as_mut().poll(cx),
        }
    }
}
