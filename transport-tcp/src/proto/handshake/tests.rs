use std::sync::{Arc, LazyLock};

use super::proof::Binding;
use super::{
    acceptor::Acceptor,
    inbound::{Inbound, InboundStep},
    initiator::{Decision, Initiator},
    outbound::{Outbound, OutboundStep},
    *,
};
use crate::{
    Secret,
    config::TcpConfig,
    proto::{
        channels,
        connection::{fragment::FRAGMENTS, limits::Limits},
        peers::{
            action::InboundDecision::{self, Accepted, Asked, Refused},
            pairing::{ConnId, Refusal},
        },
        wire::Kind,
    },
};

fn identity(name: &str, incarnation: u64, set: impl FnOnce(TcpConfig) -> TcpConfig) -> Arc<Identity> {
    static SECRET: LazyLock<Secret> = LazyLock::new(Secret::generate);
    let config = set(TcpConfig::new().secret(SECRET.clone()));
    let node = NodeId::new(name.parse().unwrap(), refs::Incarnation::new(incarnation).unwrap());
    Arc::new(Identity::new(node, &config))
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

/// A complete handshake whose messages all pass through `wire`. Returns what a negotiated about b,
/// and b about a.
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
fn both_receive_the_identity_and_the_terms_of_the_other() {
    let (a, b) = (a(), b());
    let (b_negotiated, a_negotiated) = shake(&a, &b, |_, _| {}).unwrap();
    let most = (16 << 20) + (1 << 10);
    let channels = names("bulk control");
    let features = FRAGMENTS;
    assert_eq!(
        b_negotiated,
        Negotiated {
            node: b.node.clone(),
            hidden: false,
            features,
            max_frame: 2048,
            channels: channels.clone()
        }
    );
    assert_eq!(
        a_negotiated,
        Negotiated { node: a.node.clone(), hidden: true, features, max_frame: most, channels }
    );
}

#[test]
fn without_fragments_on_one_side_both_send_frames_that_are_not_cut() {
    let before = |node: Arc<Identity>| {
        let node = Arc::into_inner(node).expect("it has one owner");
        Arc::new(Identity { features: Features(0), max_frame: 1 << 20, ..node })
    };
    for (a, b) in [(a(), before(b())), (before(a()), b())] {
        let (b_negotiated, a_negotiated) = shake(&a, &b, |_, _| {}).unwrap();
        for negotiated in [b_negotiated, a_negotiated] {
            assert_eq!(negotiated.features, Features(0));
            assert!(negotiated.max_frame <= 1 << 20);
            let limits = Limits::between(&TcpConfig::new(), &negotiated);
            assert_eq!((limits.cut_at, limits.max_frame_in), (None, (1 << 20) + channels::OVERHEAD));
            assert_eq!(limits.max_contents_out, negotiated.max_frame as usize);
        }
    }
}

#[test]
fn every_change_on_the_path_is_detected() {
    let mut said = Vec::new();
    shake(&a(), &b(), |kind, body| said.push((kind, body.len()))).unwrap();
    for (which, &(kind, len)) in said.iter().enumerate() {
        // Every bit of every byte, and one additional byte.
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
fn a_proof_of_one_side_is_invalid_for_the_other() {
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

/// The bytes that one side has sent, fed to the other in pieces.
struct Pipes {
    to_b: Vec<u8>,
    to_a: Vec<u8>,
}

/// Moves bytes into the frames of a handshake, as one read does. Returns false if there are none.
fn read(bytes: &mut Vec<u8>, frames: &mut frames::HandshakeFrames, at_once: usize) -> bool {
    let room = frames.room();
    let some = room.len().min(at_once).min(bytes.len());
    room[..some].copy_from_slice(&bytes[..some]);
    frames.filled(some);
    bytes.drain(..some);
    some > 0
}

/// Runs both machines to their ends, or until b waits for a decision that does not come, with these
/// decisions of b's table; a answers the question with `still_there`.
fn run_both(
    decisions: &[InboundDecision],
    still_there: bool,
    at_once: usize,
) -> [Result<Option<Negotiated>, HandshakeError>; 2] {
    let (a, b) = (a(), b());
    let mut outbound = Outbound::new(&a, &b.node.name, ConnId(7), [1; 32], None);
    let mut inbound = Inbound::new(&b, [2; 32], None);
    let mut pipes = Pipes { to_b: Vec::new(), to_a: Vec::new() };
    let mut decisions = decisions.iter();
    let (mut of_a, mut of_b, mut negotiated) = (None, None, None);
    for _ in 0..10_000 {
        if of_a.is_none() {
            match outbound.step() {
                Ok(OutboundStep::Send(frame)) => pipes.to_b.extend(frame),
                Ok(OutboundStep::Receive) => drop(read(&mut pipes.to_a, outbound.frames(), at_once)),
                Ok(OutboundStep::AskForHello) => outbound.may_say_hello(true),
                Ok(OutboundStep::AskForSession) => outbound.still_there(still_there),
                Ok(OutboundStep::Accepted(negotiated)) => of_a = Some(Ok(Some(negotiated))),
                Err(error) => of_a = Some(Err(error)),
            }
        }
        if of_b.is_none() {
            match inbound.step() {
                Ok(InboundStep::Send(frame)) => pipes.to_a.extend(frame),
                Ok(InboundStep::Receive) => drop(read(&mut pipes.to_b, inbound.frames(), at_once)),
                Ok(InboundStep::CheckName(name)) => assert_eq!(name, a.node.name),
                Ok(InboundStep::Proved(node, dial)) => assert_eq!((node, dial), (a.node.clone(), 7)),
                Ok(InboundStep::AwaitDecision) => match decisions.next() {
                    Some(decision) => inbound.decide(*decision),
                    None => of_b = Some(Ok(None)),
                },
                Ok(InboundStep::Answered(answer)) => assert_eq!(answer, still_there),
                Ok(InboundStep::Accepted(with)) => negotiated = Some(with),
                Ok(InboundStep::Established) => of_b = Some(Ok(negotiated.take())),
                Ok(step @ InboundStep::Attach(_)) => panic!("{step:?}"),
                Err(error) => of_b = Some(Err(error)),
            }
        }
    }
    [of_a.expect("a came to an end"), of_b.unwrap_or(Ok(None))]
}

#[test]
fn the_machines_of_both_sides_agree_however_the_bytes_arrive() {
    for at_once in [1, 7, usize::MAX] {
        for decisions in [&[Accepted][..], &[Asked, Accepted]] {
            let [of_a, of_b] = run_both(decisions, false, at_once);
            assert_eq!(of_a.unwrap().unwrap().node, b().node);
            assert_eq!(of_b.unwrap().unwrap().node, a().node);
        }
    }
}

#[test]
fn a_refusal_and_a_session_that_is_still_there_end_both_machines() {
    use HandshakeError::{Dropped, Refused as Refuses};
    let refused = run_both(&[Refused(Refusal::DuplicateName)], false, usize::MAX);
    assert!(matches!(refused, [Err(Refuses(Refusal::DuplicateName)), Err(Refuses(Refusal::DuplicateName))]));
    let still_there = run_both(&[Asked], true, usize::MAX);
    assert!(matches!(still_there, [Err(Dropped), Err(Refuses(Refusal::StandsAlready))]));
    assert!(matches!(
        run_both(&[Asked, Asked], false, usize::MAX)[0],
        Err(HandshakeError::Malformed("asked twice"))
    ));
}

#[test]
fn a_decision_made_while_the_peer_is_asked_is_sent_after_its_answer() {
    let (a, b) = (a(), b());
    let mut outbound = Outbound::new(&a, &b.node.name, ConnId(7), [1; 32], None);
    let mut inbound = Inbound::new(&b, [2; 32], None);
    let sent = |step| match step {
        Ok(OutboundStep::Send(frame)) => frame,
        other => panic!("{other:?}"),
    };
    let answered = |step| match step {
        Ok(InboundStep::Send(frame)) => frame,
        other => panic!("{other:?}"),
    };
    outbound.step().unwrap();
    outbound.may_say_hello(true);
    read(&mut sent(outbound.step()), inbound.frames(), usize::MAX);
    inbound.step().unwrap();
    read(&mut answered(inbound.step()), outbound.frames(), usize::MAX);
    read(&mut sent(outbound.step()), inbound.frames(), usize::MAX);
    inbound.step().unwrap();
    inbound.decide(Asked);
    inbound.decide(Refused(Refusal::Superseded));
    read(&mut answered(inbound.step()), outbound.frames(), usize::MAX);
    assert!(matches!(inbound.step(), Ok(InboundStep::Receive)), "nothing before the answer");
    assert!(matches!(outbound.step(), Ok(OutboundStep::AskForSession)));
    outbound.still_there(false);
    read(&mut sent(outbound.step()), inbound.frames(), usize::MAX);
    assert!(matches!(inbound.step(), Ok(InboundStep::Answered(false))));
    read(&mut answered(inbound.step()), outbound.frames(), usize::MAX);
    assert!(matches!(outbound.step(), Err(HandshakeError::Refused(Refusal::Superseded))));
}

#[test]
fn a_dial_that_is_no_longer_needed_sends_nothing() {
    let mut outbound = Outbound::new(&a(), &b().node.name, ConnId(7), [1; 32], None);
    assert!(matches!(outbound.step(), Ok(OutboundStep::AskForHello)));
    outbound.may_say_hello(false);
    assert!(matches!(outbound.step(), Err(HandshakeError::Dropped)));
}

#[test]
fn a_peer_that_begins_with_tls_is_recognized() {
    let mut inbound = Inbound::new(&b(), [2; 32], None);
    read(&mut vec![0x16, 3, 1], inbound.frames(), usize::MAX);
    assert!(matches!(inbound.step(), Err(HandshakeError::SpeaksTls)));
}
