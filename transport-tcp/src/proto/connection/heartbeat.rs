//! Heartbeats: when to send a sign of life, and when the peer's silence has lasted too long.
//!
//! A side pings when it has sent nothing for its interval, which serves the peer, and when it has heard nothing for its
//! interval, even if it has sent something: the peer answers with a pong. So each side hears something as often as its own interval
//! and timeout need it, and the two need not agree on either. A side that streams, to a peer with a longer interval and
//! nothing to send, lives by its own pings alone.
//!
//! A pure state machine: times are durations since the session began, passed in by the driver.

use std::time::Duration;

use crate::config::Heartbeat;

/// Judges one session. Its driver tells when bytes were [`sent`](HeartbeatTimer::sent) and [`heard`](HeartbeatTimer::heard),
/// calls [`poll`](HeartbeatTimer::poll) when something has changed or the time it was told has come, and does what it
/// says.
#[derive(Clone, Debug)]
pub struct HeartbeatTimer {
    config: Heartbeat,
    /// When bytes last went out. `None` before the first ping, even if other frames were sent.
    sent: Option<Duration>,
    /// When the last ping was handed over.
    pinged: Duration,
    silence: Patience,
    /// How long the peer has taken nothing of what it must take; only while something must.
    stall: Option<Patience>,
    /// When `poll` asked to be called again.
    planned: Option<Duration>,
}

/// The next step of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing before that time.
    Wait(Duration),
    /// Send a ping, report it with [`HeartbeatTimer::pinged`], poll again.
    Ping,
    /// Nothing was heard for that long. If bytes have arrived that were not read, [`HeartbeatTimer::defer`] and poll
    /// again: a node reads before it judges.
    Silent(Duration),
    /// The peer has taken no byte for the timeout although something must go out.
    Stalled,
}

impl HeartbeatTimer {
    /// A session that begins now, at time zero. The first sign of life may take `head_start` more than the others:
    /// the peer may not have read yet that there is a session.
    pub fn new(config: Heartbeat, head_start: Duration) -> Self {
        let zero = Duration::ZERO;
        let silence = Patience { since: zero, excused: head_start };
        HeartbeatTimer { config, sent: None, pinged: zero, silence, stall: None, planned: None }
    }

    /// The socket has taken bytes at that time.
    pub fn sent(&mut self, at: Duration) {
        if let Some(sent) = &mut self.sent {
            *sent = at.max(*sent);
        }
        if let Some(stall) = &mut self.stall {
            stall.renew(at);
        }
    }

    /// A ping was handed over; it may have to wait.
    pub fn pinged(&mut self, at: Duration) {
        self.sent = self.sent.max(Some(at));
        self.pinged = at;
    }

    /// Bytes came in at that time.
    pub fn heard(&mut self, at: Duration) {
        self.silence.renew(at);
    }

    /// The peer is not to be judged before one more interval has passed.
    pub fn defer(&mut self, now: Duration) {
        self.silence.defer(now + self.config.interval, self.config.timeout);
    }

    /// The next step at `now`. `stuck`: something must go out and the socket takes nothing.
    ///
    /// Being called later than planned extends every deadline by the lateness: a node that has slept does
    /// not call others silent.
    pub fn poll(&mut self, now: Duration, stuck: bool) -> Beat {
        if let Some(planned) = self.planned.take() {
            let lateness = now.saturating_sub(planned);
            self.silence.excuse(lateness);
            if let Some(stall) = &mut self.stall {
                stall.excuse(lateness);
            }
        }
        if stuck {
            self.stall.get_or_insert(Patience::since(now));
        } else {
            self.stall = None;
        }
        let Heartbeat { timeout, .. } = self.config;
        let silent_at = self.silence.deadline(timeout);
        let stalled_at = self.stall.map_or(Duration::MAX, |stall| stall.deadline(timeout));
        // The first one goes out at once: it ends the head start that the peer gives.
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

    /// When the next ping is due, given that bytes last went out at `sent`.
    ///
    /// Bytes that went out soon after the last bytes came in are taken for an answer to them, and the time without hearing
    /// anything counts from there. Otherwise, on an idle session, the side that only answers pings would be due at the
    /// moment at which the next ping arrives, and both would ping.
    fn ping_at(&self, sent: Duration) -> Duration {
        let Heartbeat { interval, .. } = self.config;
        let heard = self.silence.since;
        let answered = sent.clamp(heard, heard + interval / 8);
        sent.min(answered.max(self.pinged)) + interval
    }
}

/// How long one waits for something, not counting the time in which one could not have noticed it.
#[derive(Clone, Copy, Debug)]
struct Patience {
    since: Duration,
    excused: Duration,
}

impl Patience {
    const fn since(since: Duration) -> Self {
        Patience { since, excused: Duration::ZERO }
    }

    fn renew(&mut self, at: Duration) {
        if at > self.since {
            *self = Patience::since(at);
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

    /// The first ping of a session that begins at zero has gone out.
    fn greeted(head_start: Duration) -> HeartbeatTimer {
        let mut heartbeat = HeartbeatTimer::new(Heartbeat::fast(), head_start);
        assert_eq!(heartbeat.poll(MS(0), false), Beat::Ping);
        heartbeat.pinged(MS(0));
        heartbeat
    }

    fn fast() -> HeartbeatTimer {
        greeted(Duration::ZERO)
    }

    /// The first step at that time that is no ping.
    fn poll_past_pings(heartbeat: &mut HeartbeatTimer, at: Duration) -> Beat {
        loop {
            match heartbeat.poll(at, false) {
                Beat::Ping => heartbeat.pinged(at),
                beat => return beat,
            }
        }
    }

    #[test]
    fn a_side_that_sends_all_the_time_and_hears_nothing_pings_every_interval() {
        let mut busy = fast();
        let mut pings = Vec::new();
        for t in 1..400 {
            busy.sent(MS(t));
            if busy.poll(MS(t), false) == Beat::Ping {
                busy.pinged(MS(t));
                pings.push(t);
            }
        }
        // An eighth later, and from then on nothing puts them off.
        assert_eq!(pings, [113, 213, 313]);
    }

    #[test]
    fn a_quiet_side_pings_every_interval_and_one_that_sends_and_hears_never() {
        let mut quiet = fast();
        assert_eq!(quiet.poll(MS(0), false), Beat::Wait(MS(100)));
        assert_eq!(quiet.poll(MS(100), false), Beat::Ping);
        quiet.pinged(MS(100));
        assert_eq!(quiet.poll(MS(100), false), Beat::Wait(MS(200)));

        let mut busy = fast();
        for t in 1..40 {
            busy.sent(MS(t * 50));
            busy.heard(MS(t * 50));
            assert_eq!(busy.poll(MS(t * 50), false), Beat::Wait(MS(t * 50 + 100)));
        }
    }

    #[test]
    fn silence_is_told_after_the_timeout_and_not_before() {
        let mut heartbeat = fast();
        heartbeat.heard(MS(30));
        let mut at = MS(100);
        while let Beat::Wait(next) = poll_past_pings(&mut heartbeat, at) {
            at = next;
            heartbeat.sent(at);
        }
        assert_eq!((at, heartbeat.poll(at, false)), (MS(530), Beat::Silent(MS(500))));
    }

    #[test]
    fn only_the_first_sign_of_life_has_a_head_start() {
        let mut heartbeat = greeted(MS(2000));
        assert_eq!(poll_past_pings(&mut heartbeat, MS(2400)), Beat::Wait(MS(2500)));
        let mut silent = heartbeat.clone();
        assert_eq!(silent.poll(MS(2500), false), Beat::Silent(MS(2500)));
        heartbeat.heard(MS(2450));
        heartbeat.pinged(MS(2949));
        assert_eq!(heartbeat.poll(MS(2500), false), Beat::Wait(MS(2950)));
        assert_eq!(heartbeat.poll(MS(2950), false), Beat::Silent(MS(500)));
    }

    #[test]
    fn ones_own_lateness_is_not_the_peers_silence() {
        let mut heartbeat = fast();
        heartbeat.heard(MS(90));
        heartbeat.sent(MS(90));
        assert_eq!(heartbeat.poll(MS(90), false), Beat::Wait(MS(190)));
        // Stopped for ten seconds: the peer still gets what was left of its time, 400 ms from the planned
        // moment.
        assert_eq!(heartbeat.poll(MS(10_190), false), Beat::Ping);
        heartbeat.pinged(MS(10_190));
        assert!(matches!(heartbeat.poll(MS(10_190), false), Beat::Wait(_)));
        heartbeat.pinged(MS(10_589));
        assert_eq!(heartbeat.poll(MS(10_290), false), Beat::Wait(MS(10_590)));
        assert_eq!(heartbeat.poll(MS(10_590), false), Beat::Silent(MS(10_500)));
    }

    #[test]
    fn unread_bytes_put_the_judgement_off() {
        let mut heartbeat = fast();
        heartbeat.pinged(MS(500));
        assert!(matches!(heartbeat.poll(MS(500), false), Beat::Silent(_)));
        heartbeat.defer(MS(500));
        assert_eq!(heartbeat.poll(MS(500), false), Beat::Wait(MS(600)));
        heartbeat.heard(MS(550));
        heartbeat.pinged(MS(1049));
        assert_eq!(heartbeat.poll(MS(600), false), Beat::Wait(MS(1050)));
    }

    #[test]
    fn a_peer_that_takes_nothing_is_stalled_unless_bytes_move_again() {
        let mut heartbeat = fast();
        let mut stuck = |t, moved: bool| {
            heartbeat.heard(MS(t));
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
