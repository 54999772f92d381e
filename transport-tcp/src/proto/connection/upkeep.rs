//! The upkeep of a connection: when to ping, how long the peer may be silent or accept no bytes,
//! whether it answers a probe, and how a closing connection ends.

use std::time::Duration;

use peer_service::{EndKind, SessionEnd};

use super::{
    heartbeat::{Beat, HeartbeatTimer},
    limits::Limits,
    sending::{Backlog, Phase},
};

/// See the [module](self). Its driver calls [`poll`](Self::poll) when something has changed or at
/// the time that the last poll returned, and carries out the returned step. Times are durations
/// since the connection became a session.
#[derive(Debug)]
pub struct Upkeep {
    heartbeat: HeartbeatTimer,
    probe_timeout: Duration,
    linger: Duration,
    /// The number of the last ping.
    pings: u64,
    probe: Option<Probe>,
    /// Time at which a closing session has sent its last byte.
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
    /// The phase of the connection.
    pub phase: Phase,
    /// The state of the writing.
    pub backlog: Backlog,
    /// Time of the last received bytes.
    pub last_received: Duration,
    /// Time at which the socket last accepted bytes.
    pub last_sent: Duration,
    /// The highest number of a received pong.
    pub pong: u64,
    /// Whether the table of peers has requested a probe since the last poll.
    pub probe_requested: bool,
    /// Whether the peer has closed its side while the session was closing.
    pub peer_done: bool,
}

/// Bytes that have arrived on a connection and were not read yet. Called only when the result
/// matters: it may be a system call.
pub trait Unread {
    /// Whether bytes have arrived that were not read, or the end of the connection.
    fn has_unread(&self) -> bool;
    /// Whether the connection has ended and everything before its end was read. False also if that
    /// is not known yet.
    fn is_over(&self) -> bool;
}

/// The next step of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do nothing before that time.
    Wait(Duration),
    /// Send a ping with that number, and poll again.
    Ping(u64),
    /// Report to the table of peers that the peer has answered the probe, and poll again.
    ProbeAnswered,
    /// Report to the table of peers that the peer has not answered, and poll again.
    ProbeSilent,
    /// Send the end of the stream. If that fails, end the session as closed. Poll again.
    EndWriting,
    /// End the session.
    End(SessionEnd),
    /// Do nothing: the session has ended, which the driver checks.
    Over,
}

impl Upkeep {
    /// A connection that becomes a session now, at time zero.
    pub fn new(limits: &Limits) -> Self {
        Upkeep {
            heartbeat: HeartbeatTimer::new(limits.heartbeat, limits.head_start),
            probe_timeout: limits.probe_timeout,
            linger: limits.linger,
            pings: 0,
            probe: None,
            half_closed: None,
        }
    }

    /// The next step at `now`.
    pub fn poll(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        match state.phase {
            Phase::Closing(_) => self.poll_closing(now, state, unread),
            Phase::Open | Phase::Overflowed => self.poll_open(now, state, unread),
            Phase::Over => Step::Over,
        }
    }

    /// The step of an open connection: pings, and ends the session if the peer is silent or accepts
    /// no bytes.
    fn poll_open(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        if state.probe_requested {
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
    /// Only a pong is an answer: the system of a dead node may still send bytes. The pong comes
    /// from the peer's reader, so a node whose user has not called `recv` for that long counts as
    /// dead here.
    fn probed(&self, probe: Probe, now: Duration, state: &State, unread: &impl Unread) -> Option<Step> {
        // The peer has invented a number that was never sent.
        let is_answered = (probe.ping..=self.pings).contains(&state.pong);
        let is_over = state.backlog.broken || unread.is_over();
        if !is_answered && !is_over && now < probe.until {
            return None;
        }
        // Unread bytes may contain the answer, and a session that may be alive is not replaced. A
        // session whose peer has closed the connection is dead, even if its user has not read the
        // end yet.
        let is_alive = !is_over && (is_answered || unread.has_unread());
        Some(if is_alive { Step::ProbeAnswered } else { Step::ProbeSilent })
    }

    /// The next step of the heartbeat. A peer is not silent while bytes from it are unread.
    fn beat(&mut self, now: Duration, state: &State, is_stuck: bool, unread: &impl Unread) -> Beat {
        self.heartbeat.received(state.last_received);
        self.heartbeat.sent(state.last_sent);
        loop {
            match self.heartbeat.poll(now, is_stuck) {
                Beat::Silent(_) if unread.has_unread() => self.heartbeat.defer(now),
                beat => return beat,
            }
        }
    }

    /// The step of a closing connection: flush, half-close, read to the end or for a while, close.
    /// A plain close with unread input would reset the connection and destroy bytes on their way to
    /// the peer.
    fn poll_closing(&mut self, now: Duration, state: &State, unread: &impl Unread) -> Step {
        let closed = Step::End(EndKind::Closed.into());
        match self.half_closed {
            _ if state.backlog.broken => closed,
            Some(since) if state.peer_done || now >= since + self.linger => closed,
            Some(since) => Step::Wait(since + self.linger),
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
