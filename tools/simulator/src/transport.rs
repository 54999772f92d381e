//! Drives the table of peers of each node: reports what happens to connections, and carries out
//! what the table decides.

use std::{sync::Arc, time::Instant};

use peer_service::{DialId, EndKind, NodeName, Outbox as _, SessionEnd};
use transport_tcp::proto::peers::{
    action::Action,
    pairing::ConnId,
    peer::Plan,
    table::{DialFailure, PeerTable},
};

use crate::{
    conn::{ACCEPTOR, Conn, ConnIx, End, INITIATOR, LifeIx, NodeIx, Packet, Stage},
    service::Request,
    session::{Line, Work},
    time::{SECOND, Time},
    world::{Event, World},
};

/// How long connecting and shaking hands may take together.
pub const SETUP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// By then whatever was held up has arrived, and was answered.
const CALM: Time = 4 * SECOND;

impl World {
    /// Does what the node has left word of.
    pub fn serve(&mut self, life: LifeIx) {
        let desk = self.lives[life].desk.clone();
        loop {
            let busy = std::mem::take(&mut *desk.busy.lock());
            for (conn, side) in &busy {
                self.serve_line(*conn, *side);
            }
            let request = desk.requests.lock().pop_front();
            match request {
                Some(Request::Connect(name, dial)) => self.connect(life, &name, dial),
                Some(Request::Disconnect(name)) => self.disconnect(life, &name),
                None if busy.is_empty() => return,
                None => {}
            }
        }
    }

    /// Carries what an end of a session has written, and sees to its end.
    fn serve_line(&mut self, conn: ConnIx, side: usize) {
        let Some(line) = self.conns[conn].ends[side].as_ref().and_then(|end| end.line().cloned()) else {
            return;
        };
        let Work { written, read, wakes_driver, ended } = line.take_work();
        for bytes in written {
            self.send(conn, side, Packet::Bytes(bytes));
        }
        if read > 0
            && let Some((other, life)) =
                self.conns[conn].ends[1 - side].as_ref().and_then(|end| Some((end.line()?.clone(), end.life)))
        {
            other.untaken_less(read);
            if self.lives[life].alive && !self.lives[life].paused {
                self.serve_line(conn, 1 - side);
            }
        }
        match ended {
            Some(end) => self.session_over(conn, side, end),
            None if wakes_driver => self.plan_beat(conn, side, self.now),
            None => {}
        }
    }

    fn connect(&mut self, life: LifeIx, name: &NodeName, dial: DialId) {
        let session = self.lives[life].table.session(name).and_then(|id| self.line(life, id));
        let is_open = session.is_some_and(|line| line.is_open());
        self.report(life, |table, now| table.connect(&name.clone().into(), dial, is_open, now));
    }

    fn disconnect(&mut self, life: LifeIx, name: &NodeName) {
        let session = self.report(life, |table, now| table.disconnect(name, now));
        let Some(line) = session.and_then(|id| self.line(life, id)) else { return };
        self.trace(|w| format!("{} disconnects from {name}", w.lives[life].id));
        line.close(EndKind::Disconnected);
    }

    /// Reports something to the table of peers of a node, and carries out what it decides.
    pub fn report<R>(&mut self, life: LifeIx, report: impl FnOnce(&mut PeerTable, Instant) -> R) -> R {
        let now = self.lives[life].clock.instant(self.now);
        let result = report(&mut self.lives[life].table, now);
        while let Some(action) = self.lives[life].table.poll_action() {
            self.carry_out(life, action);
        }
        result
    }

    fn carry_out(&mut self, life: LifeIx, action: Action) {
        match action {
            Action::StartDialer(name) | Action::WakeDialer(name) => {
                self.agenda.plan(self.now, Event::Plan(life, self.node_of(&name)));
            }
            Action::DropDial(id) => {
                if let Some((conn, _)) = self.find(life, id) {
                    self.dial_over(conn, DialFailure::Lost);
                }
            }
            Action::Decide(id, decision) => {
                let Some((conn, side)) = self.find(life, id) else { return };
                self.conns[conn].end(side).into_iter().for_each(|end| end.decisions.push_back(decision));
                self.shake(conn, side);
            }
            Action::DropInbound(_) => unreachable!("no simulated node is stopped"),
            Action::ProbeSession(id) => {
                if let Some(line) = self.line(life, id) {
                    line.want_probe();
                    self.touch(life);
                }
            }
            Action::EndSession(id) => {
                if let Some(line) = self.line(life, id) {
                    self.counts.replaced += 1;
                    line.end_now(EndKind::Replaced.into());
                    self.serve_line(line.conn, line.side);
                }
            }
            Action::FailDial(name, dial, kind) => self.fail(life, self.node_of(&name), dial, kind),
        }
    }

    /// The connection of that number of a node, and which side of it the node is.
    fn find(&self, life: LifeIx, id: ConnId) -> Option<(ConnIx, usize)> {
        self.lives[life].conns.get(&id).copied()
    }

    /// The session that the connection of that number has become.
    fn line(&self, life: LifeIx, id: ConnId) -> Option<Arc<Line>> {
        let (conn, side) = self.find(life, id)?;
        self.conns[conn].ends[side].as_ref()?.line().cloned()
    }

    /// What the dialer of a peer does next.
    pub fn plan_dial(&mut self, life: LifeIx, to: NodeIx) {
        if self.lives[life].dialling.contains_key(&to) {
            return;
        }
        let (name, clock) = (self.names[to].clone(), self.lives[life].clock);
        match self.report(life, |table, now| table.plan(&name, now).0) {
            Plan::Stop => {}
            Plan::Sleep(until) => {
                let at = clock.when_instant(until, self.now);
                self.agenda.plan(at, Event::Plan(life, to));
            }
            Plan::Dial(deadline) => {
                let at = clock.when_instant(deadline, self.now);
                self.dial(life, to, at);
            }
        }
    }

    fn dial(&mut self, life: LifeIx, to: NodeIx, deadline: u64) {
        let name = self.names[to].clone();
        let Some(id) = self.report(life, |table, now| table.begin_dial(&name, now)) else {
            let random = self.rng.u64(..);
            return self.report(life, |table, now| table.dial_failed(&name, DialFailure::Lost, now, random));
        };
        let conn = self.conns.len();
        let nodes = [self.lives[life].node_ix, to];
        self.conns.push(Conn { nodes, ends: [None, None], wires: Default::default() });
        self.begin(conn, INITIATOR, End::new(life, id, Stage::Connecting));
        self.counts.dials += 1;
        self.lives[life].dialling.insert(to, conn);
        let round_trip = 2 * self.latency();
        self.agenda.plan(self.now + round_trip, Event::Connect(conn));
        self.agenda.plan(deadline, Event::Expire(conn, INITIATOR));
    }

    /// The network has brought the two ends together, or finds that there is nobody.
    pub fn connected(&mut self, conn: ConnIx) {
        let [from, to] = self.conns[conn].nodes;
        let Some(end) = self.conns[conn].ends[INITIATOR].as_ref().filter(|end| !end.is_over()) else {
            return;
        };
        let (life, id) = (end.life, end.id);
        if self.hosts_down[to] || self.is_cut(from, to) || self.is_cut(to, from) {
            // The system tries again until the dial is given up.
            return self.agenda.plan(self.now + SECOND / 2, Event::Connect(conn));
        }
        let Some(home) = self.homes[to] else {
            return self.dial_over(conn, DialFailure::Failed(EndKind::Refused));
        };
        let answering = ConnId(self.lives[home].table.number());
        let stage = self.inbound(home);
        self.begin(conn, ACCEPTOR, End::new(home, answering, stage));
        let stage = self.outbound(life, to, id);
        self.stage(conn, INITIATOR, stage);
        self.shake(conn, INITIATOR);
        let at = self.now + SETUP_TIMEOUT.as_micros() as u64;
        self.agenda.plan(at, Event::Expire(conn, ACCEPTOR));
    }

    /// That end of a connection begins.
    fn begin(&mut self, conn: ConnIx, side: usize, end: End) {
        self.lives[end.life].conns.insert(end.id, (conn, side));
        self.conns[conn].ends[side] = Some(end);
    }

    /// A dial has failed.
    pub fn dial_over(&mut self, conn: ConnIx, failure: DialFailure) {
        let to = self.conns[conn].nodes[ACCEPTOR];
        let Some(end) = self.conns[conn].end(INITIATOR).filter(|end| !end.is_over()) else { return };
        let (life, id) = (end.life, end.id);
        self.hang_up(conn, INITIATOR, Packet::Fin);
        self.lives[life].dialling.remove(&to);
        let (name, random) = (self.names[to].clone(), self.rng.u64(..));
        self.report(life, |table, now| table.closed(&name, id, now));
        self.report(life, |table, now| table.dial_failed(&name, failure, now, random));
    }

    fn fail(&mut self, life: LifeIx, to: NodeIx, dial: DialId, kind: EndKind) {
        self.trace(|w| format!("{} cannot reach {}: {kind:?}", w.lives[life].id, w.names[to]));
        self.counts.failed_dials += 1;
        self.note_break(life, to, kind);
        self.lives[life].desk.events.failed(self.names[to].clone(), dial, kind.into());
        self.touch(life);
    }

    /// The session has ended at that end.
    fn session_over(&mut self, conn: ConnIx, side: usize, end: SessionEnd) {
        let to = self.conns[conn].nodes[1 - side];
        let Some((life, id)) = self.conns[conn].end(side).map(|end| (end.life, end.id)) else { return };
        self.trace(|w| {
            format!("{} ends its session with {} ({conn}): {end:?}", w.lives[life].id, w.names[to])
        });
        self.counts.ended(end.kind);
        if end.kind == EndKind::Replaced && self.could_answer(conn, 1 - side) {
            self.violated("P9", || {
                format!("a session with {to} ({conn}) was replaced, and its peer has it still")
            });
        }
        self.note_break(life, to, end.kind);
        if self.lives[life].sessions.get(&to) == Some(&conn) {
            self.lives[life].sessions.remove(&to);
        }
        // A peer that does not answer is told by a reset, which loses what was on its way.
        let resets = matches!(end.kind, EndKind::Timeout | EndKind::Overloaded);
        self.hang_up(conn, side, if resets { Packet::Reset } else { Packet::Fin });
        let (name, random) = (self.names[to].clone(), self.rng.u64(..));
        self.report(life, |table, now| table.session_over(&name, id, end, now, random));
        self.touch(life);
    }

    /// Whether that end has a session, and nothing has kept it for a while from answering a probe.
    fn could_answer(&self, conn: ConnIx, side: usize) -> bool {
        let Some(end) = &self.conns[conn].ends[side] else { return false };
        let is_open = end.line().is_some_and(|line| line.is_open());
        let life = &self.lives[end.life];
        let calm = self.cuts.iter().all(Option::is_none) && self.now > self.mended + CALM;
        is_open && calm && life.alive && !life.paused && self.now > life.resumed + CALM
    }

    /// This end of the connection is closed; the other end will see it, unless what tells it is
    /// lost.
    pub fn hang_up(&mut self, conn: ConnIx, side: usize, last: Packet) {
        let losing = matches!(last, Packet::Reset);
        self.send(conn, side, last);
        self.stage(conn, side, Stage::Over);
        self.conns[conn].wires[side].queue.clear();
        if losing {
            self.lose_tail(conn, 1 - side);
        }
    }

    pub fn stage(&mut self, conn: ConnIx, side: usize, stage: Stage) {
        let Some(end) = self.conns[conn].end(side) else { return };
        end.stage = stage;
        if end.is_over() {
            let (life, id) = (end.life, end.id);
            self.lives[life].conns.remove(&id);
        }
    }
}
