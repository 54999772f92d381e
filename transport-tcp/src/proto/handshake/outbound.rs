//! A handshake on the side that has dialed: bytes in, bytes out.

use std::{mem, sync::Arc};

use peer_service::NodeName;

use super::{
    HandshakeError, Identity, Negotiated,
    attach::Bond,
    frames::{self, HandshakeFrames},
    initiator::{Decision, Initiator},
    proof::Binding,
};
use crate::proto::{peers::pairing::ConnId, wire::Kind};

/// See the [module](self). Its driver calls [`step`](Self::step) and carries out the returned step,
/// until that is [`Accepted`](OutboundStep::Accepted) or an error.
#[derive(Debug)]
pub struct Outbound {
    initiator: Initiator,
    frames: HandshakeFrames,
    /// A frame to be written.
    outgoing: Option<Vec<u8>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The body of HELLO, which may not be sent yet.
    Hello(Vec<u8>),
    AwaitChallenge,
    AwaitVerdict {
        was_asked: bool,
    },
    /// The peer has asked whether the local node still has the session that the peer has.
    Asked,
    Dropped,
}

/// The next step of the driver.
#[derive(Debug)]
pub enum OutboundStep {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Read into the [frames](Outbound::frames).
    Receive,
    /// Call [`PeerTable::hello_written`](crate::proto::peers::table::PeerTable::hello_written), and
    /// pass the result to [`may_say_hello`](Outbound::may_say_hello).
    AskForHello,
    /// Call [`PeerTable::still_there`](crate::proto::peers::table::PeerTable::still_there), and
    /// pass the result to [`still_there`](Outbound::still_there).
    AskForSession,
    /// The peer has accepted. Report
    /// [`PeerTable::accepted`](crate::proto::peers::table::PeerTable::accepted).
    Accepted(Negotiated),
}

impl Outbound {
    /// The handshake of that dial with that peer. `nonce`: a random number that is used once.
    /// `binding`: the value that identifies the connection, if it uses TLS.
    pub fn new(
        local: &Arc<Identity>,
        peer: &NodeName,
        conn: ConnId,
        nonce: [u8; 32],
        binding: Option<[u8; 32]>,
    ) -> Self {
        let binding = Binding(binding);
        let (initiator, hello) = Initiator::hello(local, peer, conn.0, nonce, binding);
        Outbound { initiator, frames: HandshakeFrames::new(), outgoing: None, state: State::Hello(hello) }
    }

    /// The received bytes.
    pub fn frames(&mut self) -> &mut HandshakeFrames {
        &mut self.frames
    }

    /// The next step of the driver.
    ///
    /// # Errors
    /// The reason why the handshake failed.
    pub fn step(&mut self) -> Result<OutboundStep, HandshakeError> {
        if let Some(frame) = self.outgoing.take() {
            return Ok(OutboundStep::Send(frame));
        }
        match self.state {
            State::Hello(_) => Ok(OutboundStep::AskForHello),
            State::Asked => Ok(OutboundStep::AskForSession),
            State::Dropped => Err(HandshakeError::Dropped),
            State::AwaitChallenge => {
                let Some((kind, body)) = self.frames.next()? else { return Ok(OutboundStep::Receive) };
                let proof = self.initiator.challenge(kind, &body)?;
                self.state = State::AwaitVerdict { was_asked: false };
                Ok(OutboundStep::Send(frames::encode(Kind::Proof, &proof)))
            }
            State::AwaitVerdict { was_asked } => {
                let Some((kind, body)) = self.frames.next()? else { return Ok(OutboundStep::Receive) };
                match self.initiator.verdict(kind, &body)? {
                    Decision::Accepted(negotiated) => Ok(OutboundStep::Accepted(negotiated)),
                    Decision::StillThere if was_asked => Err(HandshakeError::Malformed("asked twice")),
                    Decision::StillThere => {
                        self.state = State::Asked;
                        Ok(OutboundStep::AskForSession)
                    }
                }
            }
        }
    }

    /// Sets whether HELLO may be sent: from then on the dial counts.
    pub fn may_say_hello(&mut self, may: bool) {
        if let State::Hello(hello) = mem::replace(&mut self.state, State::Dropped)
            && may
        {
            self.outgoing = Some(frames::encode(Kind::Hello, &hello));
            self.state = State::AwaitChallenge;
        }
    }

    /// Sets whether this node still has the session for which the peer has asked. If it has, this
    /// handshake ends with the answer.
    pub fn still_there(&mut self, still_there: bool) {
        self.outgoing = Some(frames::encode(Kind::Answer, &self.initiator.answer(still_there)));
        self.state = if still_there { State::Dropped } else { State::AwaitVerdict { was_asked: true } };
    }

    /// The bond with which further connections of the accepted session prove that they belong to
    /// it, and the bytes that arrived after the handshake.
    pub(crate) fn into_session(self) -> (Bond, Vec<u8>) {
        (self.initiator.bond(), self.frames.into_rest())
    }

    /// The bytes that arrived after the handshake.
    pub fn into_rest(self) -> Vec<u8> {
        self.frames.into_rest()
    }
}
