//! A handshake from the side that was dialed: bytes in, bytes out.

use std::sync::Arc;

use peer_service::{NodeId, NodeName};

use super::{
    HandshakeError, Identity, Negotiated,
    acceptor::Acceptor,
    attach::Bond,
    frames::{self, HandshakeFrames},
    messages::Nonce,
    proof::Binding,
};
use crate::proto::{
    peers::{action::InboundDecision, pairing::Refusal},
    wire::Kind,
};

/// See the [module](self). Its driver calls [`step`](Self::step) and does what it says, until that
/// is [`Established`](InboundStep::Established), [`Attach`](InboundStep::Attach) or an error.
#[derive(Debug)]
pub struct Inbound {
    local: Arc<Identity>,
    nonce: Nonce,
    binding: Binding,
    frames: HandshakeFrames,
    /// A frame to be written.
    outgoing: Option<Vec<u8>>,
    /// The handshake, once HELLO has come.
    acceptor: Option<Acceptor>,
    /// The decision that was made while the peer was asked. It is told after the answer, so that
    /// both ends tell and are told the same in the same order.
    decided: Option<InboundDecision>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitFirst,
    AwaitProof,
    /// The peer is who it says it is. The table of peers decides.
    Undecided,
    AwaitAnswer,
    /// VERDICT is to be written.
    Accepting,
    Accepted,
    Refused(Refusal),
}

/// The next step of the driver.
#[derive(Debug)]
pub enum InboundStep {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Read into the [frames](Inbound::frames).
    Receive,
    /// Check that the other end may bear that name, if the connection can tell.
    CheckName(NodeName),
    /// This is a further connection of a session, whose ATTACH has that body.
    Attach(Vec<u8>),
    /// The peer has proved that it is that node. Report its dial of that number as
    /// [`PeerTable::proved`](crate::proto::peers::table::PeerTable::proved).
    Proved(NodeId, u64),
    /// Wait for a [decision](Inbound::decide). The peer says nothing until it is told one: bytes of
    /// it, or the end of the connection, end the handshake.
    AwaitDecision,
    /// The peer has answered whether it still has the session. Report it as
    /// [`PeerTable::answered`](crate::proto::peers::table::PeerTable::answered).
    Answered(bool),
    /// The peer is about to be told that it is accepted, and may begin further connections then.
    Accepted(Negotiated),
    /// The peer was told that it is accepted.
    Established,
}

impl Inbound {
    /// `nonce`: a random number that is used once. `binding`: what identifies the connection, if it
    /// is one with TLS.
    pub fn new(local: &Arc<Identity>, nonce: [u8; 32], binding: Option<[u8; 32]>) -> Self {
        let binding = Binding(binding);
        Inbound {
            local: local.clone(),
            nonce,
            binding,
            frames: HandshakeFrames::new(),
            outgoing: None,
            acceptor: None,
            decided: None,
            state: State::AwaitFirst,
        }
    }

    /// The bytes that have arrived.
    pub fn frames(&mut self) -> &mut HandshakeFrames {
        &mut self.frames
    }

    /// The next step of the driver.
    ///
    /// # Errors
    /// Why the handshake comes to nothing.
    pub fn step(&mut self) -> Result<InboundStep, HandshakeError> {
        if let Some(frame) = self.outgoing.take() {
            return Ok(InboundStep::Send(frame));
        }
        let is_expecting = matches!(self.state, State::AwaitFirst | State::AwaitProof | State::AwaitAnswer);
        if is_expecting {
            let frame = self.frames.next()?;
            return frame.map_or(Ok(InboundStep::Receive), |(kind, body)| self.received(kind, body));
        }
        match (self.state, &mut self.acceptor) {
            (State::Accepting, Some(acceptor)) => {
                let verdict = acceptor.accept();
                self.outgoing = Some(frames::encode(Kind::Verdict, &verdict));
                self.state = State::Accepted;
                Ok(InboundStep::Accepted(acceptor.negotiated()))
            }
            (State::Accepted, _) => Ok(InboundStep::Established),
            (State::Refused(refusal), _) => Err(HandshakeError::Refused(refusal)),
            _ => Ok(InboundStep::AwaitDecision),
        }
    }

    fn received(&mut self, kind: Kind, body: Vec<u8>) -> Result<InboundStep, HandshakeError> {
        let Some(acceptor) = &mut self.acceptor else { return self.first(kind, body) };
        if self.state == State::AwaitProof {
            acceptor.proof(kind, &body)?;
            self.state = State::Undecided;
            return Ok(InboundStep::Proved(acceptor.peer().clone(), acceptor.dial()));
        }
        let still_there = acceptor.answer(kind, &body)?;
        if still_there {
            // The peer has hung up, so a decision that was made meanwhile is void.
            self.state = State::Refused(Refusal::StandsAlready);
        } else {
            self.state = State::Undecided;
            self.decided.take().into_iter().for_each(|decision| self.decide(decision));
        }
        Ok(InboundStep::Answered(still_there))
    }

    fn first(&mut self, kind: Kind, body: Vec<u8>) -> Result<InboundStep, HandshakeError> {
        if kind == Kind::Attach {
            return Ok(InboundStep::Attach(body));
        }
        let (acceptor, challenge) = Acceptor::hello(&self.local, kind, &body, self.nonce, self.binding)?;
        let name = acceptor.peer().name.clone();
        self.outgoing = Some(frames::encode(Kind::Challenge, &challenge));
        self.acceptor = Some(acceptor);
        self.state = State::AwaitProof;
        Ok(InboundStep::CheckName(name))
    }

    /// The table of peers has decided.
    pub fn decide(&mut self, decision: InboundDecision) {
        let Some(acceptor) = &mut self.acceptor else { return };
        if self.state == State::AwaitAnswer {
            self.decided = Some(decision);
            return;
        }
        let verdict = match decision {
            InboundDecision::Accepted => {
                self.state = State::Accepting;
                return;
            }
            InboundDecision::Asked => {
                self.state = State::AwaitAnswer;
                acceptor.ask()
            }
            InboundDecision::Refused(refusal) => {
                self.state = State::Refused(refusal);
                acceptor.refuse(refusal)
            }
        };
        self.outgoing = Some(frames::encode(Kind::Verdict, &verdict));
    }

    /// Whether the peer has sent something although it must wait for a decision.
    pub fn is_interrupted(&self) -> bool {
        self.state == State::Undecided && !self.frames.is_empty()
    }

    /// The bond that further connections of the session prove, once it is accepted.
    pub(crate) fn bond(&self) -> Option<Bond> {
        self.acceptor.as_ref().map(Acceptor::bond)
    }

    /// The bytes that have arrived behind the handshake.
    pub fn into_rest(self) -> Vec<u8> {
        self.frames.into_rest()
    }
}
