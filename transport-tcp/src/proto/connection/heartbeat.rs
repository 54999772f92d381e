//! Heartbeats: decides when to send a ping, and when the peer has been silent for too long.
//!
//! A node pings when it has sent nothing for its interval, so that the peer receives bytes. It also
//! pings when it has received nothing for its interval, even while it sends; the peer answers with
//! a pong. So each node receives bytes as often as its own interval and timeout need, and the two
//! nodes need not agree on either. If a node streams to a peer that has a longer interval and
//! nothing to send, only the answers to its own pings keep the session alive.
//!
//! A pure state machine: its driver passes in times, as durations since the session began.

use std::time::Duration;

use crate::config::Heartbeat;

/// The heartbeat of one session. Its driver reports when bytes were [`sent`](HeartbeatTimer::sent)
/// and [`received`](HeartbeatTimer::received), calls [`poll`](HeartbeatTimer::poll) after each
/// change and at the time that the last poll returned, and carries out the [`Beat`] that it
/// returns.
#[derive(Clone, Debug)]
pub struct HeartbeatTimer {
    config: Heartbeat,
    /// Time of the last bytes sent. `None` before the first ping, even if other bytes were sent.
    sent: Option<Duration>,
    /// Time at which the last ping was queued.
    pinged: Duration,
    silence: Timeout,
    /// Time for which the peer has accepted no byte. `None` unless bytes wait to be sent and the
    /// socket takes none.
    stall: Option<Timeout>,
    /// Time at which `poll` asked to be called again.
    planned: Option<Duration>,
}

/// The next action of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Do nothing before that time.
    Wait(Duration),
    /// Send a ping, report it with [`HeartbeatTimer::pinged`], poll again.
    Ping,
    /// The peer sent nothing for that long. If bytes have arrived that the node has not read yet,
    /// call [`HeartbeatTimer::defer`] and poll again: a node reads before it ends a session for
    /// silence.
    Silent(Duration),
    /// The peer has accepted no byte for the timeout although bytes wait to be sent.
    Stalled,
}

impl HeartbeatTimer {
    /// A session that begins now, at time zero. The first bytes from the peer may take `head_start`
    /// longer than later ones, because the peer may not have read yet that there is a session.
    pub fn new(config: Heartbeat, head_start: Duration) -> Self {
        let zero = Duration::ZERO;
        let silence = Timeout { since: zero, excused: head_start };
        HeartbeatTimer { config, sent: None, pinged: zero, silence, stall: None, planned: None }
    }

    /// The socket accepted bytes at that time.
    pub fn sent(&mut self, at: Duration) {
        if let Some(sent) = &mut self.sent {
            *sent = at.max(*sent);
        }
        if let Some(stall) = &mut self.stall {
            stall.renew(at);
        }
    }

    /// A ping was queued. It may still wait for the socket.
    pub fn pinged(&mut self, at: Duration) {
        self.sent = self.sent.max(Some(at));
        self.pinged = at;
    }

    /// Bytes arrived at that time.
    pub fn received(&mut self, at: Duration) {
        self.silence.renew(at);
    }

    /// Postpones the end for silence until one more interval has passed.
    pub fn defer(&mut self, now: Duration) {
        self.silence.defer(now + self.config.interval, self.config.timeout);
    }

    /// Returns the action at `now`. `stuck` says that bytes wait to be sent and the socket takes
    /// none.
    ///
    /// A call that is later than planned extends every deadline by the lateness: while the local
    /// node did not run, it could not have noticed bytes of the peer.
    pub fn poll(&mut self, now: Duration, stuck: bool) -> Beat {
        if let Some(planned) = self.planned.take() {
            let lateness = now.saturating_sub(planned);
            self.silence.excuse(lateness);
            if let Some(stall) = &mut self.stall {
                stall.excuse(lateness);
            }
        }
        if stuck {
            self.stall.get_or_insert(Timeout::since(now));
        } else {
            self.stall = None;
        }
        let Heartbeat { timeout, .. } = self.config;
        let silent_at = self.silence.deadline(timeout);
        let stalled_at = self.stall.map_or(Duration::MAX, |stall| stall.deadline(timeout));
        // The first ping goes out at once, because it ends the head start that the peer grants.
        let ping_at = self.sent.map_or(now, |sent| self.ping_at(sent));
        if now >= silent_at {
            return Beat::Silent(now.saturating_sub(self.silence.since));
        }
        if now >= stalled_at {
            return Beat::Stalled;
        }
        if now >= ping_at {
            return Beat::Ping;
        }
        let next = silent_at.min(stalled_at).min(ping_at);
        self.planned = Some(next);
        Beat::Wait(next)
    }

    /// Time of the next ping, given that the last bytes were sent at `sent`.
    ///
    /// Bytes that were sent soon after the last bytes arrived are treated as an answer to them, and
    /// the interval without arrivals counts from there. Otherwise, on an idle session, the node
    /// that only answers pings would be due at the moment at which the next ping arrives, and both
    /// would ping.
    fn ping_at(&self, sent: Duration) -> Duration {
        let Heartbeat { interval, .. } = self.config;
        let received_at = self.silence.since;
        let answered = sent.clamp(received_at, received_at + interval / 8);
        sent.min(answered.max(self.pinged)) + interval
    }
}

/// A timeout that does not count the time in which the local node could not have noticed the event.
#[derive(Clone, Copy, Debug)]
struct Timeout {
    since: Duration,
    excused: Duration,
}

impl Timeout {
    const fn since(since: Duration) -> Self {
        Timeout { since, excused: Duration::ZERO }
    }

    fn renew(&mut self, at: Duration) {
        if at > self.since {
            *self = Timeout::since(at);
        }
    }

    fn excuse(&mut self, lateness: Duration) {
        self.excused += lateness;
    }

    fn defer(&mut self, until: Duration, timeout: Duration) {
        self.excused = self.excused.max(until.saturating_sub(self.since + timeout));
    }

    fn deadline(self, timeout: Duration) -> Duration {
        self.since + self.excused + timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A session that began at zero and has sent its first ping.
    fn greeted(head_start: Duration) -> HeartbeatTimer {
        let mut heartbeat = HeartbeatTimer::new(Heartbeat::fast(), head_start);
        assert_eq!(heartbeat.poll(MS(0), false), Beat::Ping);
        heartbeat.pinged(MS(0));
        heartbeat
    }

    fn fast() -> HeartbeatTimer {
        greeted(Duration::ZERO)
    }

    /// The action at that time after all due pings were queued.
    fn poll_past_pings(heartbeat: &mut HeartbeatTimer, at: Duration) -> Beat {
        loop {
            match heartbeat.poll(at, false) {
                Beat::Ping => heartbeat.pinged(at),
                beat => return beat,
            }
        }
    }

    #[test]
    fn a_side_that_sends_all_the_time_and_receives_nothing_pings_every_interval() {
        let mut busy = fast();
        let mut pings = Vec::new();
        for t in 1..400 {
            busy.sent(MS(t));
            if busy.poll(MS(t), false) == Beat::Ping {
                busy.pinged(MS(t));
                pings.push(t);
            }
        }
        // The first is an eighth of an interval later; no later one is delayed.
        assert_eq!(pings, [113, 213, 313]);
    }

    #[test]
    fn a_quiet_side_pings_every_interval_and_one_that_sends_and_receives_never() {
        let mut quiet = fast();
        assert_eq!(quiet.poll(MS(0), false), Beat::Wait(MS(100)));
        assert_eq!(quiet.poll(MS(100), false), Beat::Ping);
        quiet.pinged(MS(100));
        assert_eq!(quiet.poll(MS(100), false), Beat::Wait(MS(200)));

        let mut busy = fast();
        for t in 1..40 {
            busy.sent(MS(t * 50));
            busy.received(MS(t * 50));
            assert_eq!(busy.poll(MS(t * 50), false), Beat::Wait(MS(t * 50 + 100)));
        }
    }

    #[test]
    fn silence_is_reported_after_the_timeout_and_not_before() {
        let mut heartbeat = fast();
        heartbeat.received(MS(30));
        let mut at = MS(100);
        while let Beat::Wait(next) = poll_past_pings(&mut heartbeat, at) {
            at = next;
            heartbeat.sent(at);
        }
        assert_eq!((at, heartbeat.poll(at, false)), (MS(530), Beat::Silent(MS(500))));
    }

    #[test]
    fn only_the_first_bytes_have_a_head_start() {
        let mut heartbeat = greeted(MS(2000));
        assert_eq!(poll_past_pings(&mut heartbeat, MS(2400)), Beat::Wait(MS(2500)));
        let mut silent = heartbeat.clone();
        assert_eq!(silent.poll(MS(2500), false), Beat::Silent(MS(2500)));
        heartbeat.received(MS(2450));
        heartbeat.pinged(MS(2949));
        assert_eq!(heartbeat.poll(MS(2500), false), Beat::Wait(MS(2950)));
        assert_eq!(heartbeat.poll(MS(2950), false), Beat::Silent(MS(500)));
    }

    #[test]
    fn lateness_of_the_local_node_is_not_silence_of_the_peer() {
        let mut heartbeat = fast();
        heartbeat.received(MS(90));
        heartbeat.sent(MS(90));
        assert_eq!(heartbeat.poll(MS(90), false), Beat::Wait(MS(190)));
        // The node was stopped for ten seconds. The peer still has the 400 ms that were left of its
        // timeout at the planned time.
        assert_eq!(heartbeat.poll(MS(10_190), false), Beat::Ping);
        heartbeat.pinged(MS(10_190));
        assert!(matches!(heartbeat.poll(MS(10_190), false), Beat::Wait(_)));
        heartbeat.pinged(MS(10_589));
        assert_eq!(heartbeat.poll(MS(10_290), false), Beat::Wait(MS(10_590)));
        assert_eq!(heartbeat.poll(MS(10_590), false), Beat::Silent(MS(10_500)));
    }

    #[test]
    fn unread_bytes_defer_the_end() {
        let mut heartbeat = fast();
        heartbeat.pinged(MS(500));
        assert!(matches!(heartbeat.poll(MS(500), false), Beat::Silent(_)));
        heartbeat.defer(MS(500));
        assert_eq!(heartbeat.poll(MS(500), false), Beat::Wait(MS(600)));
        heartbeat.received(MS(550));
        heartbeat.pinged(MS(1049));
        assert_eq!(heartbeat.poll(MS(600), false), Beat::Wait(MS(1050)));
    }

    #[test]
    fn a_peer_that_accepts_nothing_is_stalled_unless_bytes_move_again() {
        let mut heartbeat = fast();
        let mut stuck = |t, moved: bool| {
            heartbeat.received(MS(t));
            if moved {
                heartbeat.sent(MS(t));
            }
            loop {
                match heartbeat.poll(MS(t), true) {
                    Beat::Ping => heartbeat.pinged(MS(t)),
                    beat => return beat,
                }
            }
        };
        assert!(matches!(stuck(100, false), Beat::Wait(_)));
        assert!(matches!(stuck(190, true), Beat::Wait(_)));
        for t in (200..690).step_by(10) {
            assert!(matches!(stuck(t, false), Beat::Wait(_)), "at {t}");
        }
        assert_eq!(stuck(690, false), Beat::Stalled);
    }
}

#[cfg(test)]
mod pairs;
