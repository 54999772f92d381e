//! Drives the handshakes: carries their bytes, and lets the tables of peers answer their questions.

use peer_service::{EndKind, PeerInfo, SessionId};
use transport_tcp::proto::{
    connection::{limits::Limits, upkeep::Upkeep},
    handshake::{
        HandshakeError, Negotiated,
        frames::HandshakeFrames,
        inbound::{Inbound, InboundStep},
        outbound::{Outbound, OutboundStep},
    },
    peers::{
        action::InboundDecision,
        pairing::{ConnId, Refusal},
        table::DialFailure,
    },
};

use crate::{
    conn::{ACCEPTOR, Answering, ConnIx, INITIATOR, LifeIx, NodeIx, Packet, Stage, Up},
    session::{Line, SimSession},
    world::World,
};

/// One end of a connection whose handshake is at work.
#[derive(Clone, Copy)]
struct Place {
    conn: ConnIx,
    side: usize,
    life: LifeIx,
    id: ConnId,
    /// The other node.
    to: NodeIx,
}

impl World {
    /// The handshake of an outbound connection that has just been made.
    pub fn outbound(&mut self, life: LifeIx, to: NodeIx, id: ConnId) -> Stage {
        let identity = &self.lives[life].identity;
        Stage::Outbound(Box::new(Outbound::new(identity, &self.names[to], id, nonce(&mut self.rng), None)))
    }

    /// The handshake of an inbound connection that has just been made.
    pub fn inbound(&mut self, life: LifeIx) -> Stage {
        let handshake = Inbound::new(&self.lives[life].identity, nonce(&mut self.rng), None);
        Stage::Inbound(Box::new(Answering { handshake, negotiated: None }))
    }

    /// The handshake of that end reads what has arrived, and goes on.
    pub fn shake(&mut self, conn: ConnIx, side: usize) {
        let to = self.conns[conn].nodes[1 - side];
        let Some(end) = self.conns[conn].end(side) else { return };
        let place = Place { conn, side, life: end.life, id: end.id, to };
        match std::mem::replace(&mut end.stage, Stage::Busy) {
            Stage::Outbound(handshake) => self.call(place, handshake),
            Stage::Inbound(answering) => self.answer(place, answering),
            stage => end.stage = stage,
        }
    }

    fn call(&mut self, place: Place, mut handshake: Box<Outbound>) {
        let Place { conn, side, life, id, to } = place;
        let name = self.names[to].clone();
        while self.is_busy(place) {
            match handshake.step() {
                Ok(OutboundStep::Send(frame)) => self.send(conn, side, Packet::Bytes(frame)),
                Ok(OutboundStep::Receive) => match self.receive_bytes(place, handshake.frames()) {
                    Received::Bytes => {}
                    Received::Nothing => return self.stage(conn, side, Stage::Outbound(handshake)),
                    Received::End => {
                        return self.dial_over(conn, DialFailure::Failed(EndKind::Refused));
                    }
                },
                Ok(OutboundStep::AskForHello) => {
                    let may = self.report(life, |table, now| table.hello_written(&name, id, now));
                    handshake.may_say_hello(may);
                }
                Ok(OutboundStep::AskForSession) => {
                    let still_there = self.report(life, |table, now| table.still_there(&name, id, now));
                    handshake.still_there(still_there);
                }
                Ok(OutboundStep::Accepted(negotiated)) => {
                    if !self.report(life, |table, now| table.accepted(&negotiated.node, id, now)) {
                        return self.dial_over(conn, DialFailure::Lost);
                    }
                    self.lives[life].dialling.remove(&to);
                    return self.establish(place, &negotiated, handshake.into_rest());
                }
                Err(error) => {
                    self.judge_handshake(place, &error);
                    return self.dial_over(conn, error.of_dial());
                }
            }
        }
    }

    fn answer(&mut self, place: Place, mut answering: Box<Answering>) {
        let Place { conn, side, life, id, to } = place;
        let name = self.names[to].clone();
        while self.is_busy(place) {
            let handshake = &mut answering.handshake;
            match handshake.step() {
                Ok(InboundStep::Send(frame)) => self.send(conn, side, Packet::Bytes(frame)),
                Ok(InboundStep::Receive) => match self.receive_bytes(place, handshake.frames()) {
                    Received::Bytes => {}
                    Received::Nothing => return self.stage(conn, side, Stage::Inbound(answering)),
                    Received::End => return self.inbound_over(conn),
                },
                Ok(InboundStep::CheckName(_)) => {}
                Ok(InboundStep::Proved(node, dial)) => {
                    self.report(life, |table, now| table.proved(&node, dial, id, now));
                }
                Ok(InboundStep::AwaitDecision) => {
                    if let Some(decision) =
                        self.conns[conn].end(side).and_then(|end| end.decisions.pop_front())
                    {
                        self.count_decision(decision);
                        handshake.decide(decision);
                        continue;
                    }
                    return match self.receive_bytes(place, handshake.frames()) {
                        Received::Nothing => self.stage(conn, side, Stage::Inbound(answering)),
                        Received::Bytes | Received::End => self.inbound_over(conn),
                    };
                }
                Ok(InboundStep::Answered(still_there)) => {
                    self.report(life, |table, now| table.answered(&name, id, still_there, now));
                }
                Ok(InboundStep::Accepted(negotiated)) => answering.negotiated = Some(negotiated),
                Ok(InboundStep::Established) => {
                    let negotiated = answering.negotiated.expect("it was told that it is accepted");
                    return self.establish(place, &negotiated, answering.handshake.into_rest());
                }
                Ok(InboundStep::Attach(_)) => unreachable!("no simulated node has channels"),
                Err(error) => {
                    self.judge_handshake(place, &error);
                    return self.inbound_over(conn);
                }
            }
        }
    }

    fn count_decision(&mut self, decision: InboundDecision) {
        match decision {
            InboundDecision::Accepted => {}
            InboundDecision::Asked => self.counts.asked += 1,
            InboundDecision::Refused(refusal) => self.counts.refused(refusal == Refusal::DuplicateName),
        }
    }

    /// Nodes that keep the rules understand each other.
    fn judge_handshake(&mut self, place: Place, error: &HandshakeError) {
        if !matches!(error, HandshakeError::Refused(_) | HandshakeError::Dropped) {
            self.violated("P8", || format!("handshake {}, side {}: {error}", place.conn, place.side));
        }
    }

    /// Whether the handshake at work is still wanted.
    fn is_busy(&self, place: Place) -> bool {
        let end = self.conns[place.conn].ends[place.side].as_ref();
        end.is_some_and(|end| matches!(end.stage, Stage::Busy))
    }

    fn receive_bytes(&mut self, place: Place, frames: &mut HandshakeFrames) -> Received {
        let Some(end) = self.conns[place.conn].end(place.side) else { return Received::End };
        match end.unread.front_mut() {
            None => Received::Nothing,
            Some(Packet::Fin | Packet::Reset) => Received::End,
            Some(Packet::Bytes(bytes)) => {
                let room = frames.room();
                let some = room.len().min(bytes.len());
                room[..some].copy_from_slice(&bytes[..some]);
                frames.filled(some);
                bytes.drain(..some);
                if bytes.is_empty() {
                    end.unread.pop_front();
                }
                Received::Bytes
            }
        }
    }

    /// The time for a handshake is over.
    pub fn expire(&mut self, conn: ConnIx, side: usize) {
        let Some(end) = self.conns[conn].end(side) else { return };
        match (&end.stage, side) {
            (Stage::Session(_) | Stage::Over, _) => {}
            (_, INITIATOR) => self.dial_over(conn, DialFailure::Failed(EndKind::SetupTimeout)),
            _ => self.inbound_over(conn),
        }
    }

    /// An inbound connection ends without a session.
    pub fn inbound_over(&mut self, conn: ConnIx) {
        let name = self.names[self.conns[conn].nodes[INITIATOR]].clone();
        let Some(end) = self.conns[conn].end(ACCEPTOR).filter(|end| !end.is_over()) else { return };
        let (life, id) = (end.life, end.id);
        self.hang_up(conn, ACCEPTOR, Packet::Fin);
        self.report(life, |table, now| table.closed(&name, id, now));
    }

    /// Hands the session out, unless it is not wanted any more.
    fn establish(&mut self, place: Place, negotiated: &Negotiated, carried: Vec<u8>) {
        let Place { conn, side, life, id, to } = place;
        let name = self.names[to].clone();
        let session = SessionId(self.lives[life].table.number());
        let limits = Limits::between(&self.lives[life].config, negotiated);
        let desk = self.lives[life].desk.clone();
        let line =
            Line::new((conn, side), session, desk.clone(), limits, self.lives[life].node_clock.clone());
        let up = Up { line: line.clone(), upkeep: Upkeep::new(&limits), beat: 0 };
        // What was probed meanwhile is probed as soon as there is a session.
        self.stage(conn, side, Stage::Session(Box::new(up)));
        if !self.report(life, |table, now| table.establish(&name, id, now)) {
            self.hang_up(conn, side, Packet::Fin);
            return self.report(life, |table, now| table.closed(&name, id, now));
        }
        let peer = negotiated.node.clone();
        self.trace(|w| format!("{} has session {session} with {peer} ({conn})", w.lives[life].id));
        self.counts.sessions += 1;
        if self.lives[life].sessions.insert(to, conn).is_some() {
            self.violated("P9", || format!("node has two sessions with {peer} at once"));
        }
        let unread = self.conns[conn].end(side).map(|end| std::mem::take(&mut end.unread));
        line.arrive(unread.unwrap_or_default());
        desk.events.session(Box::new(SimSession::new(PeerInfo::new(peer, session), line, carried)));
        self.plan_beat(conn, side, self.now);
        self.touch(life);
    }
}

/// What was read for a handshake.
enum Received {
    Bytes,
    Nothing,
    End,
}

fn nonce(rng: &mut fastrand::Rng) -> [u8; 32] {
    let mut nonce = [0; 32];
    rng.fill(&mut nonce);
    nonce
}
