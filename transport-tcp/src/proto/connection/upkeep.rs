//! The upkeep of a connection: when to ping, how long the peer may be silent or take nothing,
//! whether it answers a probe, and how a connection that is being closed comes to its end.

use std::time::Duration;

use peer_service::{EndKind, SessionEnd};

use super::{
    heartbeat::{Beat, HeartbeatTimer},
    limits::Limits,
    sending::{Backlog, Phase},
};

/// How long a session that was closed waits for the peer to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// How long an old session is probed, unless its timeout is shorter.
const PROBE: Duration = Duration::from_secs(1);

/// See the [module](self). Its driver calls [`poll`](Self::poll) when something has changed or the
/// time that it returned has come, and does what it says. Times are durations since the connection
/// became a session.
#[derive(Debug)]
pub struct Upkeep {
    heartbeat: HeartbeatTimer,
    probe_timeout: Duration,
    /// The number of the last ping.
    pings: u64,
    probe: Option<Probe>,
    /// When the last byte was sent of a session that is being closed.
    half_closed: Option<Duration>,
}

/// A ping that must be answered in time.
#[derive(Clone, Copy, Debug)]
struct Probe {
    ping: u64,
    until: Duration,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// How far it is from its end.
    pub phase: Phase,
    /// How much of the writing is left.
    pub backlog: Backlog,
    /// When bytes last came in.
    pub heard: Duration,
    /// When the socket last took bytes.
    pub sent: Duration,
    /// The highest number of a pong.
    pub pong: u64,
    /// The table of peers wants to know whether the peer lives, and has not wanted it at the last
    /// poll.
    pub probe_wanted: bool,
    /// The peer has hung up while the session was being closed.
    pub peer_done: bool,
}

/// Bytes that have arrived on a connection and were not read yet. Asked only when the answer
/// matters: it may be a system call.
pub trait Unread {
    /// Whether bytes have arrived that were not read, or the end of the connection.
    fn has_unread(&self) -> bool;
    /// Whether the connection is over and everything before its end was read. False also if that is
    /// not known yet.
    fn is_over(&self) -> bool;
}

/// The next step of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing before that time.
    Wait(Duration),
    /// Send a ping of that number, and poll again.
    Ping(u64),
    /// Report to the table of peers that the peer lives, and poll again.
    ProbeAnswered,
    /// Report to the table of peers that the peer has not answered, and poll again.
    ProbeSilent,
    /// Send the end of the stream. If that fails, end the session as closed. Poll again.
    EndWriting,
    /// End the session.
    End(SessionEnd),
    /// Nothing: the session has ended, and the driver will find its end.
    Over,
}

impl Upkeep {
    /// A connection that becomes a session now, at time zero.
    pub fn new(limits: &Limits) -> Self {
        Upkeep {
            heartbeat: HeartbeatTimer::new(limits.heartbeat, limits.head_start),
            probe_timeout: PROBE.min(limits.heartbeat.timeout),
            pings: 0,
            probe: None,
            half_closed: None,
        }
    }

    /// The next step at `now`.
    pub fn poll(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        match state.phase {
            Phase::Closing(_) => self.see_off(now, state, unread),
            Phase::Open | Phase::Overflowed => self.judge(now, state, unread),
            Phase::Over => Step::Over,
        }
    }

    /// Pings, and ends the session if the peer is silent or takes nothing.
    fn judge(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        if state.probe_wanted {
            let ping = self.ping(now);
            self.probe = Some(Probe { ping: self.pings, until: now + self.probe_timeout });
            return ping;
        }
        if let Some(verdict) = self.probe.and_then(|probe| self.probed(probe, now, state, unread)) {
            self.probe = None;
            return verdict;
        }
        match self.beat(now, state, state.backlog.blocked && state.backlog.signals, unread) {
            Beat::Wait(at) => Step::Wait(self.probe.map_or(at, |probe| at.min(probe.until))),
            Beat::Ping => self.ping(now),
            Beat::Silent(silent_for) => Step::End(SessionEnd::timeout(silent_for)),
            Beat::Stalled => Step::End(EndKind::Overloaded.into()),
        }
    }

    fn ping(&mut self, now: Duration) -> Step {
        self.pings += 1;
        self.heartbeat.pinged(now);
        Step::Ping(self.pings)
    }

    /// The result of a probe. `None` while it runs.
    ///
    /// Only a pong is an answer: bytes that a dead node's system still sends are none. It comes
    /// from the peer's reader, so a node whose user has not called `recv` for that long passes for
    /// dead here.
    fn probed(&self, probe: Probe, now: Duration, state: &State, unread: &impl Unread) -> Option<Step> {
        // A number that was never sent is made up.
        let is_answered = (probe.ping..=self.pings).contains(&state.pong);
        let is_over = state.backlog.broken || unread.is_over();
        if !is_answered && !is_over && now < probe.until {
            return None;
        }
        // Unread bytes may hold the answer, and a session that may live is not replaced. One whose
        // peer has hung up is dead, even if its user has not read the end yet.
        let lives = !is_over && (is_answered || unread.has_unread());
        Some(if lives { Step::ProbeAnswered } else { Step::ProbeSilent })
    }

    /// The next step of the timer of heartbeats. A peer is not silent while bytes of it are unread.
    fn beat(&mut self, now: Duration, state: &State, is_stuck: bool, unread: &impl Unread) -> Beat {
        self.heartbeat.heard(state.heard);
        self.heartbeat.sent(state.sent);
        loop {
            match self.heartbeat.poll(now, is_stuck) {
                Beat::Silent(_) if unread.has_unread() => self.heartbeat.defer(now),
                beat => return beat,
            }
        }
    }

    /// Flush, half-close, read to the end or for a while, close: a plain close with unread input
    /// would destroy what is still on its way to the peer.
    fn see_off(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        let closed = Step::End(EndKind::Closed.into());
        match self.half_closed {
            _ if state.backlog.broken => closed,
            Some(since) if state.peer_done || now >= since + LINGER => closed,
            Some(since) => Step::Wait(since + LINGER),
            None if state.backlog.idle => {
                self.half_closed = Some(now);
                Step::EndWriting
            }
            None => loop {
                match self.beat(now, state, true, unread) {
                    Beat::Wait(at) => return Step::Wait(at),
                    // After the goodbye nothing more may be sent.
                    Beat::Ping => self.heartbeat.pinged(now),
                    Beat::Silent(_) | Beat::Stalled => return closed,
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
