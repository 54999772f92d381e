//! Drives the handshakes: carries their bytes, and passes their questions to the tables of peers.

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
    conn::{ACCEPTOR, ConnIx, Established, INITIATOR, InboundHandshake, InstanceIx, NodeIx, Packet, Stage},
    session::{Endpoint, SimSession},
    world::World,
};

/// One end of a connection during its handshake.
#[derive(Clone, Copy)]
struct HandshakeEnd {
    conn: ConnIx,
    side: usize,
    instance: InstanceIx,
    id: ConnId,
    /// The other node.
    to: NodeIx,
}

impl World {
    /// Makes the handshake of a new outbound connection.
    pub fn outbound(&mut self, instance: InstanceIx, to: NodeIx, id: ConnId) -> Stage {
        let identity = &self.instances[instance].identity;
        Stage::Outbound(Box::new(Outbound::new(identity, &self.names[to], id, nonce(&mut self.rng), None)))
    }

    /// Makes the handshake of a new inbound connection.
    pub fn inbound(&mut self, instance: InstanceIx) -> Stage {
        let handshake = Inbound::new(&self.instances[instance].identity, nonce(&mut self.rng), None);
        Stage::Inbound(Box::new(InboundHandshake { handshake, negotiated: None }))
    }

    /// Lets the handshake of that end read the arrived bytes and take its steps.
    pub fn step_handshake(&mut self, conn: ConnIx, side: usize) {
        let to = self.conns[conn].nodes[1 - side];
        let Some(end) = self.conns[conn].end(side) else { return };
        let end_ref = HandshakeEnd { conn, side, instance: end.instance, id: end.id, to };
        match std::mem::replace(&mut end.stage, Stage::Busy) {
            Stage::Outbound(handshake) => self.step_outbound(end_ref, handshake),
            Stage::Inbound(inbound) => self.step_inbound(end_ref, inbound),
            stage => end.stage = stage,
        }
    }

    fn step_outbound(&mut self, end_ref: HandshakeEnd, mut handshake: Box<Outbound>) {
        let HandshakeEnd { conn, side, instance, id, to } = end_ref;
        let name = self.names[to].clone();
        while self.is_busy(end_ref) {
            match handshake.step() {
                Ok(OutboundStep::Send(frame)) => self.send(conn, side, Packet::Bytes(frame)),
                Ok(OutboundStep::Receive) => match self.receive_bytes(end_ref, handshake.frames()) {
                    Received::Bytes => {}
                    Received::Nothing => return self.stage(conn, side, Stage::Outbound(handshake)),
                    Received::End => {
                        return self.dial_over(conn, DialFailure::Failed(EndKind::Refused));
                    }
                },
                Ok(OutboundStep::AskForHello) => {
                    let may = self.report(instance, |table, now| table.hello_written(&name, id, now));
                    handshake.may_say_hello(may);
                }
                Ok(OutboundStep::AskForSession) => {
                    let still_there = self.report(instance, |table, now| table.still_there(&name, id, now));
                    handshake.still_there(still_there);
                }
                Ok(OutboundStep::Accepted(negotiated)) => {
                    if !self.report(instance, |table, now| table.accepted(&negotiated.node, id, now)) {
                        return self.dial_over(conn, DialFailure::Lost);
                    }
                    self.instances[instance].dialing.remove(&to);
                    return self.establish(end_ref, &negotiated, handshake.into_rest());
                }
                Err(error) => {
                    self.check_handshake_error(end_ref, &error);
                    return self.dial_over(conn, error.of_dial());
                }
            }
        }
    }

    fn step_inbound(&mut self, end_ref: HandshakeEnd, mut inbound: Box<InboundHandshake>) {
        let HandshakeEnd { conn, side, instance, id, to } = end_ref;
        let name = self.names[to].clone();
        while self.is_busy(end_ref) {
            let handshake = &mut inbound.handshake;
            match handshake.step() {
                Ok(InboundStep::Send(frame)) => self.send(conn, side, Packet::Bytes(frame)),
                Ok(InboundStep::Receive) => match self.receive_bytes(end_ref, handshake.frames()) {
                    Received::Bytes => {}
                    Received::Nothing => return self.stage(conn, side, Stage::Inbound(inbound)),
                    Received::End => return self.inbound_over(conn),
                },
                Ok(InboundStep::CheckName(_)) => {}
                Ok(InboundStep::Proved(node, dial)) => {
                    self.report(instance, |table, now| table.proved(&node, dial, id, now));
                }
                Ok(InboundStep::AwaitDecision) => {
                    if let Some(decision) =
                        self.conns[conn].end(side).and_then(|end| end.decisions.pop_front())
                    {
                        self.count_decision(decision);
                        handshake.decide(decision);
                        continue;
                    }
                    return match self.receive_bytes(end_ref, handshake.frames()) {
                        Received::Nothing => self.stage(conn, side, Stage::Inbound(inbound)),
                        Received::Bytes | Received::End => self.inbound_over(conn),
                    };
                }
                Ok(InboundStep::Answered(still_there)) => {
                    self.report(instance, |table, now| table.answered(&name, id, still_there, now));
                }
                Ok(InboundStep::Accepted(negotiated)) => inbound.negotiated = Some(negotiated),
                Ok(InboundStep::Established) => {
                    let negotiated = inbound.negotiated.expect("Established follows Accepted");
                    return self.establish(end_ref, &negotiated, inbound.handshake.into_rest());
                }
                Ok(InboundStep::Attach(_)) => unreachable!("no simulated node has channels"),
                Err(error) => {
                    self.check_handshake_error(end_ref, &error);
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

    /// Reports a violation for every error but a refusal: nodes that follow the protocol understand
    /// each other.
    fn check_handshake_error(&mut self, end_ref: HandshakeEnd, error: &HandshakeError) {
        if !matches!(error, HandshakeError::Refused(_) | HandshakeError::Dropped) {
            self.violated("P8", || format!("handshake {}, side {}: {error}", end_ref.conn, end_ref.side));
        }
    }

    /// Whether the handshake may continue: its end was not closed in the meantime.
    fn is_busy(&self, end_ref: HandshakeEnd) -> bool {
        let end = self.conns[end_ref.conn].ends[end_ref.side].as_ref();
        end.is_some_and(|end| matches!(end.stage, Stage::Busy))
    }

    fn receive_bytes(&mut self, end_ref: HandshakeEnd, frames: &mut HandshakeFrames) -> Received {
        let Some(end) = self.conns[end_ref.conn].end(end_ref.side) else { return Received::End };
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

    /// Handles the timeout of a handshake.
    pub fn expire(&mut self, conn: ConnIx, side: usize) {
        let Some(end) = self.conns[conn].end(side) else { return };
        match (&end.stage, side) {
            (Stage::Session(_) | Stage::Over, _) => {}
            (_, INITIATOR) => self.dial_over(conn, DialFailure::Failed(EndKind::SetupTimeout)),
            _ => self.inbound_over(conn),
        }
    }

    /// Ends an inbound connection without a session.
    pub fn inbound_over(&mut self, conn: ConnIx) {
        let name = self.names[self.conns[conn].nodes[INITIATOR]].clone();
        let Some(end) = self.conns[conn].end(ACCEPTOR).filter(|end| !end.is_over()) else { return };
        let (instance, id) = (end.instance, end.id);
        self.hang_up(conn, ACCEPTOR, Packet::Fin);
        self.report(instance, |table, now| table.closed(&name, id, now));
    }

    /// Hands the session to the runtime, unless the table refuses it.
    fn establish(&mut self, end_ref: HandshakeEnd, negotiated: &Negotiated, carried: Vec<u8>) {
        let HandshakeEnd { conn, side, instance, id, to } = end_ref;
        let name = self.names[to].clone();
        let session = SessionId(self.instances[instance].table.number());
        let limits = Limits::between(&self.instances[instance].config, negotiated);
        let service = self.instances[instance].service.clone();
        let endpoint = Endpoint::new(
            (conn, side),
            session,
            service.clone(),
            limits,
            self.instances[instance].node_clock.clone(),
        );
        let up = Established { endpoint: endpoint.clone(), upkeep: Upkeep::new(&limits), poll: 0 };
        // The stage changes first: a probe that was requested during the handshake needs the
        // session.
        self.stage(conn, side, Stage::Session(Box::new(up)));
        if !self.report(instance, |table, now| table.establish(&name, id, now)) {
            self.hang_up(conn, side, Packet::Fin);
            return self.report(instance, |table, now| table.closed(&name, id, now));
        }
        let peer = negotiated.node.clone();
        self.trace(|w| format!("{} has session {session} with {peer} ({conn})", w.instances[instance].id));
        self.counts.sessions += 1;
        if self.instances[instance].sessions.insert(to, conn).is_some() {
            self.violated("P9", || format!("node has two sessions with {peer} at once"));
        }
        let unread = self.conns[conn].end(side).map(|end| std::mem::take(&mut end.unread));
        endpoint.arrive(unread.unwrap_or_default());
        service.events.session(Box::new(SimSession::new(PeerInfo::new(peer, session), endpoint, carried)));
        self.schedule_upkeep(conn, side, self.now);
        self.schedule_run(instance);
    }
}

/// The result of a read for a handshake.
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
