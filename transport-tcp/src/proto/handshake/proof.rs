//! Proofs that a node has the secret: HMAC-SHA-256 over the transcript, the role and the
//! connection.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{config::TcpConfig, proto::wire::Kind, secret::Secret};

/// Length of a proof in bytes.
pub(crate) const LEN: usize = 32;

/// The side that proves. A proof of one role is invalid for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Acceptor,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Role::Initiator => b"obit handshake, initiator",
            Role::Acceptor => b"obit handshake, acceptor",
        }
    }
}

/// Identifies a TLS connection: both of its ends compute the same value, and the ends of no other
/// connection do (`tls-exporter`, RFC 9266). Empty on a connection without TLS.
///
/// A relay that terminates TLS has one connection with each of the two nodes, so they compute
/// different values and refuse each other's proofs, also if the relay holds certificates of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding(pub(crate) Option<[u8; LEN]>);

#[cfg(any(test, feature = "fuzzing"))]
impl Binding {
    /// The binding of a connection without TLS.
    pub(crate) const NONE: Binding = Binding(None);
}

/// All messages of both sides so far, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Transcript(Sha256);

impl Transcript {
    pub(crate) fn new() -> Self {
        Transcript(Sha256::new())
    }

    /// A digest of all messages so far. It reveals nothing of the secret.
    pub(crate) fn digest(&self) -> [u8; LEN] {
        self.0.clone().finalize().into()
    }

    /// Binds every later proof to that connection.
    fn bind(&mut self, binding: Binding) {
        /// No frame begins like this: the first byte is not the number of a kind.
        const LABEL: &[u8] = b"obit tls-exporter";
        if let Binding(Some(exported)) = binding {
            self.0.update(LABEL);
            self.0.update(exported);
        }
    }

    pub(crate) fn absorb(&mut self, kind: Kind, body: &[u8]) {
        self.0.update([kind as u8]);
        self.0.update((body.len() as u64).to_be_bytes());
        self.0.update(body);
    }
}

/// The secrets as keys: the first one proves, all verify.
pub(crate) struct Keys {
    prove: Hmac<Sha256>,
    verify: Vec<Hmac<Sha256>>,
    /// Whether the keys are made of a secret, and not of a value that every node has.
    secret: bool,
}

impl Keys {
    pub(crate) fn new(config: &TcpConfig) -> Self {
        /// Without a secret the proofs prove nothing, but both sides still detect different
        /// transcripts.
        const NO_SECRET: &[u8] = b"obit: no secret is configured, whoever can connect may join";
        let secrets = config.secret.iter().chain(&config.also_accept).map(Secret::expose);
        let mut verify: Vec<_> = secrets.map(key).collect();
        let secret = !verify.is_empty();
        if !secret {
            verify.push(key(NO_SECRET));
        }
        Keys { prove: verify[0].clone(), verify, secret }
    }

    /// Binds every later proof over that transcript to that connection. Without a secret any relay
    /// could make new proofs, so they are not bound, and gateways that terminate TLS may be used.
    pub(crate) fn bind(&self, transcript: &mut Transcript, binding: Binding) {
        if self.secret {
            transcript.bind(binding);
        }
    }

    /// The proof that `role` has the secret and has seen `transcript`.
    pub(crate) fn prove(&self, role: Role, transcript: &Transcript) -> [u8; LEN] {
        code(&self.prove, role, transcript)
    }

    /// Whether `proof` is made with one of the secrets. Takes equally long for each of them, and
    /// for none.
    pub(crate) fn verify(&self, role: Role, transcript: &Transcript, proof: &[u8]) -> bool {
        let none = Choice::from(0);
        self.verify.iter().fold(none, |any, key| any | code(key, role, transcript).ct_eq(proof)).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

fn key(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of every length")
}

fn code(key: &Hmac<Sha256>, role: Role, transcript: &Transcript) -> [u8; LEN] {
    let mac = key.clone().chain_update(role.label()).chain_update(transcript.0.clone().finalize());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: u8, also: &[u8]) -> Keys {
        let secret_of = |byte| Secret::new(vec![byte; 32]).unwrap();
        let config = TcpConfig::new().secret(secret_of(secret));
        let config = config.also_accept(also.iter().map(|&byte| secret_of(byte)));
        Keys::new(&config)
    }

    fn transcript_of(body: &[u8]) -> Transcript {
        let mut transcript = Transcript::new();
        transcript.absorb(Kind::Hello, body);
        transcript
    }

    #[test]
    fn a_proof_holds_for_one_secret_one_role_and_one_transcript() {
        let keys_1 = keys(1, &[]);
        let proof = keys_1.prove(Role::Initiator, &transcript_of(b"x"));
        assert!(keys_1.verify(Role::Initiator, &transcript_of(b"x"), &proof));
        assert!(!keys_1.verify(Role::Acceptor, &transcript_of(b"x"), &proof));
        assert!(!keys_1.verify(Role::Initiator, &transcript_of(b"y"), &proof));
        assert!(!keys(2, &[]).verify(Role::Initiator, &transcript_of(b"x"), &proof));
        assert!(!keys_1.verify(Role::Initiator, &transcript_of(b"x"), &proof[..31]));
    }

    #[test]
    fn an_old_secret_is_accepted_but_not_used() {
        let rotating = keys(2, &[1]);
        assert!(rotating.verify(
            Role::Initiator,
            &transcript_of(b"x"),
            &keys(1, &[]).prove(Role::Initiator, &transcript_of(b"x"))
        ));
        assert!(!keys(1, &[]).verify(
            Role::Acceptor,
            &transcript_of(b"x"),
            &rotating.prove(Role::Acceptor, &transcript_of(b"x"))
        ));
    }

    #[test]
    fn a_proof_holds_for_one_tls_connection_unless_there_is_no_secret() {
        let bindings = [Binding::NONE, Binding(Some([1; LEN])), Binding(Some([2; LEN]))];
        let no_secret = Keys::new(&TcpConfig::new());
        for (keys, tells_them_apart) in [(keys(1, &[]), true), (no_secret, false)] {
            let over = |binding| {
                let mut transcript = Transcript::new();
                keys.bind(&mut transcript, binding);
                transcript.absorb(Kind::Hello, b"x");
                transcript
            };
            for (x, y) in bindings.iter().flat_map(|&x| bindings.map(|y| (x, y))) {
                let holds = keys.verify(Role::Initiator, &over(y), &keys.prove(Role::Initiator, &over(x)));
                assert_eq!(holds, x == y || !tells_them_apart, "{x:?} and {y:?}");
            }
        }
    }

    #[test]
    fn the_bounds_of_messages_are_part_of_the_transcript() {
        let mut one = Transcript::new();
        one.absorb(Kind::Hello, b"ab");
        one.absorb(Kind::Hello, b"c");
        let mut other = Transcript::new();
        other.absorb(Kind::Hello, b"a");
        other.absorb(Kind::Hello, b"bc");
        let keys = keys(1, &[]);
        assert_ne!(keys.prove(Role::Initiator, &one), keys.prove(Role::Initiator, &other));
    }
}
