//! The driver: the one task of a session that runs whether or not its user does anything.
//!
//! It writes what did not go out at once, pings, judges the peer's silence, probes on request, and sees a
//! session that is being closed to its end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use peer_service::{EndKind, SessionEnd};
use smol::Timer;

use crate::{
    io::{
        endpoint::Owner,
        session::connection::{Connection, Phase},
    },
    net::stream::Stream,
    proto::{
        connection::heartbeat::{Beat, HeartbeatTimer},
        wire::Kind,
    },
};

/// How long a session that was closed waits for the peer to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// How long an old session is probed, unless its timeout is shorter.
const PROBE: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(crate) struct Driver {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    owner: Owner,
    heartbeat: HeartbeatTimer,
    timer: Timer,
    /// The number of the last ping.
    pings: u64,
    probe: Option<Probe>,
    /// When the last byte was sent of a session that is being closed.
    half_closed: Option<Duration>,
}

/// A question whether the peer lives.
#[derive(Clone, Copy)]
struct Probe {
    ping: u64,
    until: Duration,
}

impl Driver {
    pub(crate) fn new(connection: Arc<Connection>, stream: Arc<Stream>, owner: Owner) -> Self {
        let heartbeat = HeartbeatTimer::new(connection.limits.heartbeat, connection.limits.head_start);
        Driver {
            connection,
            stream,
            owner,
            heartbeat,
            timer: Timer::never(),
            pings: 0,
            probe: None,
            half_closed: None,
        }
    }

    /// The connection whose end it reports, and to whom.
    pub(crate) fn reports_to(&self) -> (Arc<Connection>, Owner) {
        (self.connection.clone(), self.owner.clone())
    }

    /// Runs until the session has ended.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.owner.over(&self.connection, end);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        self.connection.driver.register(cx.waker());
        loop {
            self.write(cx);
            if let Some(end) = self.connection.end() {
                return Poll::Ready(end);
            }
            let now = self.connection.now();
            let next = match self.connection.phase() {
                Phase::Closing(_) => self.see_off(now, cx),
                Phase::Open | Phase::Overflowed => self.judge(now),
                Phase::Over => None,
            };
            let Some(next) = next else { continue };
            self.timer.set_at(self.connection.instant(next));
            if Pin::new(&mut self.timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Writes what was left to be written; registers for more room if there is none.
    fn write(&mut self, cx: &mut Context<'_>) {
        self.connection.write_out();
        while self.connection.is_blocked() {
            match self.stream.poll_writable(cx) {
                Poll::Ready(Ok(())) => self.connection.unblock(),
                Poll::Ready(Err(_)) => return self.connection.end_now(EndKind::Closed.into()),
                Poll::Pending => return,
            }
        }
    }

    /// Pings, and ends the session if the peer is silent or takes nothing. When to come back; `None` for at
    /// once.
    fn judge(&mut self, now: Duration) -> Option<Duration> {
        let probe = self.probe(now);
        let backlog = self.connection.backlog();
        self.heartbeat.heard(self.connection.last_heard());
        self.heartbeat.sent(self.connection.last_sent());
        match self.heartbeat.poll(now, backlog.blocked && backlog.signals) {
            Beat::Wait(at) => return Some(probe.map_or(at, |probe| at.min(probe))),
            Beat::Ping => {
                self.connection.out.lock().queue.trim();
                self.ping(now);
            }
            Beat::Silent(_) if self.stream.has_unread() => self.heartbeat.defer(now),
            Beat::Silent(silent_for) => self.connection.end_now(SessionEnd::timeout(silent_for)),
            Beat::Stalled => self.connection.end_now(EndKind::Overloaded.into()),
        }
        None
    }

    fn ping(&mut self, now: Duration) {
        self.pings += 1;
        self.connection.send_urgent(Kind::Ping, self.pings);
        self.heartbeat.pinged(now);
    }

    /// Whether the peer lives, if somebody wants to know. When the answer is due.
    ///
    /// Only a pong is an answer: bytes that a dead node's system still sends are none. It comes from the peer's
    /// reader, so a node whose user has not called `recv` for that long passes for dead here.
    fn probe(&mut self, now: Duration) -> Option<Duration> {
        if self.connection.take_probe_wanted() {
            self.ping(now);
            let patience = PROBE.min(self.connection.limits.heartbeat.timeout);
            self.probe = Some(Probe { ping: self.pings, until: now + patience });
        }
        let probe = self.probe?;
        // A number that was never sent is made up.
        let answered = (probe.ping..=self.pings).contains(&self.connection.last_pong());
        let over = self.connection.backlog().broken || self.stream.is_over();
        if !answered && !over && now < probe.until {
            return Some(probe.until);
        }
        self.probe = None;
        // Unread bytes may hold the answer, and a session that may live is not replaced. One whose peer has hung up
        // is dead, even if its user has not read the end yet.
        if !over && (answered || self.stream.has_unread()) {
            self.owner.probe_answered(&self.connection);
        } else {
            self.owner.probe_silent(&self.connection);
        }
        None
    }

    /// Flush, half-close, read to the end or for a while, close: a plain close with unread input would
    /// destroy what is still on its way to the peer. When to come back; `None` for at once.
    fn see_off(&mut self, now: Duration, cx: &mut Context<'_>) -> Option<Duration> {
        if self.connection.is_abandoned() && !self.connection.is_peer_done() {
            self.discard_input(cx);
        }
        let backlog = self.connection.backlog();
        let over = match self.half_closed {
            _ if backlog.broken => true,
            None if backlog.idle => {
                self.half_closed = Some(now);
                self.stream.end_writing().is_err()
            }
            None => {
                self.heartbeat.heard(self.connection.last_heard());
                self.heartbeat.sent(self.connection.last_sent());
                match self.heartbeat.poll(now, true) {
                    Beat::Wait(at) => return Some(at),
                    Beat::Ping => self.heartbeat.pinged(now),
                    Beat::Silent(_) if self.stream.has_unread() => self.heartbeat.defer(now),
                    Beat::Silent(_) | Beat::Stalled => self.connection.end_now(EndKind::Closed.into()),
                }
                false
            }
            Some(since) if self.connection.is_peer_done() || now >= since + LINGER => true,
            Some(since) => return Some(since + LINGER),
        };
        if over {
            self.connection.end_now(EndKind::Closed.into());
        }
        None
    }

    /// Reads for a session that its user has dropped.
    fn discard_input(&mut self, cx: &mut Context<'_>) {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read_now(&mut bytes) {
                Ok(1..) => self.connection.note_heard(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.stream.poll_readable(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return self.connection.note_peer_done(),
                        Poll::Pending => return,
                    }
                }
                Ok(0) | Err(_) => return self.connection.note_peer_done(),
            }
        }
    }
}
