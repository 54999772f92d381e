//! What the two ends of a connection say to each other before it is a session, as `listener` and `dialer` of
//! `transport-tcp` say it.

use peer_service::{EndKind, NodeId, PeerInfo, SessionId};
use smol::channel::bounded;
use transport_tcp::{
    proto::connection::heartbeat::Pulse,
    proto::peers::pairing::{ConnId, Refusal},
    proto::peers::peer::Fate,
};

use crate::{
    conn::{ACCEPTOR, ConnIx, Failed, Frame, INITIATOR, LifeIx, NodeIx, Stage, Up},
    keeper::HEARTBEAT,
    service::{Handle, Line, SimSession},
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
                let (sender, fates) = bounded(2);
                self.stage(conn, ACCEPTOR, Stage::Undecided(fates));
                self.lives[life].undecided.push(conn);
                let peer = self.peer_of(conn, ACCEPTOR);
                self.step(life, from, |known, out| {
                    known.newcomers.push((id, sender));
                    known.pairing.proved(id, peer.incarnation, number, out);
                });
            }
            (Stage::AwaitAnswer(fates), Frame::Answer(still_there)) => {
                self.stage(conn, ACCEPTOR, Stage::Undecided(fates));
                self.step(life, from, |peer, out| peer.pairing.answered(id, still_there, out));
                if still_there {
                    // It has hung up, whatever was decided meanwhile.
                    self.newcomer_over(conn);
                } else {
                    self.tell_fates(life, from);
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
                let incarnation = self.peer_of(conn, INITIATOR).incarnation;
                if self.step(life, to, |peer, _| peer.pairing.accepted(id, incarnation)) {
                    self.lives[life].dialling.remove(&to);
                    self.establish(conn, INITIATOR);
                } else {
                    self.dial_over(conn, Failed::Dropped);
                }
            }
            (Stage::AwaitVerdict, Frame::Refused(refusal)) => {
                self.dial_over(conn, Failed::Refused(refusal));
            }
            (Stage::AwaitVerdict, Frame::StillThere) => {
                let still_there = self.step(life, to, |peer, _| peer.pairing.still_there(id));
                self.send(conn, INITIATOR, Frame::Answer(still_there));
                if still_there {
                    self.dial_over(conn, Failed::Dropped);
                }
            }
            _ => self.dial_over(conn, Failed::With(EndKind::Closed)),
        }
    }

    /// It has taken too long.
    pub fn expire(&mut self, conn: ConnIx, side: usize) {
        let Some(end) = self.conns[conn].end(side) else { return };
        match (&end.stage, side) {
            (Stage::Session(_) | Stage::Over, _) => {}
            (_, INITIATOR) => self.dial_over(conn, Failed::With(EndKind::SetupTimeout)),
            _ => self.newcomer_over(conn),
        }
    }

    /// Newcomers of that name learn what has become of them.
    pub fn tell_fates(&mut self, life: LifeIx, from: NodeIx) {
        let conns = &self.conns;
        let of_name = |conn: &&ConnIx| conns[**conn].nodes[INITIATOR] == from;
        let waiting: Vec<ConnIx> = self.lives[life].undecided.iter().filter(of_name).copied().collect();
        for conn in waiting {
            let Some(Stage::Undecided(fates)) = self.conns[conn].end(ACCEPTOR).map(|end| &end.stage) else {
                continue;
            };
            let fates = fates.clone();
            match fates.try_recv() {
                Ok(Fate::Asked) => {
                    self.counts.asked += 1;
                    self.stage(conn, ACCEPTOR, Stage::AwaitAnswer(fates));
                    self.send(conn, ACCEPTOR, Frame::StillThere);
                }
                Ok(Fate::Refused(refusal)) => {
                    self.counts.refused(refusal == Refusal::DuplicateName);
                    self.send(conn, ACCEPTOR, Frame::Refused(refusal));
                    self.newcomer_over(conn);
                }
                Ok(Fate::Accepted) => {
                    self.lives[life].undecided.retain(|other| *other != conn);
                    self.send(conn, ACCEPTOR, Frame::Accepted);
                    self.establish(conn, ACCEPTOR);
                }
                Err(_) => {}
            }
        }
    }

    fn newcomer_over(&mut self, conn: ConnIx) {
        let from = self.conns[conn].nodes[INITIATOR];
        let Some(end) = self.conns[conn].end(ACCEPTOR) else { return };
        let (life, id) = (end.life, end.id);
        self.lives[life].undecided.retain(|other| *other != conn);
        self.hang_up(conn, ACCEPTOR, Frame::Fin);
        self.closed(life, from, id);
    }

    fn closed(&mut self, life: LifeIx, to: NodeIx, id: ConnId) {
        self.step(life, to, |peer, out| {
            peer.newcomers.retain(|(newcomer, _)| *newcomer != id);
            peer.pairing.closed(id, out);
        });
    }

    /// Hands the session out, unless it is not wanted any more.
    fn establish(&mut self, conn: ConnIx, side: usize) {
        let peer = self.peer_of(conn, side);
        let to = self.conns[conn].nodes[1 - side];
        let Some(end) = self.conns[conn].end(side) else { return };
        let (life, id) = (end.life, end.id);
        let desk = self.lives[life].desk.clone();
        let session = SessionId(self.number(life).0);
        let line = Line::new(conn, side, session, desk.clone());
        let clock = self.lives[life].clock;
        let (handle, now) = (Handle(line.clone()), clock.instant(self.now));
        let wanted = self.step(life, to, |peer, _| {
            let wanted = peer.pairing.session() == Some(id);
            if wanted {
                peer.established(handle, now);
            }
            wanted
        });
        if !wanted {
            self.hang_up(conn, side, Frame::Fin);
            return self.closed(life, to, id);
        }
        self.trace(|w| format!("{} has session {session} with {peer} ({conn})", w.lives[life].id));
        self.counts.sessions += 1;
        if self.lives[life].sessions.insert(to, conn).is_some() {
            self.violated("P9", || format!("node has two sessions with {peer} at once"));
        }
        let up = Up {
            line: line.clone(),
            pulse: Pulse::new(HEARTBEAT, SETUP_TIMEOUT),
            began: clock.shows(self.now),
            pings: 0,
            last_pong: 0,
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
