//! Slots for clients.

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

/// How long a client without a request keeps its slot while others wait. Long enough for a request
/// in transit.
const GRACE: Duration = Duration::from_millis(250);

/// The free slots, and the clients in a slot that have sent no request.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// In the order in which they connected.
    silent: VecDeque<(Instant, Weak<Progress>)>,
}

impl Slots {
    /// Slots for that many clients, of which that many have a turn at once.
    pub(super) fn new(slots: usize, turns: usize) -> Self {
        let [free, turns] = [slots, turns].map(|count| Arc::new(Semaphore::new(count)));
        Slots { free, turns, silent: VecDeque::new() }
    }

    /// Waits for a slot for one more client. While none is free, the clients that have been silent
    /// for the longest are dismissed, one after the other.
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

    /// Dismisses the client that has been silent for the longest, if it has been silent for
    /// `GRACE`. Returns how long to wait before the next call.
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
    fn a_new_client_gets_the_slot_of_the_longest_silent_one() {
        let mut slots = Slots::new(3, 3);
        let mut acquire = || slots.acquire().now_or_never();
        let [asked, first, second] = [(); 3].map(|()| acquire().unwrap());
        assert!(asked.1.asked().now_or_never().is_some());
        let now = Instant::now();
        assert!(slots.dismiss_oldest(now) <= GRACE);
        assert!(!first.1.is_dismissed(), "its request may be in transit");
        slots.dismiss_oldest(now + GRACE);
        assert_eq!([&asked, &first, &second].map(|(_, client)| client.is_dismissed()), [false, true, false]);
        assert!(slots.acquire().now_or_never().is_none());
        drop(first);
        assert!(slots.acquire().now_or_never().is_some());
    }

    #[test]
    fn no_client_that_has_sent_its_request_is_dismissed_however_many_wait() {
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
