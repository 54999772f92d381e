//! The side that has dialed: its checks and answers.

use std::sync::Arc;

use peer_service::{Features, NodeId, NodeName};

use super::{
    HandshakeError, Identity, Negotiated,
    attach::Bond,
    messages::{self, Answer, Challenge, Hello, Nonce, Terms, VERSIONS, Verdict},
    proof::{self, Binding, Role, Transcript},
};
use crate::proto::wire::Kind;

/// The decision of the peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The session is accepted.
    Accepted(Negotiated),
    /// The peer asks whether the local node still has the session that the peer has:
    /// [`Initiator::answer`].
    StillThere,
}

/// One handshake on the side that has dialed.
#[derive(Debug)]
pub(crate) struct Initiator {
    me: Arc<Identity>,
    expected: NodeName,
    transcript: Transcript,
    /// The peer as it introduced itself; proved once a VERDICT was verified.
    peer: Option<(NodeId, Features)>,
}

impl Initiator {
    /// Begins a handshake with `expected` on that connection. The returned bytes are the body of
    /// HELLO.
    pub(crate) fn hello(
        me: &Arc<Identity>,
        expected: &NodeName,
        dial: u64,
        nonce: Nonce,
        binding: Binding,
    ) -> (Self, Vec<u8>) {
        let hello = Hello {
            versions: (*VERSIONS.start(), *VERSIONS.end()),
            features: me.features,
            incarnation: me.node.incarnation,
            dial,
            nonce,
            cluster: me.cluster.clone().into_bytes(),
            name: me.node.name.clone(),
            expected: expected.clone(),
        };
        let body = hello.encode();
        let mut transcript = Transcript::new();
        me.keys.bind(&mut transcript, binding);
        transcript.absorb(Kind::Hello, &body);
        (Initiator { me: me.clone(), expected: expected.clone(), transcript, peer: None }, body)
    }

    /// Processes the frame after HELLO; the returned bytes are the body of PROOF.
    pub(crate) fn challenge(&mut self, kind: Kind, body: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        messages::expect(Kind::Challenge, kind, body)?;
        let challenge = Challenge::decode(body)?;
        if !VERSIONS.contains(&challenge.version) {
            return Err(HandshakeError::Version(challenge.version, challenge.version));
        }
        if challenge.features.0 & !self.me.features.0 != 0 {
            return Err(HandshakeError::Malformed("features that we have not offered"));
        }
        if challenge.name != self.expected {
            return Err(HandshakeError::WrongName);
        }
        self.transcript.absorb(Kind::Challenge, body);
        let terms = self.me.terms(challenge.features, self.me.channels.clone());
        self.peer = Some((NodeId::new(challenge.name, challenge.incarnation), challenge.features));
        Ok(self.proved(Kind::Proof, messages::encode(&terms)))
    }

    /// Processes the frame after PROOF or ANSWER.
    pub(crate) fn verdict(&mut self, kind: Kind, body: &[u8]) -> Result<Decision, HandshakeError> {
        messages::expect(Kind::Verdict, kind, body)?;
        let fields = verified(&self.me, Role::Acceptor, &mut self.transcript, Kind::Verdict, body)?;
        match messages::decode(fields)? {
            Verdict::Accepted(Terms { hidden, max_frame, channels }) => {
                let mut own = self.me.channels.iter();
                if !channels.iter().all(|channel| own.any(|own| own == channel)) {
                    return Err(HandshakeError::Malformed("channels that we have not offered"));
                }
                let (node, features) = self.peer.clone().expect("a VERDICT is read after the CHALLENGE");
                Ok(Decision::Accepted(Negotiated { node, hidden, features, max_frame, channels }))
            }
            Verdict::StillThere => Ok(Decision::StillThere),
            Verdict::Refused(refusal) => Err(HandshakeError::Refused(refusal)),
        }
    }

    /// Answers [`Decision::StillThere`]; the returned bytes are the body of ANSWER.
    pub(crate) fn answer(&mut self, still_there: bool) -> Vec<u8> {
        self.proved(Kind::Answer, messages::encode(&Answer { still_there }))
    }

    /// The bond with which further connections of the accepted session prove that they belong to
    /// it.
    pub(crate) fn bond(self) -> Bond {
        Bond::new(self.transcript)
    }

    fn proved(&mut self, kind: Kind, fields: Vec<u8>) -> Vec<u8> {
        proved(&self.me, Role::Initiator, &mut self.transcript, kind, fields)
    }
}

/// Appends the proof of `role` over the transcript and these fields.
pub(super) fn proved(
    me: &Identity,
    role: Role,
    transcript: &mut Transcript,
    kind: Kind,
    mut fields: Vec<u8>,
) -> Vec<u8> {
    transcript.absorb(kind, &fields);
    let proof = me.keys.prove(role, transcript);
    transcript.absorb(kind, &proof);
    fields.extend_from_slice(&proof);
    fields
}

/// Returns the fields of a message, if the proof after them is that of `role` over the transcript
/// and the fields.
pub(super) fn verified<'b>(
    me: &Identity,
    role: Role,
    transcript: &mut Transcript,
    kind: Kind,
    body: &'b [u8],
) -> Result<&'b [u8], HandshakeError> {
    let at =
        body.len().checked_sub(proof::LEN).ok_or(HandshakeError::Malformed("a message without its proof"))?;
    let (fields, proof) = body.split_at(at);
    transcript.absorb(kind, fields);
    let holds = me.keys.verify(role, transcript, proof);
    transcript.absorb(kind, proof);
    if holds { Ok(fields) } else { Err(HandshakeError::Unproved) }
}
