use std::sync::{Arc, LazyLock};

use super::proof::Binding;
use super::{
    acceptor::Acceptor,
    initiator::{Decision, Initiator},
    *,
};
use crate::{
    Secret,
    config::TcpConfig,
    proto::{
        channels,
        connection::{fragment::FRAGMENTS, limits::Limits},
        peers::pairing::Refusal,
        wire::Kind,
    },
};

fn identity(name: &str, incarnation: u64, set: impl FnOnce(TcpConfig) -> TcpConfig) -> Arc<Identity> {
    static SECRET: LazyLock<Secret> = LazyLock::new(Secret::generate);
    let config = set(TcpConfig::new(name.parse().unwrap()).secret(SECRET.clone()));
    Arc::new(Identity::new(&config, Incarnation::new(incarnation).unwrap()))
}

fn names(text: &str) -> Vec<ChannelName> {
    text.split(' ').map(|name| name.parse().unwrap()).collect()
}

fn a() -> Arc<Identity> {
    identity("a@h", 1, |config| config.hidden(true).channels(names("bulk lonely control")))
}

fn b() -> Arc<Identity> {
    identity("b@h", 2, |config| config.max_frame(2048).channels(names("control other bulk")))
}

/// A whole handshake in which everything said passes through `wire`. What a knows of b, and b of a.
fn shake(
    a: &Arc<Identity>,
    b: &Arc<Identity>,
    mut wire: impl FnMut(Kind, &mut Vec<u8>),
) -> Result<(Negotiated, Negotiated), HandshakeError> {
    let mut pass = |kind, mut body: Vec<u8>| {
        wire(kind, &mut body);
        body
    };
    let (mut initiator, hello) = Initiator::hello(a, &"b@h".parse().unwrap(), 7, [1; 32], Binding::NONE);
    let hello = pass(Kind::Hello, hello);
    let (mut acceptor, challenge) = Acceptor::hello(b, Kind::Hello, &hello, [2; 32], Binding::NONE)?;
    let challenge = pass(Kind::Challenge, challenge);
    let proof = pass(Kind::Proof, initiator.challenge(Kind::Challenge, &challenge)?);
    acceptor.proof(Kind::Proof, &proof)?;
    assert_eq!((acceptor.peer(), acceptor.dial()), (&a.node, 7));

    let asked = pass(Kind::Verdict, acceptor.ask());
    assert_eq!(initiator.verdict(Kind::Verdict, &asked)?, Decision::StillThere);
    let answer = pass(Kind::Answer, initiator.answer(false));
    assert!(!acceptor.answer(Kind::Answer, &answer)?);
    let verdict = pass(Kind::Verdict, acceptor.accept());
    match initiator.verdict(Kind::Verdict, &verdict)? {
        Decision::Accepted(negotiated) => Ok((negotiated, acceptor.negotiated())),
        Decision::StillThere => panic!("asked once is enough"),
    }
}

#[test]
fn both_learn_who_the_other_is_and_what_it_is_like() {
    let (a, b) = (a(), b());
    let (b_as_met, a_as_met) = shake(&a, &b, |_, _| {}).unwrap();
    let most = (16 << 20) + (1 << 10);
    let channels = names("bulk control");
    let features = FRAGMENTS;
    assert_eq!(
        b_as_met,
        Negotiated {
            node: b.node.clone(),
            hidden: false,
            features,
            max_frame: 2048,
            channels: channels.clone()
        }
    );
    assert_eq!(
        a_as_met,
        Negotiated { node: a.node.clone(), hidden: true, features, max_frame: most, channels }
    );
}

#[test]
fn where_one_does_not_understand_fragments_both_send_what_fits_into_one_frame() {
    let before = |node: Arc<Identity>| {
        let node = Arc::into_inner(node).expect("it has one owner");
        Arc::new(Identity { features: Features(0), max_frame: 1 << 20, ..node })
    };
    for (a, b) in [(a(), before(b())), (before(a()), b())] {
        let (b_as_met, a_as_met) = shake(&a, &b, |_, _| {}).unwrap();
        for negotiated in [b_as_met, a_as_met] {
            assert_eq!(negotiated.features, Features(0));
            assert!(negotiated.max_frame <= 1 << 20);
            let limits = Limits::between(&TcpConfig::new("x@h".parse().unwrap()), &negotiated);
            assert_eq!((limits.cut_at, limits.max_frame_in), (None, (1 << 20) + channels::OVERHEAD));
            assert_eq!(limits.max_contents_out, negotiated.max_frame as usize);
        }
    }
}

#[test]
fn whatever_is_changed_on_the_way_is_noticed() {
    let mut said = Vec::new();
    shake(&a(), &b(), |kind, body| said.push((kind, body.len()))).unwrap();
    for (which, &(kind, len)) in said.iter().enumerate() {
        // Every bit of every byte, and one byte more.
        for (at, bit) in (0..=len).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut frame = 0;
            let changed = shake(&a(), &b(), |_, body| {
                if frame == which {
                    body.resize(body.len().max(at + 1), 0);
                    body[at] ^= 1 << bit;
                }
                frame += 1;
            });
            assert!(changed.is_err(), "bit {bit} of byte {at} of {kind:?}");
        }
    }
}

#[test]
fn what_one_has_said_does_not_prove_anything_for_the_other() {
    let (a, b) = (a(), b());
    let (mut initiator, hello) = Initiator::hello(&a, &b.node.name, 7, [1; 32], Binding::NONE);
    let (_, challenge) = Acceptor::hello(&b, Kind::Hello, &hello, [2; 32], Binding::NONE).unwrap();
    let proof = initiator.challenge(Kind::Challenge, &challenge).unwrap();
    assert!(matches!(initiator.verdict(Kind::Verdict, &proof), Err(HandshakeError::Unproved)));
}

#[test]
fn a_refusal_is_proved_as_well() {
    let (a, b) = (a(), b());
    let (mut initiator, hello) = Initiator::hello(&a, &b.node.name, 7, [1; 32], Binding::NONE);
    let (mut acceptor, challenge) = Acceptor::hello(&b, Kind::Hello, &hello, [2; 32], Binding::NONE).unwrap();
    let proof = initiator.challenge(Kind::Challenge, &challenge).unwrap();
    acceptor.proof(Kind::Proof, &proof).unwrap();
    let refused = acceptor.refuse(Refusal::DuplicateName);
    let failure = initiator.verdict(Kind::Verdict, &refused).unwrap_err();
    assert!(matches!(failure, HandshakeError::Refused(Refusal::DuplicateName)));
    assert_eq!(failure.end_kind(), peer_service::EndKind::DuplicateName);
}
