//! Connects to several addresses of one host as in RFC 8305: starts one attempt after the other,
//! each after a short wait for those before it. The first connection wins.

use std::{
    future::pending,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use smol::{Timer, future::or};

use crate::{net::addresses::Addresses, net::error::ConnectError};

/// The attempts in progress. `T` is a connection.
pub(crate) struct Race<'a, T> {
    deadline: Instant,
    /// Maximum time for which an attempt runs alone.
    head_start: Duration,
    attempts: FuturesUnordered<BoxFuture<'a, (SocketAddr, Result<T, ConnectError>)>>,
    /// Their addresses, in the order in which the attempts were started.
    begun: Vec<SocketAddr>,
    /// Earliest start of the next attempt.
    next_at: Instant,
}

/// An event of the race.
pub(crate) enum Step<T> {
    /// The next attempt is due, to that address.
    Begin(SocketAddr),
    Connected(SocketAddr, T),
    Failed(SocketAddr, ConnectError),
    /// All attempts have failed and no address is left.
    Exhausted,
    /// The deadline has passed.
    Late,
}

impl<'a, T> Race<'a, T> {
    pub(crate) fn new(deadline: Instant, head_start: Duration) -> Self {
        Race {
            deadline,
            head_start,
            attempts: FuturesUnordered::new(),
            begun: Vec::new(),
            next_at: Instant::now(),
        }
    }

    /// Starts an attempt.
    pub(crate) fn begin(
        &mut self,
        address: SocketAddr,
        addresses: &Addresses,
        attempt: impl Future<Output = Result<T, ConnectError>> + Send + 'a,
    ) {
        self.begun.push(address);
        self.attempts.push(attempt.map(move |result| (address, result)).boxed());
        self.next_at = next_begin(Instant::now(), self.deadline, self.head_start, addresses.left());
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn step(&mut self, addresses: &mut Addresses) -> Step<T> {
        let (deadline, next_at, is_empty) = (self.deadline, self.next_at, self.attempts.is_empty());
        let late = async {
            Timer::at(deadline).await;
            Step::Late
        };
        let attempts = &mut self.attempts;
        let done = async {
            match attempts.next().await {
                Some((address, Ok(connection))) => Step::Connected(address, connection),
                Some((address, Err(failure))) => Step::Failed(address, failure),
                None => pending().await,
            }
        };
        let next = async {
            if !is_empty {
                Timer::at(next_at).await;
            }
            match addresses.next().await {
                Some(address) => Step::Begin(address),
                None if is_empty => Step::Exhausted,
                None => pending().await,
            }
        };
        let step = or(late, or(done, next)).await;
        if let Step::Connected(address, _) | Step::Failed(address, _) = step {
            self.begun.retain(|begun| *begun != address);
        }
        if let Step::Failed(..) = step {
            // The next attempt starts at once instead of after the head start of this one.
            self.next_at = Instant::now();
        }
        step
    }

    /// Drops the running attempts, and returns their addresses.
    pub(crate) fn give_up(self) -> Vec<SocketAddr> {
        self.begun
    }
}

/// Returns the start of the next attempt after one that starts at `now`. `left` is the number of
/// addresses that have not been tried yet.
///
/// With this share each attempt starts before the deadline, and the last one has as much time as
/// the others.
fn next_begin(now: Instant, deadline: Instant, head_start: Duration, left: usize) -> Instant {
    let share = deadline.saturating_duration_since(now) / (left as u32 + 1);
    now + head_start.min(share)
}

#[cfg(test)]
mod tests {
    use std::{future::ready, io};

    use smol::block_on;

    use super::*;
    use crate::net::lookup::Lookups;

    fn addresses(known: &[&str]) -> Addresses {
        let lookups = Lookups::new(1, |_| Err(io::ErrorKind::NotFound.into()));
        let known: Vec<_> = known.iter().map(|address| address.parse().unwrap()).collect();
        Addresses::of(lookups, &"b@h".parse().unwrap(), &known)
    }

    /// Races attempts that fail, succeed or never end; the port of the address says which.
    struct Runner {
        race: Race<'static, ()>,
        addresses: Addresses,
    }

    const HEAD_START: Duration = Duration::from_millis(250);
    const FAILS: u16 = 1;
    const CONNECTS: u16 = 2;

    impl Runner {
        fn new(known: &[&str]) -> Self {
            let deadline = Instant::now() + Duration::from_secs(1);
            Runner { race: Race::new(deadline, HEAD_START), addresses: addresses(known) }
        }

        /// The name of the next event, and its address.
        fn step(&mut self) -> (&'static str, String) {
            match block_on(self.race.step(&mut self.addresses)) {
                Step::Begin(address) => {
                    let attempt = async move {
                        match address.port() {
                            FAILS => ready(Err(ConnectError::Closed)).await,
                            CONNECTS => ready(Ok(())).await,
                            _ => pending().await,
                        }
                    };
                    self.race.begin(address, &self.addresses, attempt);
                    ("begin", address.ip().to_string())
                }
                Step::Connected(address, ()) => ("connected", address.ip().to_string()),
                Step::Failed(address, _) => ("failed", address.ip().to_string()),
                Step::Exhausted => ("exhausted", String::new()),
                Step::Late => ("late", String::new()),
            }
        }

        fn expect(&mut self, steps: &[(&str, &str)]) {
            for (event, address) in steps {
                assert_eq!(self.step(), (*event, (*address).to_owned()));
            }
        }
    }

    #[test]
    fn an_address_that_never_answers_holds_up_no_other() {
        let mut race = Runner::new(&["10.0.0.1:9", "10.0.0.2:9", "10.0.0.3:2", "10.0.0.4:2"]);
        race.expect(&[
            ("begin", "10.0.0.1"),
            ("begin", "10.0.0.2"),
            ("begin", "10.0.0.3"),
            ("connected", "10.0.0.3"),
        ]);
        let begun = race.race.give_up();
        assert_eq!(begun, ["10.0.0.1:9", "10.0.0.2:9"].map(|address| address.parse().unwrap()));
        race.addresses.put_back(begun.into_iter());
        race.race = Race::new(Instant::now() + Duration::from_secs(1), HEAD_START);
        race.expect(&[("begin", "10.0.0.1"), ("begin", "10.0.0.2"), ("begin", "10.0.0.4")]);
    }

    #[test]
    fn the_next_attempt_does_not_wait_for_one_that_has_failed() {
        let mut race = Runner::new(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            race.expect(&[("begin", address), ("failed", address)]);
        }
        race.expect(&[("exhausted", "")]);
    }

    #[test]
    fn all_are_begun_before_the_time_is_over() {
        let start = Instant::now();
        for (setup, last) in [(1600, 1500), (60_000, 15 * 250)] {
            let deadline = start + Duration::from_millis(setup);
            let mut now = start;
            for left in (1..16).rev() {
                now = next_begin(now, deadline, HEAD_START, left);
            }
            assert_eq!((now - start).as_millis(), last, "of {setup} ms");
        }
    }

    #[test]
    fn at_the_deadline_the_attempts_that_are_in_progress_are_given_up() {
        let mut race = Runner::new(&["10.0.0.1:9"]);
        race.expect(&[("begin", "10.0.0.1")]);
        race.race.deadline = Instant::now();
        race.expect(&[("late", "")]);
        assert_eq!(race.race.give_up().len(), 1);
    }
}
