//! The side that was dialed: its checks and answers.

use std::{collections::BTreeSet, sync::Arc};

use peer_service::{ChannelId, Features, NodeId};

use super::{
    HandshakeError, Identity, Negotiated,
    attach::Bond,
    initiator::{proved, verified},
    messages::{self, Answer, Challenge, Hello, Nonce, Terms, Verdict},
    proof::{Binding, Role, Transcript},
};
use crate::proto::{peers::pairing::Refusal, wire::Kind};

/// One handshake on the side that was dialed.
#[derive(Debug)]
pub(crate) struct Acceptor {
    me: Arc<Identity>,
    transcript: Transcript,
    peer: NodeId,
    features: Features,
    /// The number of the peer's dial.
    dial: u64,
    terms: Option<Terms>,
}

impl Acceptor {
    /// Processes the first frame of the connection; the returned bytes are the body of CHALLENGE.
    pub(crate) fn hello(
        me: &Arc<Identity>,
        kind: Kind,
        body: &[u8],
        nonce: Nonce,
        binding: Binding,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        expect(Kind::Hello, kind)?;
        let hello = Hello::decode(body)?;
        let version = hello.common_version()?;
        if hello.cluster != me.cluster.as_bytes() {
            return Err(HandshakeError::Cluster);
        }
        if hello.name == me.node.name {
            return Err(HandshakeError::OwnName);
        }
        if hello.expected != me.node.name {
            return Err(HandshakeError::WrongName);
        }
        let features = Features(hello.features.0 & me.features.0);
        let challenge = Challenge {
            version,
            features,
            incarnation: me.node.incarnation,
            nonce,
            name: me.node.name.clone(),
        };
        let answer = challenge.encode();
        let mut transcript = Transcript::new();
        me.keys.bind(&mut transcript, binding);
        transcript.absorb(Kind::Hello, body);
        transcript.absorb(Kind::Challenge, &answer);
        let peer = NodeId::new(hello.name, hello.incarnation);
        Ok((Acceptor { me: me.clone(), transcript, peer, features, dial: hello.dial, terms: None }, answer))
    }

    /// Processes the second frame. From here on the identity of the peer is proved.
    pub(crate) fn proof(&mut self, kind: Kind, body: &[u8]) -> Result<(), HandshakeError> {
        expect(Kind::Proof, kind)?;
        let fields = verified(&self.me, Role::Initiator, &mut self.transcript, Kind::Proof, body)?;
        let mut terms: Terms = messages::decode(fields)?;
        if terms.channels.len() >= ChannelId::LIMIT {
            return Err(HandshakeError::Malformed("more channels than a node may have"));
        }
        let offered = terms.channels.iter().collect::<BTreeSet<_>>().len();
        if offered != terms.channels.len() {
            return Err(HandshakeError::Malformed("a channel twice"));
        }
        terms.channels.retain(|channel| self.me.channels.contains(channel));
        self.terms = Some(terms);
        Ok(())
    }

    /// Accepts; the returned bytes are the body of VERDICT.
    pub(crate) fn accept(&mut self) -> Vec<u8> {
        let channels = self.terms().channels.clone();
        self.verdict(Verdict::Accepted(self.me.terms(self.features, channels)))
    }

    /// Refuses; the returned bytes are the body of VERDICT.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Vec<u8> {
        self.verdict(Verdict::Refused(refusal))
    }

    /// Asks whether the peer still has the session that exists here; the returned bytes are the
    /// body of VERDICT.
    pub(crate) fn ask(&mut self) -> Vec<u8> {
        self.verdict(Verdict::StillThere)
    }

    /// Processes the frame after [`ask`](Self::ask): returns whether the peer still has that
    /// session.
    pub(crate) fn answer(&mut self, kind: Kind, body: &[u8]) -> Result<bool, HandshakeError> {
        expect(Kind::Answer, kind)?;
        let fields = verified(&self.me, Role::Initiator, &mut self.transcript, Kind::Answer, body)?;
        let Answer { still_there } = messages::decode(fields)?;
        Ok(still_there)
    }

    /// The peer; proved only after [`proof`](Self::proof).
    pub(crate) fn peer(&self) -> &NodeId {
        &self.peer
    }

    /// The number of the peer's dial.
    pub(crate) fn dial(&self) -> u64 {
        self.dial
    }

    /// The result of the handshake.
    pub(crate) fn negotiated(&self) -> Negotiated {
        let Terms { hidden, max_frame, channels } = self.terms().clone();
        Negotiated { node: self.peer.clone(), hidden, features: self.features, max_frame, channels }
    }

    /// The bond with which further connections of the accepted session prove that they belong to
    /// it.
    pub(crate) fn bond(&self) -> Bond {
        Bond::new(self.transcript.clone())
    }

    fn terms(&self) -> &Terms {
        self.terms.as_ref().expect("a session follows only on a PROOF")
    }

    fn verdict(&mut self, verdict: Verdict) -> Vec<u8> {
        proved(&self.me, Role::Acceptor, &mut self.transcript, Kind::Verdict, messages::encode(&verdict))
    }
}

fn expect(expected: Kind, kind: Kind) -> Result<(), HandshakeError> {
    if kind == expected { Ok(()) } else { Err(HandshakeError::Malformed("a frame out of place")) }
}
