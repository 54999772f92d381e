//! Further connections of a session: the proof that they belong to it.
//!
//! ```text
//! initiator                     acceptor
//! ATTACH  session, channel,
//!         proof        ->         checked before anything is kept
//!                               <- ATTACH  proof, once all connections of the session have arrived
//! ```
//! The session is the one whose handshake both nodes have just completed. Its transcript contains a
//! random number of each node, so its proofs are valid for no other session, and each channel is
//! accepted once. With TLS and a secret, a proof is valid for one TLS connection, as in the
//! handshake.

use super::{
    HandshakeError, Identity, messages,
    proof::{self, Binding, Role, Transcript},
};
use crate::proto::wire::Kind;

/// Identifies a session between its ends. An observer on the path can see it.
pub(crate) type BondId = [u8; 32];

/// The knowledge that both ends of a session share after their handshake.
#[derive(Clone, Debug)]
pub(crate) struct Bond {
    transcript: Transcript,
}

impl Bond {
    pub(super) fn new(transcript: Transcript) -> Self {
        Bond { transcript }
    }

    pub(crate) fn id(&self) -> BondId {
        self.transcript.digest()
    }

    /// The body of the initiator's ATTACH for that channel, counted from 1, on that connection.
    pub(crate) fn attach(&self, me: &Identity, channel: u8, binding: Binding) -> Vec<u8> {
        let mut body = self.id().to_vec();
        body.push(channel);
        body.extend_from_slice(&me.keys.prove(Role::Initiator, &self.about(me, channel, binding)));
        body
    }

    /// Checks the proof in such a body, received on that connection.
    pub(crate) fn verify(
        &self,
        me: &Identity,
        attach: &Attach<'_>,
        binding: Binding,
    ) -> Result<(), HandshakeError> {
        let about = self.about(me, attach.channel, binding);
        let holds = me.keys.verify(Role::Initiator, &about, attach.proof);
        if holds { Ok(()) } else { Err(HandshakeError::Unproved) }
    }

    /// The body of the acceptor's ATTACH.
    pub(crate) fn confirm(&self, me: &Identity, channel: u8, binding: Binding) -> Vec<u8> {
        me.keys.prove(Role::Acceptor, &self.about(me, channel, binding)).to_vec()
    }

    /// Checks the acceptor's ATTACH.
    pub(crate) fn confirmed(
        &self,
        me: &Identity,
        channel: u8,
        binding: Binding,
        kind: Kind,
        body: &[u8],
    ) -> Result<(), HandshakeError> {
        messages::expect(Kind::Attach, kind, body)?;
        let holds = me.keys.verify(Role::Acceptor, &self.about(me, channel, binding), body);
        if holds { Ok(()) } else { Err(HandshakeError::Unproved) }
    }

    fn about(&self, me: &Identity, channel: u8, binding: Binding) -> Transcript {
        let mut transcript = self.transcript.clone();
        me.keys.bind(&mut transcript, binding);
        transcript.absorb(Kind::Attach, &[channel]);
        transcript
    }
}

/// A received ATTACH of the initiator.
pub(crate) struct Attach<'a> {
    pub(crate) bond: BondId,
    /// Counted from 1.
    pub(crate) channel: u8,
    proof: &'a [u8],
}

impl<'a> Attach<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, HandshakeError> {
        let malformed = HandshakeError::Malformed("an attachment that cannot be read");
        let Some((bond, rest)) = body.split_first_chunk::<32>() else { return Err(malformed) };
        match rest.split_first() {
            Some((&channel, proof)) if proof.len() == proof::LEN => {
                Ok(Attach { bond: *bond, channel, proof })
            }
            _ => Err(malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::TcpConfig, secret::Secret};

    fn identity(secret: u8) -> Identity {
        let config = TcpConfig::new().secret(Secret::new(vec![secret; 32]).unwrap());
        let node = refs::NodeId::new("a@h".parse().unwrap(), refs::Incarnation::new(1).unwrap());
        Identity::new(node, &config)
    }

    fn bond(said: &[u8]) -> Bond {
        let mut transcript = Transcript::new();
        transcript.absorb(Kind::Hello, said);
        Bond::new(transcript)
    }

    #[test]
    fn an_attachment_is_good_for_one_channel_of_one_session_over_one_connection() {
        let (me, outsider) = (identity(1), identity(2));
        let bond_1 = bond(b"one");
        let (over, over_another) = (Binding(Some([1; 32])), Binding(Some([2; 32])));
        let body = bond_1.attach(&me, 3, over);
        let attach = Attach::read(&body).unwrap();
        assert_eq!((attach.bond, attach.channel), (bond_1.id(), 3));
        assert!(bond_1.verify(&me, &attach, over).is_ok());
        assert!(bond_1.verify(&me, &Attach { channel: 2, ..Attach::read(&body).unwrap() }, over).is_err());
        assert!(bond(b"another").verify(&me, &attach, over).is_err());
        assert!(bond_1.verify(&outsider, &attach, over).is_err());
        assert!(bond_1.verify(&me, &attach, over_another).is_err());
        assert!(bond_1.verify(&me, &attach, Binding::NONE).is_err());
        assert_ne!(bond_1.id(), bond(b"another").id());
    }

    #[test]
    fn the_answer_is_no_reflection_of_the_question() {
        let me = identity(1);
        let bond = bond(b"one");
        let over = Binding(Some([1; 32]));
        let answer = bond.confirm(&me, 1, over);
        assert!(bond.confirmed(&me, 1, over, Kind::Attach, &answer).is_ok());
        assert!(bond.confirmed(&me, 2, over, Kind::Attach, &answer).is_err());
        assert!(bond.confirmed(&me, 1, over, Kind::Verdict, &answer).is_err());
        assert!(bond.confirmed(&me, 1, Binding::NONE, Kind::Attach, &answer).is_err());
        let question = bond.attach(&me, 1, over);
        assert!(bond.confirmed(&me, 1, over, Kind::Attach, &question[33..]).is_err());
    }

    #[test]
    fn an_attachment_that_is_too_short_or_too_long_cannot_be_read() {
        let body = bond(b"one").attach(&identity(1), 1, Binding::NONE);
        for len in 0..body.len() {
            assert!(Attach::read(&body[..len]).is_err(), "{len} bytes");
        }
        assert!(Attach::read(&[body.as_slice(), &[0]].concat()).is_err());
    }
}
