//! Drives the upkeep of each session: heartbeats, timeouts, probes, and the end of a session that
//! is closed.

use peer_service::{EndKind, SessionEnd};
use transport_tcp::{Heartbeat, proto::connection::upkeep::Step};

use crate::{
    conn::{ConnIx, End, InstanceIx, Packet},
    time::Time,
    world::{Event, World},
};

pub const HEARTBEAT: Heartbeat = Heartbeat::normal();

impl World {
    /// Schedules a poll of the upkeep of a session, in place of an earlier one.
    pub fn schedule_upkeep(&mut self, conn: ConnIx, side: usize, at: Time) {
        if let Some(up) = self.conns[conn].end(side).and_then(End::up) {
            up.poll += 1;
            let poll = up.poll;
            self.queue.schedule(at, Event::PollUpkeep(conn, side, poll));
        }
    }

    /// Polls the upkeep of a session, and carries out its steps.
    pub fn poll_upkeep(&mut self, conn: ConnIx, side: usize, number: u64) {
        let Some(end) = self.conns[conn].end(side) else { return };
        let instance = end.instance;
        if end.up().is_none_or(|up| up.poll != number) {
            return;
        }
        loop {
            let Some(up) = self.conns[conn].end(side).and_then(End::up) else { return };
            let endpoint = up.endpoint.clone();
            endpoint.write_out();
            endpoint.discard_input();
            match up.upkeep.poll(endpoint.now(), &endpoint.state(), &*endpoint) {
                Step::Wait(at) => {
                    let clock = self.instances[instance].clock;
                    let at = at.saturating_add(endpoint.began);
                    self.serve(instance);
                    // `serve` may have scheduled another poll.
                    return self.schedule_upkeep(conn, side, clock.when(at, self.now));
                }
                Step::Ping(number) => endpoint.ping(number),
                Step::ProbeAnswered => self.probed(instance, conn, side, true),
                Step::ProbeSilent => self.probed(instance, conn, side, false),
                Step::EndWriting => self.send(conn, side, Packet::Fin),
                Step::Over => return self.serve(instance),
                Step::End(end) => {
                    self.check_silence(conn, side, end);
                    endpoint.end_now(end);
                    return self.serve(instance);
                }
            }
        }
    }

    /// Checks that no peer is reported as silent whose packets arrived recently.
    fn check_silence(&mut self, conn: ConnIx, side: usize, end: SessionEnd) {
        let last_arrival = self.conns[conn].end(side).map_or(0, |end| end.last_arrival);
        let heard_lately = self.now - last_arrival < HEARTBEAT.timeout().as_micros() as u64 / 2;
        if end.kind == EndKind::Timeout && heard_lately {
            self.violated("P13", || {
                format!("connection {conn}, side {side}: reported as silent although packets had arrived")
            });
        }
    }

    fn probed(&mut self, instance: InstanceIx, conn: ConnIx, side: usize, answered: bool) {
        let name = self.names[self.conns[conn].nodes[1 - side]].clone();
        let Some(id) = self.conns[conn].end(side).map(|end| end.id) else { return };
        self.counts.probes += 1;
        self.report(instance, |table, now| {
            if answered {
                table.probe_answered(&name, id, now);
            } else {
                table.probe_silent(&name, id, now);
            }
        });
    }
}
