//! Handshakes with a peer that sends arbitrary bytes, with and without the secret.
//!
//! The first byte input whether the other side has the secret: then a valid proof is appended to
//! the fields of its frames, so that the code behind the proof is reached. The remaining bytes are
//! its frames.

use std::sync::{Arc, LazyLock};

use refs::Incarnation;

use super::next_frame;
use crate::{
    Secret, TcpConfig,
    proto::{
        handshake::{
            Identity, Negotiated,
            acceptor::Acceptor,
            attach::{Attach, Bond},
            frames::MAX_FRAME,
            initiator::{Decision, Initiator},
            proof::{Binding, LEN, Role, Transcript},
        },
        wire::{Kind, MAX_HEADER},
    },
};

const MAX_BODY: usize = MAX_FRAME - MAX_HEADER;

/// The attacked node.
static NODE: LazyLock<Arc<Identity>> = LazyLock::new(|| {
    let secret = Secret::new(vec![7; 32]).expect("it is long enough");
    let channels = ["bulk", "control"].map(|name| name.parse().expect("a name of a channel"));
    let name = "b@h".parse().expect("a name of a node");
    let config = TcpConfig::new().secret(secret).channels(channels);
    let node = refs::NodeId::new(name, Incarnation::new(2).expect("not zero"));
    Arc::new(Identity::new(node, &config))
});

/// The other side of a handshake: its input, and the transcript.
struct Other<'a> {
    role: Role,
    has_secret: bool,
    input: &'a [u8],
    transcript: Transcript,
}

impl<'a> Other<'a> {
    fn new(role: Role, bytes: &'a [u8]) -> Option<Self> {
        let (&first, input) = bytes.split_first()?;
        Some(Other { role, has_secret: first & 1 == 1, input, transcript: Transcript::new() })
    }

    /// Sends the next frame, without a proof.
    fn next(&mut self) -> Option<(Kind, &'a [u8])> {
        let (kind, body) = next_frame(&mut self.input, MAX_BODY)?;
        self.transcript.absorb(kind, body);
        Some((kind, body))
    }

    /// Sends the next frame with a proof, a valid one if this side has the secret.
    fn next_proved(&mut self) -> Option<(Kind, Vec<u8>)> {
        let (kind, body) = next_frame(&mut self.input, MAX_BODY)?;
        let mut body = body.to_vec();
        if self.has_secret {
            self.transcript.absorb(kind, &body);
            let proof = NODE.keys.prove(self.role, &self.transcript);
            self.transcript.absorb(kind, &proof);
            body.extend_from_slice(&proof);
        }
        Some((kind, body))
    }

    fn absorb(&mut self, kind: Kind, body: &[u8]) {
        self.transcript.absorb(kind, body);
    }

    fn absorb_proved(&mut self, kind: Kind, body: &[u8]) {
        let (fields, proof) = body.split_at(body.len() - LEN);
        self.transcript.absorb(kind, fields);
        self.transcript.absorb(kind, proof);
    }

    /// A peer that comes this far has the secret, and only features of this node were agreed.
    fn check(&self, negotiated: &Negotiated) {
        assert!(self.has_secret, "a proof without the secret");
        assert_eq!(negotiated.features.0 & !NODE.features.0, 0);
        assert!(negotiated.channels.iter().all(|channel| NODE.channels.contains(channel)));
        assert!(negotiated.channels.len() <= NODE.channels.len(), "a channel twice");
    }

    /// An invalid proof stays invalid, however often it is repeated.
    fn check_proof(&self, holds: bool) {
        assert!(self.has_secret || !holds, "a proof without the secret");
    }
}

/// This node was dialed: HELLO, PROOF, ANSWER, and a further connection.
pub fn acceptor(bytes: &[u8]) {
    let _ = accept(bytes);
}

fn accept(bytes: &[u8]) -> Option<()> {
    let mut other = Other::new(Role::Initiator, bytes)?;
    let (kind, body) = other.next()?;
    let (mut acceptor, challenge) = Acceptor::hello(&NODE, kind, body, [9; 32], Binding::NONE).ok()?;
    other.absorb(Kind::Challenge, &challenge);

    let (kind, body) = other.next_proved()?;
    let proved = acceptor.proof(kind, &body);
    other.check_proof(proved.is_ok());
    proved.ok()?;

    other.absorb_proved(Kind::Verdict, &acceptor.ask());
    let (kind, body) = other.next_proved()?;
    acceptor.answer(kind, &body).ok()?;
    other.absorb_proved(Kind::Verdict, &acceptor.accept());
    other.check(&acceptor.negotiated());
    attach(&acceptor.bond(), other.input)
}

/// This node has dialed: CHALLENGE, and VERDICTs as long as they ask.
pub fn initiator(bytes: &[u8]) {
    let _ = initiate(bytes);
}

fn initiate(bytes: &[u8]) -> Option<()> {
    let mut other = Other::new(Role::Acceptor, bytes)?;
    let expected = "a@h".parse().expect("a name of a node");
    let (mut initiator, hello) = Initiator::hello(&NODE, &expected, 7, [9; 32], Binding::NONE);
    other.absorb(Kind::Hello, &hello);
    let (kind, body) = other.next()?;
    let proof = initiator.challenge(kind, body).ok()?;
    other.absorb_proved(Kind::Proof, &proof);
    loop {
        let (kind, body) = other.next_proved()?;
        let decision = initiator.verdict(kind, &body);
        other.check_proof(decision.is_ok());
        match decision.ok()? {
            Decision::StillThere => other.absorb_proved(Kind::Answer, &initiator.answer(true)),
            Decision::Accepted(negotiated) => {
                other.check(&negotiated);
                let confirmed = next_frame(&mut other.input, MAX_BODY);
                let (kind, body) = confirmed?;
                let confirmed = initiator.bond().confirmed(&NODE, 1, Binding::NONE, kind, body);
                assert!(confirmed.is_err(), "a proof cannot be guessed");
                return Some(());
            }
        }
    }
}

/// The first frame of a further connection, for a session whose handshake the attacker has not
/// seen.
pub fn attachment(bytes: &[u8]) {
    let expected = "a@h".parse().expect("a name of a node");
    let (initiator, _) = Initiator::hello(&NODE, &expected, 7, [9; 32], Binding::NONE);
    let _ = attach(&initiator.bond(), bytes);
}

fn attach(bond: &Bond, mut input: &[u8]) -> Option<()> {
    let (kind, body) = next_frame(&mut input, MAX_BODY)?;
    if kind != Kind::Attach {
        return None;
    }
    let attach = Attach::read(body).ok()?;
    assert!(bond.verify(&NODE, &attach, Binding::NONE).is_err(), "a proof cannot be guessed");
    Some(())
}
