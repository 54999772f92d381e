//! A handshake on the side that was dialed: bytes in, bytes out.

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

/// See the [module](self). Its driver calls [`step`](Self::step) and carries out the returned step,
/// until that is [`Established`](InboundStep::Established), [`Attach`](InboundStep::Attach) or an
/// error.
#[derive(Debug)]
pub struct Inbound {
    local: Arc<Identity>,
    nonce: Nonce,
    binding: Binding,
    frames: HandshakeFrames,
    /// A frame to be written.
    outgoing: Option<Vec<u8>>,
    /// The handshake, once HELLO has arrived.
    acceptor: Option<Acceptor>,
    /// A decision that was made while the peer was asked. It is applied after the answer, so that
    /// both ends process the messages in the same order.
    decided: Option<InboundDecision>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitFirst,
    AwaitProof,
    /// The peer's identity is proved. The table of peers decides.
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
    /// Check that the peer may use that name, as far as the connection can tell.
    CheckName(NodeName),
    /// This is a further connection of a session, with that body of its ATTACH.
    Attach(Vec<u8>),
    /// The peer has proved that it is that node. Report its dial of that number as
    /// [`PeerTable::proved`](crate::proto::peers::table::PeerTable::proved).
    Proved(NodeId, u64),
    /// Wait for a [decision](Inbound::decide). The peer must not send anything before it: bytes
    /// from the peer, or the end of the connection, end the handshake.
    AwaitDecision,
    /// The peer has answered whether it still has the session. Report it as
    /// [`PeerTable::answered`](crate::proto::peers::table::PeerTable::answered).
    Answered(bool),
    /// The peer is about to be accepted, and may open further connections afterwards.
    Accepted(Negotiated),
    /// The acceptance was written.
    Established,
}

impl Inbound {
    /// `nonce`: a random number that is used once. `binding`: the value that identifies the
    /// connection, if it uses TLS.
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

    /// The received bytes.
    pub fn frames(&mut self) -> &mut HandshakeFrames {
        &mut self.frames
    }

    /// The next step of the driver.
    ///
    /// # Errors
    /// The reason why the handshake failed.
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
            // The peer drops its dial, so a decision that was made meanwhile is void.
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

    /// Applies the decision of the table of peers.
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

    /// The bond with which further connections of the accepted session prove that they belong to
    /// it.
    pub(crate) fn bond(&self) -> Option<Bond> {
        self.acceptor.as_ref().map(Acceptor::bond)
    }

    /// The bytes that arrived after the handshake.
    pub fn into_rest(self) -> Vec<u8> {
        self.frames.into_rest()
    }
}
