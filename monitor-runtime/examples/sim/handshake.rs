//! What the two ends of a connection say to each other before it is a session, as `listener` and `dialer` of
//! `transport-tcp` say it.

use peer_service::{EndKind, NodeId, PeerInfo, SessionId};
use transport_tcp::proto::{
    connection::heartbeat::HeartbeatTimer,
    peers::{action::InboundDecision, pairing::Refusal, table::DialFailure},
};

use crate::{
    conn::{ACCEPTOR, ConnIx, Frame, INITIATOR, Stage, Up},
    keeper::HEARTBEAT,
    service::{Line, SimSession},
    transport::SETUP_TIMEOUT,
    world::World,
};

impl World {
    /// The acceptor hears something before there is a session.
    pub fn accept(&mut self, conn: ConnIx, frame: Frame) {
        let Some(end) = self.conns[conn].end(ACCEPTOR) else { return };
        let (life, id) = (end.life, end.id);
        let stage = std::mem::replace(&mut end.stage, Stage::Over);
        let from = self.conns[conn].nodes[INITIATOR];
        match (stage, frame) {
            (Stage::AwaitHello, Frame::Hello { from, number }) => {
                self.conns[conn].ends[ACCEPTOR].iter_mut().for_each(|end| end.peer = Some(from.clone()));
                self.stage(conn, ACCEPTOR, Stage::AwaitProof { number });
                let own = self.lives[life].id.clone();
                self.send(conn, ACCEPTOR, Frame::Challenge { from: own });
            }
            (Stage::AwaitProof { number }, Frame::Proof) => {
                self.stage(conn, ACCEPTOR, Stage::Undecided);
                let peer = self.peer_of(conn, ACCEPTOR);
                self.report(life, |table, now| table.proved(&peer, number, id, now));
            }
            (Stage::AwaitAnswer(decided), Frame::Answer(still_there)) => {
                self.stage(conn, ACCEPTOR, Stage::Undecided);
                let name = self.names[from].clone();
                self.report(life, |table, now| table.answered(&name, id, still_there, now));
                if still_there {
                    // It has hung up, whatever was decided meanwhile.
                    self.newcomer_over(conn);
                } else if let Some(decision) = decided {
                    self.decided(conn, decision);
                }
            }
            // It has hung up, or is gone.
            (stage, _) => {
                self.stage(conn, ACCEPTOR, stage);
                self.newcomer_over(conn);
            }
        }
    }

    /// The initiator hears something before there is a session.
    pub fn call(&mut self, conn: ConnIx, frame: Frame) {
        let to = self.conns[conn].nodes[ACCEPTOR];
        let Some(end) = self.conns[conn].end(INITIATOR) else { return };
        let (life, id) = (end.life, end.id);
        match (&end.stage, frame) {
            (Stage::AwaitChallenge, Frame::Challenge { from }) => {
                end.peer = Some(from);
                end.stage = Stage::AwaitVerdict;
                self.send(conn, INITIATOR, Frame::Proof);
            }
            (Stage::AwaitVerdict, Frame::Accepted) => {
                let peer = self.peer_of(conn, INITIATOR);
                if self.report(life, |table, now| table.accepted(&peer, id, now)) {
                    self.lives[life].dialling.remove(&to);
                    self.establish(conn, INITIATOR);
                } else {
                    self.dial_over(conn, DialFailure::Lost);
                }
            }
            (Stage::AwaitVerdict, Frame::Refused(refusal)) => {
                self.dial_over(conn, refusal.into());
            }
            (Stage::AwaitVerdict, Frame::StillThere) => {
                let name = self.names[to].clone();
                let still_there = self.report(life, |table, now| table.still_there(&name, id, now));
                self.send(conn, INITIATOR, Frame::Answer(still_there));
                if still_there {
                    self.dial_over(conn, DialFailure::Lost);
                }
            }
            _ => self.dial_over(conn, DialFailure::Failed(EndKind::Closed)),
        }
    }

    /// It has taken too long.
    pub fn expire(&mut self, conn: ConnIx, side: usize) {
        let Some(end) = self.conns[conn].end(side) else { return };
        match (&end.stage, side) {
            (Stage::Session(_) | Stage::Over, _) => {}
            (_, INITIATOR) => self.dial_over(conn, DialFailure::Failed(EndKind::SetupTimeout)),
            _ => self.newcomer_over(conn),
        }
    }

    /// An inbound connection is told what was decided about it. What is decided while it is asked is said after its answer.
    pub fn decided(&mut self, conn: ConnIx, decision: InboundDecision) {
        if let Some(Stage::AwaitAnswer(decided)) = self.conns[conn].end(ACCEPTOR).map(|end| &mut end.stage) {
            *decided = Some(decision);
            return;
        }
        match decision {
            InboundDecision::Asked => {
                self.counts.asked += 1;
                self.stage(conn, ACCEPTOR, Stage::AwaitAnswer(None));
                self.send(conn, ACCEPTOR, Frame::StillThere);
            }
            InboundDecision::Refused(refusal) => {
                self.counts.refused(refusal == Refusal::DuplicateName);
                self.send(conn, ACCEPTOR, Frame::Refused(refusal));
                self.newcomer_over(conn);
            }
            InboundDecision::Accepted => {
                self.send(conn, ACCEPTOR, Frame::Accepted);
                self.establish(conn, ACCEPTOR);
            }
        }
    }

    fn newcomer_over(&mut self, conn: ConnIx) {
        let name = self.names[self.conns[conn].nodes[INITIATOR]].clone();
        let Some(end) = self.conns[conn].end(ACCEPTOR) else { return };
        let (life, id) = (end.life, end.id);
        self.hang_up(conn, ACCEPTOR, Frame::Fin);
        self.report(life, |table, now| table.closed(&name, id, now));
    }

    /// Hands the session out, unless it is not wanted any more.
    fn establish(&mut self, conn: ConnIx, side: usize) {
        let peer = self.peer_of(conn, side);
        let to = self.conns[conn].nodes[1 - side];
        let Some(end) = self.conns[conn].end(side) else { return };
        let (life, id) = (end.life, end.id);
        let desk = self.lives[life].desk.clone();
        let name = self.names[to].clone();
        if !self.report(life, |table, now| table.establish(&name, id, now)) {
            self.hang_up(conn, side, Frame::Fin);
            return self.report(life, |table, now| table.closed(&name, id, now));
        }
        let session = SessionId(self.lives[life].table.number());
        let line = Line::new(conn, side, session, desk.clone());
        let clock = self.lives[life].clock;
        self.trace(|w| format!("{} has session {session} with {peer} ({conn})", w.lives[life].id));
        self.counts.sessions += 1;
        if self.lives[life].sessions.insert(to, conn).is_some() {
            self.violated("P9", || format!("node has two sessions with {peer} at once"));
        }
        let up = Up {
            line: line.clone(),
            heartbeat: HeartbeatTimer::new(HEARTBEAT, SETUP_TIMEOUT),
            began: clock.shows(self.now),
            pings: 0,
            last_pong: 0,
            probe_wanted: false,
            probe: None,
            beat: 0,
            taken: Default::default(),
        };
        self.stage(conn, side, Stage::Session(Box::new(up)));
        desk.events.session(Box::new(SimSession { peer: PeerInfo::new(peer, session), line }));
        self.plan_beat(conn, side, self.now);
        self.touch(life);
    }

    fn peer_of(&self, conn: ConnIx, side: usize) -> NodeId {
        let end = self.conns[conn].ends[side].as_ref();
        end.and_then(|end| end.peer.clone()).expect("it has said who it is before anything is decided")
    }
}
