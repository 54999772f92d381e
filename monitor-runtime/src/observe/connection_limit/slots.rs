//! Places for clients.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use smol::{
    Timer,
    lock::{Semaphore, SemaphoreGuardArc},
};

use super::Progress;

/// How long a client keeps its place without having asked while others wait: long enough for a
/// question that is on its way.
const GRACE: Duration = Duration::from_millis(250);

/// The places that are free, and the clients that have one and have not asked.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// In the order in which they came.
    silent: VecDeque<(Instant, Weak<Progress>)>,
}

impl Slots {
    /// So many places, and so many turns.
    pub(super) fn new(slots: usize, turns: usize) -> Self {
        let [free, turns] = [slots, turns].map(|count| Arc::new(Semaphore::new(count)));
        Slots { free, turns, silent: VecDeque::new() }
    }

    /// A place for one more client, and its progress. While there is none, those that have been
    /// silent for the longest are dismissed, one after the other.
    pub(super) async fn acquire(&mut self) -> (SemaphoreGuardArc, Arc<Progress>) {
        let slot = self.wait_for_slot().await;
        self.silent.retain(|(_, client)| is_silent(client));
        let progress = Arc::new(Progress::new(self.turns.clone()));
        self.silent.push_back((Instant::now(), Arc::downgrade(&progress)));
        (slot, progress)
    }

    async fn wait_for_slot(&mut self) -> SemaphoreGuardArc {
        loop {
            if let Some(slot) = self.free.try_acquire_arc() {
                return slot;
            }
            let pause = self.dismiss_oldest(Instant::now());
            let slot = async { Some(self.free.acquire_arc().await) };
            let later = async {
                Timer::after(pause).await;
                None
            };
            if let Some(slot) = smol::future::or(slot, later).await {
                return slot;
            }
        }
    }

    /// Dismisses the client that has been silent for the longest, if that is long enough. Returns
    /// how long to wait for its place, or until it has been.
    fn dismiss_oldest(&mut self, now: Instant) -> Duration {
        self.silent.retain(|(_, client)| is_silent(client));
        let Some((since, client)) = self.silent.front() else { return GRACE };
        let silent_for = now.saturating_duration_since(*since);
        if silent_for < GRACE {
            return GRACE - silent_for;
        }
        if let Some(client) = client.upgrade() {
            client.dismiss();
        }
        self.silent.pop_front();
        GRACE
    }
}

fn is_silent(client: &Weak<Progress>) -> bool {
    client.upgrade().is_some_and(|client| !client.has_asked())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_newcomer_gets_the_place_of_the_one_that_has_been_silent_for_the_longest() {
        let mut slots = Slots::new(3, 3);
        let mut acquire = || slots.acquire().now_or_never();
        let [asked, first, second] = [(); 3].map(|()| acquire().unwrap());
        assert!(asked.1.asked().now_or_never().is_some());
        let now = Instant::now();
        assert!(slots.dismiss_oldest(now) <= GRACE);
        assert!(!first.1.is_dismissed(), "its question may be on its way");
        slots.dismiss_oldest(now + GRACE);
        assert_eq!([&asked, &first, &second].map(|(_, client)| client.is_dismissed()), [false, true, false]);
        assert!(slots.acquire().now_or_never().is_none());
        drop(first);
        assert!(slots.acquire().now_or_never().is_some());
    }

    #[test]
    fn nobody_that_has_asked_is_dismissed_however_many_wait() {
        let mut slots = Slots::new(2, 1);
        let clients = [(); 2].map(|()| slots.acquire().now_or_never().unwrap());
        for (_, client) in &clients {
            // One of them waits for its turn.
            let _ = client.asked().now_or_never();
        }
        for seconds in 1..10 {
            slots.dismiss_oldest(Instant::now() + Duration::from_secs(seconds));
        }
        assert!(clients.iter().all(|(_, client)| !client.is_dismissed()));
    }
}
