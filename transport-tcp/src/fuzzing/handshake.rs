//! Handshakes with somebody who says anything, with and without the secret.
//!
//! The first byte says whether the other side knows the secret: then a true proof is put behind the
//! fields of its frames, and what comes after the proof is reached. The rest is what it says, in
//! frames.

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
            initiator::{Decision, Initiator},
            messages::MAX_FRAME,
            proof::{Binding, LEN, Role, Transcript},
        },
        wire::{Kind, MAX_HEADER},
    },
};

const MAX_BODY: usize = MAX_FRAME - MAX_HEADER;

/// The node under attack.
static NODE: LazyLock<Arc<Identity>> = LazyLock::new(|| {
    let secret = Secret::new(vec![7; 32]).expect("it is long enough");
    let channels = ["bulk", "control"].map(|name| name.parse().expect("a name of a channel"));
    let name = "b@h".parse().expect("a name of a node");
    let config = TcpConfig::new(name).secret(secret).channels(channels);
    Arc::new(Identity::new(&config, Incarnation::new(2).expect("not zero")))
});

/// The other side of a handshake: what it says, and what was said.
struct Other<'a> {
    role: Role,
    knows_secret: bool,
    says: &'a [u8],
    transcript: Transcript,
}

impl<'a> Other<'a> {
    fn new(role: Role, bytes: &'a [u8]) -> Option<Self> {
        let (&first, says) = bytes.split_first()?;
        Some(Other { role, knows_secret: first & 1 == 1, says, transcript: Transcript::new() })
    }

    /// Says a frame that has no proof.
    fn say(&mut self) -> Option<(Kind, &'a [u8])> {
        let (kind, body) = next_frame(&mut self.says, MAX_BODY)?;
        self.transcript.absorb(kind, body);
        Some((kind, body))
    }

    /// Says a frame that has one: a true one, if this side can make it.
    fn prove(&mut self) -> Option<(Kind, Vec<u8>)> {
        let (kind, body) = next_frame(&mut self.says, MAX_BODY)?;
        let mut body = body.to_vec();
        if self.knows_secret {
            self.transcript.absorb(kind, &body);
            let proof = NODE.keys.prove(self.role, &self.transcript);
            self.transcript.absorb(kind, &proof);
            body.extend_from_slice(&proof);
        }
        Some((kind, body))
    }

    fn hear(&mut self, kind: Kind, body: &[u8]) {
        self.transcript.absorb(kind, body);
    }

    fn hear_proved(&mut self, kind: Kind, body: &[u8]) {
        let (fields, proof) = body.split_at(body.len() - LEN);
        self.transcript.absorb(kind, fields);
        self.transcript.absorb(kind, proof);
    }

    /// Whoever has come this far knows the secret, and nothing was agreed on that this node does
    /// not have.
    fn check(&self, negotiated: &Negotiated) {
        assert!(self.knows_secret, "a proof without the secret");
        assert_eq!(negotiated.features.0 & !NODE.features.0, 0);
        assert!(negotiated.channels.iter().all(|channel| NODE.channels.contains(channel)));
        assert!(negotiated.channels.len() <= NODE.channels.len(), "a channel twice");
    }

    /// A proof that did not hold stays untrue, however often it is said.
    fn check_proof(&self, holds: bool) {
        assert!(self.knows_secret || !holds, "a proof without the secret");
    }
}

/// This node was dialled: HELLO, PROOF, ANSWER, and a further connection.
pub fn acceptor(bytes: &[u8]) {
    let _ = accept(bytes);
}

fn accept(bytes: &[u8]) -> Option<()> {
    let mut other = Other::new(Role::Initiator, bytes)?;
    let (kind, body) = other.say()?;
    let (mut acceptor, challenge) = Acceptor::hello(&NODE, kind, body, [9; 32], Binding::NONE).ok()?;
    other.hear(Kind::Challenge, &challenge);

    let (kind, body) = other.prove()?;
    let proved = acceptor.proof(kind, &body);
    other.check_proof(proved.is_ok());
    proved.ok()?;

    other.hear_proved(Kind::Verdict, &acceptor.ask());
    let (kind, body) = other.prove()?;
    acceptor.answer(kind, &body).ok()?;
    other.hear_proved(Kind::Verdict, &acceptor.accept());
    other.check(&acceptor.negotiated());
    attach(&acceptor.bond(), other.says)
}

/// This node has dialled: CHALLENGE, and VERDICTs as long as they ask.
pub fn initiator(bytes: &[u8]) {
    let _ = initiate(bytes);
}

fn initiate(bytes: &[u8]) -> Option<()> {
    let mut other = Other::new(Role::Acceptor, bytes)?;
    let expected = "a@h".parse().expect("a name of a node");
    let (mut initiator, hello) = Initiator::hello(&NODE, &expected, 7, [9; 32], Binding::NONE);
    other.hear(Kind::Hello, &hello);
    let (kind, body) = other.say()?;
    let proof = initiator.challenge(kind, body).ok()?;
    other.hear_proved(Kind::Proof, &proof);
    loop {
        let (kind, body) = other.prove()?;
        let decision = initiator.verdict(kind, &body);
        other.check_proof(decision.is_ok());
        match decision.ok()? {
            Decision::StillThere => other.hear_proved(Kind::Answer, &initiator.answer(true)),
            Decision::Accepted(negotiated) => {
                other.check(&negotiated);
                let confirmed = next_frame(&mut other.says, MAX_BODY);
                let (kind, body) = confirmed?;
                let confirmed = initiator.bond().confirmed(&NODE, 1, Binding::NONE, kind, body);
                assert!(confirmed.is_err(), "nobody guesses a proof");
                return Some(());
            }
        }
    }
}

/// The first frame of a further connection, to a session of which nothing was heard.
pub fn attachment(bytes: &[u8]) {
    let expected = "a@h".parse().expect("a name of a node");
    let (initiator, _) = Initiator::hello(&NODE, &expected, 7, [9; 32], Binding::NONE);
    let _ = attach(&initiator.bond(), bytes);
}

fn attach(bond: &Bond, mut says: &[u8]) -> Option<()> {
    let (kind, body) = next_frame(&mut says, MAX_BODY)?;
    if kind != Kind::Attach {
        return None;
    }
    let attach = Attach::read(body).ok()?;
    assert!(bond.verify(&NODE, &attach, Binding::NONE).is_err(), "nobody guesses a proof");
    Some(())
}
