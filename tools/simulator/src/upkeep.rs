//! Drives the upkeep of each session: heartbeats, silence, probes, and the end of a session that is
//! closed.

use peer_service::{EndKind, SessionEnd};
use transport_tcp::{Heartbeat, proto::connection::upkeep::Step};

use crate::{
    conn::{ConnIx, End, LifeIx, Packet},
    time::Time,
    world::{Event, World},
};

pub const HEARTBEAT: Heartbeat = Heartbeat::normal();

impl World {
    /// Has the upkeep of a session polled then; an earlier plan is void.
    pub fn plan_beat(&mut self, conn: ConnIx, side: usize, at: Time) {
        if let Some(up) = self.conns[conn].end(side).and_then(End::up) {
            up.beat += 1;
            let beat = up.beat;
            self.agenda.plan(at, Event::Beat(conn, side, beat));
        }
    }

    /// Polls the upkeep of a session, and does what it says.
    pub fn beat(&mut self, conn: ConnIx, side: usize, number: u64) {
        let Some(end) = self.conns[conn].end(side) else { return };
        let life = end.life;
        if end.up().is_none_or(|up| up.beat != number) {
            return;
        }
        loop {
            let Some(up) = self.conns[conn].end(side).and_then(End::up) else { return };
            let line = up.line.clone();
            line.write_out();
            line.discard_input();
            match up.upkeep.poll(line.now(), &line.state(), &*line) {
                Step::Wait(at) => {
                    let clock = self.lives[life].clock;
                    let at = at.saturating_add(line.began);
                    self.serve(life);
                    // Serving may have planned another beat.
                    return self.plan_beat(conn, side, clock.when(at, self.now));
                }
                Step::Ping(number) => line.ping(number),
                Step::ProbeAnswered => self.probed(life, conn, side, true),
                Step::ProbeSilent => self.probed(life, conn, side, false),
                Step::EndWriting => self.send(conn, side, Packet::Fin),
                Step::Over => return self.serve(life),
                Step::End(end) => {
                    self.judge_silence(conn, side, end);
                    line.end_now(end);
                    return self.serve(life);
                }
            }
        }
    }

    /// A node that calls a peer silent must have read all that had come from it.
    fn judge_silence(&mut self, conn: ConnIx, side: usize, end: SessionEnd) {
        let last_arrival = self.conns[conn].end(side).map_or(0, |end| end.last_arrival);
        let heard_lately = self.now - last_arrival < HEARTBEAT.timeout.as_micros() as u64 / 2;
        if end.kind == EndKind::Timeout && heard_lately {
            self.violated("P13", || {
                format!("connection {conn}, side {side}: called silent although it spoke")
            });
        }
    }

    fn probed(&mut self, life: LifeIx, conn: ConnIx, side: usize, lives: bool) {
        let name = self.names[self.conns[conn].nodes[1 - side]].clone();
        let Some(id) = self.conns[conn].end(side).map(|end| end.id) else { return };
        self.counts.probes += 1;
        self.report(life, |table, now| {
            if lives {
                table.probe_answered(&name, id, now);
            } else {
                table.probe_silent(&name, id, now);
            }
        });
    }
}
