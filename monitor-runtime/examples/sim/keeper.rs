//! Signs of life, silence and probes of each session, by the transport's own rules (`HeartbeatTimer`), as `keeper` of
//! `transport-tcp` drives them; and what a session hears.

use std::time::Duration;

use peer_service::{EndKind, SessionEnd};
use transport_tcp::{Heartbeat, proto::connection::heartbeat::Beat};

use crate::{
    conn::{ACCEPTOR, ConnIx, End, Frame, Stage},
    time::Time,
    world::{Event, World},
};

pub const HEARTBEAT: Heartbeat = Heartbeat::normal();
/// How long an old session is probed.
const PROBE: Duration = Duration::from_secs(1);
/// A peer that has not taken so many frames takes no more for now.
const SOCKET: usize = 128;

impl World {
    /// Has the keeper look at the session then; what was planned before is void.
    pub fn plan_beat(&mut self, conn: ConnIx, side: usize, at: Time) {
        if let Some(up) = self.conns[conn].end(side).and_then(End::up) {
            up.beat += 1;
            let beat = up.beat;
            self.agenda.plan(at, Event::Beat(conn, side, beat));
        }
    }

    /// Pings, probes, and judges the peer.
    pub fn beat(&mut self, conn: ConnIx, side: usize, number: u64) {
        let stuck = self.conns[conn].untaken(side) > SOCKET;
        let now_is = self.now;
        let Some(end) = self.conns[conn].end(side) else { return };
        let (life, unread, last_arrival) = (end.life, !end.unread.is_empty(), end.last_arrival);
        let clock = self.lives[life].clock;
        let Some(up) = self.conns[conn].end(side).and_then(End::up) else { return };
        if up.beat != number {
            return;
        }
        let now = clock.shows(now_is).saturating_sub(up.began);
        let mut next = None;
        let mut pings = Vec::new();
        if std::mem::take(&mut up.probe_wanted) {
            up.pings += 1;
            pings.push(up.pings);
            up.heartbeat.pinged(now);
            up.probe = Some((up.pings, now + PROBE));
        }
        let mut verdict = None;
        if let Some((ping, until)) = up.probe {
            let answered = (ping..=up.pings).contains(&up.last_pong);
            if answered || now >= until {
                up.probe = None;
                verdict = Some(answered || unread);
            } else {
                next = Some(until);
            }
        }
        up.heartbeat.sent(up.taken);
        let mut end = None;
        let at = loop {
            match up.heartbeat.poll(now, stuck) {
                Beat::Wait(at) => break at,
                Beat::Ping => {
                    up.pings += 1;
                    pings.push(up.pings);
                    up.heartbeat.pinged(now);
                }
                Beat::Silent(_) if unread => up.heartbeat.defer(now),
                Beat::Silent(silent_for) => {
                    end = Some(SessionEnd::timeout(silent_for));
                    break now;
                }
                Beat::Stalled => {
                    end = Some(EndKind::Overloaded.into());
                    break now;
                }
            }
        };
        let at = up.began + next.map_or(at, |next| at.min(next));
        for ping in pings {
            self.send(conn, side, Frame::Ping(ping));
        }
        if let Some(end) = end {
            self.judge_silence(conn, side, end, last_arrival);
            // A silent peer is told by a reset, which loses what was on its way.
            return self.end_session(conn, side, end, Frame::Reset);
        }
        self.plan_beat(conn, side, clock.when(at, now_is));
        if let Some(alive) = verdict {
            self.probed(conn, side, alive);
        }
    }

    /// Whoever calls a peer silent must have read all that had come from it.
    fn judge_silence(&mut self, conn: ConnIx, side: usize, end: SessionEnd, last_arrival: Time) {
        let heard_lately = self.now - last_arrival < HEARTBEAT.timeout.as_micros() as u64 / 2;
        if end.kind == EndKind::Timeout && heard_lately {
            self.violated("P13", || {
                format!("connection {conn}, side {side}: called silent although it spoke")
            });
        }
    }

    fn probed(&mut self, conn: ConnIx, side: usize, alive: bool) {
        let to = self.conns[conn].nodes[1 - side];
        let Some((life, id)) = self.conns[conn].end(side).map(|end| (end.life, end.id)) else { return };
        self.counts.probes += 1;
        let name = self.names[to].clone();
        self.report(life, |table, now| {
            if alive {
                table.probe_answered(&name, id, now);
            } else {
                table.probe_silent(&name, id, now);
            }
        });
    }

    /// The node reads what has arrived on a connection.
    pub fn read(&mut self, conn: ConnIx, side: usize) {
        while let Some(frame) = self.conns[conn].end(side).and_then(|end| end.unread.pop_front()) {
            match self.conns[conn].end(side).map(|end| &end.stage) {
                Some(Stage::Session(_)) => self.hear(conn, side, frame),
                Some(Stage::Over) | None => return,
                Some(_) if side == ACCEPTOR => self.accept(conn, frame),
                Some(_) => self.call(conn, frame),
            }
        }
    }

    fn hear(&mut self, conn: ConnIx, side: usize, frame: Frame) {
        let Some((life, up)) = self.conns[conn].end(side).and_then(|end| Some((end.life, end.up()?))) else {
            return;
        };
        let clock = self.lives[life].clock;
        up.heartbeat.heard(clock.shows(self.now).saturating_sub(up.began));
        match frame {
            Frame::Data(bytes) => {
                up.line.arrived(bytes);
                self.touch(life);
            }
            Frame::Ping(number) => self.send(conn, side, Frame::Pong(number)),
            Frame::Pong(number) => {
                up.last_pong = up.last_pong.max(number);
                if up.probe.is_some() {
                    self.plan_beat(conn, side, self.now);
                }
            }
            Frame::Goodbye(kind) => self.end_session(conn, side, kind.into(), Frame::Fin),
            Frame::Fin | Frame::Reset => {
                // The other end may not know it yet, and go on: behind a reset there may be a gap.
                self.conns[conn].end(side).into_iter().for_each(|end| end.unread.clear());
                self.end_session(conn, side, EndKind::Closed.into(), Frame::Fin);
            }
            other => self.violated("P8", || format!("{other:?} within a session")),
        }
        self.taken(conn, 1 - side);
    }

    /// The other end has taken something of this side's.
    fn taken(&mut self, conn: ConnIx, side: usize) {
        let now = self.now;
        let Some(life) = self.conns[conn].end(side).map(|end| end.life) else { return };
        let shows = self.lives[life].clock.shows(now);
        if let Some(up) = self.conns[conn].end(side).and_then(End::up) {
            up.taken = shows.saturating_sub(up.began);
        }
    }
}
