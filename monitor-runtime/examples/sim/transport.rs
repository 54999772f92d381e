//! Sessions between nodes: drives the transport's own rules (`Peer`, `Pairing`) as `hub` and `dialer` of
//! `transport-tcp` drive them over sockets.

use peer_service::{DialId, EndKind, SessionEnd};
use smol::channel::bounded;
use transport_tcp::{
    proto::peers::pairing::{ConnId, Effect, Refusal},
    proto::peers::peer::{Peer, Plan},
};

use crate::{
    conn::{ACCEPTOR, Conn, ConnIx, Dialling, End, Failed, Frame, INITIATOR, LifeIx, NodeIx, Stage},
    service::{Handle, Request},
    time::{MS, SECOND, Time},
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
            let request = desk.requests.lock().pop_front();
            match request {
                Some(Request::Connect(name, dial)) => self.connect(life, self.node_of(&name), dial),
                Some(Request::Disconnect(name)) => self.disconnect(life, self.node_of(&name)),
                None => break,
            }
        }
        let busy = std::mem::take(&mut *desk.busy.lock());
        for line in busy {
            let (frames, close) = line.take_flushed();
            let (conn, side) = (line.conn, line.side);
            for frame in frames {
                self.send(conn, side, Frame::Data(frame));
            }
            match close {
                Some(kind @ (EndKind::Disconnected | EndKind::Left)) => {
                    self.send(conn, side, Frame::Goodbye(kind));
                    self.end_session(conn, side, kind.into(), Frame::Fin);
                }
                Some(kind) => self.end_session(conn, side, kind.into(), Frame::Fin),
                // Perhaps it is to be probed.
                None => self.plan_beat(conn, side, self.now),
            }
        }
    }

    fn connect(&mut self, life: LifeIx, to: NodeIx, dial: DialId) {
        self.step(life, to, |peer, _| {
            if peer.link.is_none() {
                peer.ask(dial, &[]);
            }
        });
    }

    fn disconnect(&mut self, life: LifeIx, to: NodeIx) {
        let link = self.step(life, to, |peer, out| {
            peer.suspend(out);
            peer.link.clone()
        });
        if let Some(Handle(line)) = link {
            self.trace(|w| format!("{} disconnects from {}", w.lives[life].id, w.names[to]));
            self.send(line.conn, line.side, Frame::Goodbye(EndKind::Disconnected));
            self.end_session(line.conn, line.side, EndKind::Disconnected.into(), Frame::Fin);
        }
    }

    /// One step of one peer, and what follows from it.
    pub fn step<R>(
        &mut self,
        life: LifeIx,
        to: NodeIx,
        change: impl FnOnce(&mut Peer<Handle>, &mut Vec<Effect>) -> R,
    ) -> R {
        let now = self.lives[life].clock.instant(self.now);
        let higher = self.lives[life].id.name > self.names[to];
        let peer = self.lives[life].peers.entry(to).or_insert_with(|| Peer::new(higher, false, now));
        let mut effects = Vec::new();
        let result = change(peer, &mut effects);
        let replaced = peer.carry_out(effects);
        if peer.caller.is_some() {
            self.agenda.plan(self.now, Event::Plan(life, to));
        } else if peer.is_wanted() {
            peer.caller = Some(bounded(1).0);
            self.agenda.plan(self.now, Event::Plan(life, to));
        } else if peer.is_forgettable() {
            self.lives[life].peers.remove(&to);
        }
        if let Some(Handle(line)) = replaced {
            self.counts.replaced += 1;
            self.end_session(line.conn, line.side, EndKind::Replaced.into(), Frame::Fin);
        }
        self.tell_fates(life, to);
        self.drop_unwanted_dial(life, to);
        result
    }

    /// What the task that dials a peer does next.
    pub fn plan_dial(&mut self, life: LifeIx, to: NodeIx) {
        let clock = self.lives[life].clock;
        let now = clock.instant(self.now);
        if self.lives[life].dialling.contains_key(&to) {
            return;
        }
        let Some(peer) = self.lives[life].peers.get_mut(&to) else { return };
        let expired = peer.take_expired(now);
        let plan = peer.plan(now, SETUP_TIMEOUT);
        if plan == Plan::Stop {
            peer.caller = None;
            if peer.is_forgettable() {
                self.lives[life].peers.remove(&to);
            }
        }
        self.fail(life, to, expired, EndKind::SetupTimeout);
        match plan {
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
        let conn = self.conns.len();
        let id = self.number(life);
        let (abort, _) = futures::future::AbortHandle::new_pair();
        let task = abort.clone();
        let end = End::new(life, id, Stage::Connecting);
        let nodes = [self.lives[life].node_ix, to];
        self.conns.push(Conn { nodes, ends: [Some(end), None], wires: Default::default() });
        if !self.step(life, to, |peer, _| peer.begin_dial(id, task)) {
            self.conns[conn].ends[INITIATOR] = None;
            // The task looks again as soon as the session that stands is up or over.
            return self.agenda.plan(self.now + MS, Event::Plan(life, to));
        }
        self.counts.dials += 1;
        self.lives[life].dialling.insert(to, Dialling { conn, abort });
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
        let Some(home) = self.homes[to] else { return self.dial_over(conn, Failed::With(EndKind::Refused)) };
        if !self.step(life, to, |peer, _| peer.pairing.hello_written(id)) {
            return self.dial_over(conn, Failed::Dropped);
        }
        let answering = self.number(home);
        self.conns[conn].ends[ACCEPTOR] = Some(End::new(home, answering, Stage::AwaitHello));
        self.stage(conn, INITIATOR, Stage::AwaitChallenge);
        let from = self.lives[life].id.clone();
        self.send(conn, INITIATOR, Frame::Hello { from, number: id.0 });
        let at = self.now + SETUP_TIMEOUT.as_micros() as u64;
        self.agenda.plan(at, Event::Expire(conn, ACCEPTOR));
    }

    /// An own dial has come to nothing.
    pub fn dial_over(&mut self, conn: ConnIx, why: Failed) {
        let to = self.conns[conn].nodes[ACCEPTOR];
        let Some(end) = self.conns[conn].end(INITIATOR).filter(|end| !end.is_over()) else { return };
        let (life, id) = (end.life, end.id);
        self.hang_up(conn, INITIATOR, Frame::Fin);
        self.lives[life].dialling.remove(&to);
        self.step(life, to, |peer, out| peer.pairing.closed(id, out));
        let now = self.lives[life].clock.instant(self.now);
        let random = self.rng.u64(..);
        let failed = match why {
            Failed::Dropped
            | Failed::Refused(Refusal::Simultaneous | Refusal::Superseded | Refusal::StandsAlready) => {
                self.step(life, to, |peer, _| peer.dial_lost(now, random));
                return;
            }
            Failed::Refused(Refusal::DuplicateName) => EndKind::DuplicateName,
            Failed::With(kind) => kind,
        };
        let demand = self.step(life, to, |peer, _| {
            peer.dial_failed(failed, now, random);
            peer.take_demand()
        });
        self.fail(life, to, demand, failed);
    }

    fn fail(&mut self, life: LifeIx, to: NodeIx, dials: Vec<DialId>, kind: EndKind) {
        if dials.is_empty() {
            return;
        }
        self.trace(|w| format!("{} cannot reach {}: {kind:?}", w.lives[life].id, w.names[to]));
        self.counts.failed_dials += 1;
        self.note_break(life, to, kind);
        for dial in dials {
            self.lives[life].desk.events.failed(self.names[to].clone(), dial, kind.into());
        }
        self.touch(life);
    }

    fn drop_unwanted_dial(&mut self, life: LifeIx, to: NodeIx) {
        let dialling = self.lives[life].dialling.get(&to);
        if let Some(conn) = dialling.filter(|dial| dial.abort.is_aborted()).map(|dial| dial.conn) {
            self.dial_over(conn, Failed::Dropped);
        }
    }

    /// The session has ended here. Whoever has noticed that is told by `last`.
    pub fn end_session(&mut self, conn: ConnIx, side: usize, end: SessionEnd, last: Frame) {
        let to = self.conns[conn].nodes[1 - side];
        let Some((life, id)) = self.conns[conn].end(side).map(|end| (end.life, end.id)) else { return };
        let Some(up) = self.conns[conn].end(side).and_then(End::up) else { return };
        let line = up.line.clone();
        // What had arrived before is handed over first; behind a reset there may be a gap.
        let unread =
            self.conns[conn].end(side).map(|end| std::mem::take(&mut end.unread)).unwrap_or_default();
        let whole = unread.into_iter().take_while(|frame| !matches!(frame, Frame::Fin | Frame::Reset));
        for frame in whole {
            if let Frame::Data(frame) = frame {
                line.arrived(frame);
            }
        }
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
        self.lives[life].sessions.remove(&to);
        self.hang_up(conn, side, last);
        let now = self.lives[life].clock.instant(self.now);
        let random = self.rng.u64(..);
        self.step(life, to, |peer, out| {
            if peer.link.as_ref().is_some_and(|link| link.0.conn == conn) {
                peer.session_over(end, now, random);
            }
            peer.pairing.closed(id, out);
        });
        line.end(end);
        self.touch(life);
    }

    /// Whether that end has a session, and nothing has kept it for a while from answering a probe.
    fn could_answer(&self, conn: ConnIx, side: usize) -> bool {
        let end = self.conns[conn].ends[side].as_ref();
        let Some(End { life, stage: Stage::Session(_), .. }) = end else { return false };
        let life = &self.lives[*life];
        let calm = self.cuts.iter().all(Option::is_none) && self.now > self.mended + CALM;
        calm && life.alive && !life.paused && self.now > life.resumed + CALM
    }

    /// This end of the connection is closed; the other end will see it, unless what tells it is lost.
    pub fn hang_up(&mut self, conn: ConnIx, side: usize, last: Frame) {
        let losing = matches!(last, Frame::Reset);
        self.send(conn, side, last);
        self.stage(conn, side, Stage::Over);
        self.conns[conn].wires[side].queue.clear();
        if losing {
            self.lose_tail(conn, 1 - side);
        }
    }

    pub fn stage(&mut self, conn: ConnIx, side: usize, stage: Stage) {
        if let Some(end) = self.conns[conn].end(side) {
            end.stage = stage;
        }
    }

    /// A number for a connection or a session of that node.
    pub fn number(&mut self, life: LifeIx) -> ConnId {
        self.lives[life].numbers += 1;
        ConnId(self.lives[life].numbers)
    }
}
