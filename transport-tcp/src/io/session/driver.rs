//! The keeper: the one task of a session that runs whether or not its user does anything.
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
        session::connection::{Link, Phase},
    },
    net::stream::Stream,
    proto::{
        connection::heartbeat::{Beat, Pulse},
        wire::Kind,
    },
};

/// How long a session that was closed waits for the peer to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// How long an old session is probed, unless its timeout is shorter.
const PROBE: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(crate) struct Keeper {
    link: Arc<Link>,
    stream: Arc<Stream>,
    owner: Owner,
    pulse: Pulse,
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

impl Keeper {
    pub(crate) fn new(link: Arc<Link>, stream: Arc<Stream>, owner: Owner) -> Self {
        let pulse = Pulse::new(link.limits.heartbeat, link.limits.head_start);
        Keeper { link, stream, owner, pulse, timer: Timer::never(), pings: 0, probe: None, half_closed: None }
    }

    /// The link whose end it reports, and to whom.
    pub(crate) fn reports_to(&self) -> (Arc<Link>, Owner) {
        (self.link.clone(), self.owner.clone())
    }

    /// Runs until the session has ended.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.owner.over(&self.link, end);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        self.link.keeper.register(cx.waker());
        loop {
            self.write(cx);
            if let Some(end) = self.link.end() {
                return Poll::Ready(end);
            }
            let now = self.link.now();
            let next = match self.link.phase() {
                Phase::Closing(_) => self.see_off(now, cx),
                Phase::Open | Phase::Overflowed => self.judge(now),
                Phase::Over => None,
            };
            let Some(next) = next else { continue };
            self.timer.set_at(self.link.instant(next));
            if Pin::new(&mut self.timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Writes what was left to be written; registers for more room if there is none.
    fn write(&mut self, cx: &mut Context<'_>) {
        self.link.write_out();
        while self.link.is_blocked() {
            match self.stream.poll_writable(cx) {
                Poll::Ready(Ok(())) => self.link.unblock(),
                Poll::Ready(Err(_)) => return self.link.end_now(EndKind::Closed.into()),
                Poll::Pending => return,
            }
        }
    }

    /// Pings, and ends the session if the peer is silent or takes nothing. When to come back; `None` for at
    /// once.
    fn judge(&mut self, now: Duration) -> Option<Duration> {
        let probe = self.probe(now);
        let backlog = self.link.backlog();
        self.pulse.heard(self.link.last_heard());
        self.pulse.sent(self.link.last_sent());
        match self.pulse.poll(now, backlog.blocked && backlog.signals) {
            Beat::Wait(at) => return Some(probe.map_or(at, |probe| at.min(probe))),
            Beat::Ping => {
                self.link.out.lock().queue.trim();
                self.ping(now);
            }
            Beat::Silent(_) if self.stream.has_unread() => self.pulse.defer(now),
            Beat::Silent(silent_for) => self.link.end_now(SessionEnd::timeout(silent_for)),
            Beat::Stalled => self.link.end_now(EndKind::Overloaded.into()),
        }
        None
    }

    fn ping(&mut self, now: Duration) {
        self.pings += 1;
        self.link.send_urgent(Kind::Ping, self.pings);
        self.pulse.pinged(now);
    }

    /// Whether the peer lives, if somebody wants to know. When the answer is due.
    ///
    /// Only a pong is an answer: bytes that a dead node's system still sends are none. It comes from the peer's
    /// reader, so a node whose user has not called `recv` for that long passes for dead here.
    fn probe(&mut self, now: Duration) -> Option<Duration> {
        if self.link.take_probe_wanted() {
            self.ping(now);
            let patience = PROBE.min(self.link.limits.heartbeat.timeout);
            self.probe = Some(Probe { ping: self.pings, until: now + patience });
        }
        let probe = self.probe?;
        // A number that was never sent is made up.
        let answered = (probe.ping..=self.pings).contains(&self.link.last_pong());
        let over = self.link.backlog().broken || self.stream.is_over();
        if !answered && !over && now < probe.until {
            return Some(probe.until);
        }
        self.probe = None;
        // Unread bytes may hold the answer, and a session that may live is not replaced. One whose peer has hung up
        // is dead, even if its user has not read the end yet.
        if !over && (answered || self.stream.has_unread()) {
            self.owner.probe_answered(&self.link);
        } else {
            self.owner.probe_silent(&self.link);
        }
        None
    }

    /// Flush, half-close, read to the end or for a while, close: a plain close with unread input would
    /// destroy what is still on its way to the peer. When to come back; `None` for at once.
    fn see_off(&mut self, now: Duration, cx: &mut Context<'_>) -> Option<Duration> {
        if self.link.is_abandoned() && !self.link.is_peer_done() {
            self.discard_input(cx);
        }
        let backlog = self.link.backlog();
        let over = match self.half_closed {
            _ if backlog.broken => true,
            None if backlog.idle => {
                self.half_closed = Some(now);
                self.stream.end_writing().is_err()
            }
            None => {
                self.pulse.heard(self.link.last_heard());
                self.pulse.sent(self.link.last_sent());
                match self.pulse.poll(now, true) {
                    Beat::Wait(at) => return Some(at),
                    Beat::Ping => self.pulse.pinged(now),
                    Beat::Silent(_) if self.stream.has_unread() => self.pulse.defer(now),
                    Beat::Silent(_) | Beat::Stalled => self.link.end_now(EndKind::Closed.into()),
                }
                false
            }
            Some(since) if self.link.is_peer_done() || now >= since + LINGER => true,
            Some(since) => return Some(since + LINGER),
        };
        if over {
            self.link.end_now(EndKind::Closed.into());
        }
        None
    }

    /// Reads for a session that its user has dropped.
    fn discard_input(&mut self, cx: &mut Context<'_>) {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read_now(&mut bytes) {
                Ok(1..) => self.link.note_heard(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.stream.poll_readable(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return self.link.note_peer_done(),
                        Poll::Pending => return,
                    }
                }
                Ok(0) | Err(_) => return self.link.note_peer_done(),
            }
        }
    }
}
