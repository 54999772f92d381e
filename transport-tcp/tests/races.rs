//! The races for which connection becomes the session, each stepped through on the machines that
//! decide it at the two ends: `docs/RACES.md` lists them. `sessions.rs` tests their results over
//! sockets; `pairing_model.rs` checks every order of events.

use refs::Incarnation;
use transport_tcp::proto::peers::pairing::{ConnId, Effect, Pairing, Refusal};

const OLD: Incarnation = Incarnation::new(1).unwrap();
const NEW: Incarnation = Incarnation::new(2).unwrap();
const FIRST: ConnId = ConnId(1);
const SECOND: ConnId = ConnId(2);
const THIRD: ConnId = ConnId(3);

/// The effects of one step.
fn step(pairing: &mut Pairing, input: impl FnOnce(&mut Pairing, &mut Vec<Effect>)) -> Vec<Effect> {
    let mut out = Vec::new();
    input(pairing, &mut out);
    out
}

/// A node dials, and its HELLO is in transit.
fn dial(node: &mut Pairing, conn: ConnId) {
    assert!(node.begin_dial(conn) && node.hello_written(conn));
}

/// The proof of a newcomer arrives.
fn arrives(node: &mut Pairing, conn: ConnId, incarnation: Incarnation, number: u64) -> Vec<Effect> {
    step(node, |node, out| node.proved(conn, incarnation, number, out))
}

/// One end of a session that the node has dialed.
fn with_session(higher: bool, conn: ConnId) -> Pairing {
    let mut node = Pairing::new(higher);
    dial(&mut node, conn);
    assert!(node.accepted(conn, OLD));
    node
}

#[test]
fn r16_of_two_dials_at_once_that_of_the_higher_name_becomes_the_session_and_nobody_goes_down() {
    let (mut lower, mut higher) = (Pairing::new(false), Pairing::new(true));
    dial(&mut lower, FIRST);
    dial(&mut higher, SECOND);
    // Both proofs arrive while both dials are in progress.
    let at_higher = arrives(&mut higher, FIRST, OLD, 1);
    let at_lower = arrives(&mut lower, SECOND, OLD, 1);
    assert_eq!(at_higher, [Effect::Refuse(FIRST, Refusal::Simultaneous)]);
    assert_eq!(at_lower, [Effect::DropDial(FIRST), Effect::Accept(SECOND)]);
    assert!(higher.accepted(SECOND, OLD));
    // The end of the losing connection does not end the session.
    for node in [&mut lower, &mut higher] {
        assert_eq!(step(node, |node, out| node.closed(FIRST, out)), []);
        assert_eq!(node.session(), Some(SECOND));
    }

    // The other node cannot know of a dial whose HELLO is not written yet, so this dial is dropped.
    let mut higher = Pairing::new(true);
    assert!(higher.begin_dial(FIRST));
    assert_eq!(arrives(&mut higher, SECOND, OLD, 1), [Effect::DropDial(FIRST), Effect::Accept(SECOND)]);
    assert!(!higher.hello_written(FIRST), "the dropped dial must not go on");
}

#[test]
fn r17_a_hello_that_arrives_after_the_other_dial_has_won_is_asked_and_dropped() {
    let (mut lower, mut higher) = (Pairing::new(false), Pairing::new(true));
    dial(&mut lower, FIRST); // its HELLO is delayed
    dial(&mut higher, SECOND);
    assert_eq!(arrives(&mut lower, SECOND, OLD, 1), [Effect::DropDial(FIRST), Effect::Accept(SECOND)]);
    assert!(higher.accepted(SECOND, OLD));
    // The late HELLO is asked about the session. Its node has the session, and has closed this
    // dial.
    assert_eq!(arrives(&mut higher, FIRST, OLD, 1), [Effect::AskInbound(FIRST)]);
    assert!(lower.still_there(FIRST));
    assert_eq!(step(&mut higher, |node, out| node.closed(FIRST, out)), []);
    assert_eq!((lower.session(), higher.session()), (Some(SECOND), Some(SECOND)));
    assert_eq!(higher.waiting(), None);
}

#[test]
fn r17b_the_hello_of_a_dial_given_up_never_displaces_a_newer_one_that_waits() {
    let mut node = with_session(true, FIRST);
    assert_eq!(arrives(&mut node, THIRD, OLD, 8), [Effect::AskInbound(THIRD)]);
    assert_eq!(arrives(&mut node, SECOND, OLD, 7), [Effect::Refuse(SECOND, Refusal::Superseded)]);
    assert_eq!(node.waiting(), Some(THIRD));

    // If they arrive in the order of their numbers, the newer one wins, and the older one is
    // refused.
    let mut node = with_session(true, FIRST);
    arrives(&mut node, SECOND, OLD, 7);
    assert_eq!(
        arrives(&mut node, THIRD, OLD, 8),
        [Effect::Refuse(SECOND, Refusal::Superseded), Effect::AskInbound(THIRD)]
    );
    assert_eq!(node.waiting(), Some(THIRD));

    // The order of two incarnations is unknown, and numbers of different incarnations are not
    // comparable.
    assert_eq!(
        arrives(&mut node, SECOND, NEW, 1),
        [Effect::Refuse(THIRD, Refusal::Superseded), Effect::ProbeSession(FIRST)]
    );
}

#[test]
fn r17c_a_session_that_ends_before_the_question_is_answered_makes_room_and_the_late_answer_says_nothing() {
    for still_there in [true, false] {
        let mut node = with_session(true, FIRST);
        assert_eq!(arrives(&mut node, SECOND, OLD, 2), [Effect::AskInbound(SECOND)]);
        assert_eq!(step(&mut node, |node, out| node.closed(FIRST, out)), [Effect::Accept(SECOND)]);
        assert_eq!(step(&mut node, |node, out| node.answered(SECOND, still_there, out)), []);
        assert_eq!((node.session(), node.waiting()), (Some(SECOND), None));
    }
}

#[test]
fn r18_a_session_that_one_end_has_lost_is_ended_at_the_other_before_the_next_is_accepted() {
    let (mut has_lost, mut has_not) = (Pairing::new(false), with_session(true, FIRST));
    dial(&mut has_lost, SECOND);
    assert_eq!(arrives(&mut has_not, SECOND, OLD, 2), [Effect::AskInbound(SECOND)]);
    let answer = has_lost.still_there(SECOND);
    assert!(!answer, "it has none");
    // An impostor may send this answer, so the session is probed as well.
    assert_eq!(
        step(&mut has_not, |node, out| node.answered(SECOND, answer, out)),
        [Effect::ProbeSession(FIRST)]
    );
    assert_eq!(
        step(&mut has_not, |node, out| node.probe_silent(FIRST, out)),
        [Effect::EndSession(FIRST), Effect::Accept(SECOND)],
        "down of the old before up of the new"
    );

    // If it has one, the newcomer is refused: a new HELLO alone never ends a live session.
    let mut both_have = with_session(true, FIRST);
    arrives(&mut both_have, SECOND, OLD, 2);
    assert_eq!(
        step(&mut both_have, |node, out| node.answered(SECOND, true, out)),
        [Effect::Refuse(SECOND, Refusal::StandsAlready)]
    );
    assert_eq!(both_have.session(), Some(FIRST));
}

#[test]
fn r19_a_second_live_node_of_a_name_is_refused_and_the_first_not_disturbed() {
    let mut node = with_session(true, FIRST);
    assert_eq!(arrives(&mut node, SECOND, NEW, 1), [Effect::ProbeSession(FIRST)]);
    assert_eq!(
        step(&mut node, |node, out| node.probe_answered(FIRST, out)),
        [Effect::Refuse(SECOND, Refusal::DuplicateName)]
    );
    assert_eq!((node.session(), node.waiting()), (Some(FIRST), None));

    // A session that does not answer is dead.
    arrives(&mut node, THIRD, NEW, 2);
    assert_eq!(
        step(&mut node, |node, out| node.probe_silent(FIRST, out)),
        [Effect::EndSession(FIRST), Effect::Accept(THIRD)]
    );
}

#[test]
fn r18b_a_newcomer_that_denies_a_session_which_answers_is_refused() {
    let mut node = with_session(true, FIRST);
    assert_eq!(arrives(&mut node, SECOND, OLD, u64::MAX), [Effect::AskInbound(SECOND)]);
    step(&mut node, |node, out| node.answered(SECOND, false, out));
    assert_eq!(
        step(&mut node, |node, out| node.probe_answered(FIRST, out)),
        [Effect::Refuse(SECOND, Refusal::StandsAlready)]
    );
    assert_eq!((node.session(), node.waiting()), (Some(FIRST), None));
}

#[test]
fn r18c_one_probe_runs_at_a_time_and_its_answer_is_for_newcomers_before_it_alone() {
    let mut node = with_session(true, FIRST);
    arrives(&mut node, SECOND, OLD, 2);
    assert_eq!(step(&mut node, |node, out| node.answered(SECOND, false, out)), [Effect::ProbeSession(FIRST)]);
    // Further newcomers neither repeat nor postpone the running probe.
    arrives(&mut node, THIRD, OLD, 3);
    assert_eq!(step(&mut node, |node, out| node.answered(THIRD, false, out)), []);
    // The answer may have been sent before the peer lost the session: the third newcomer needs its
    // own probe.
    assert_eq!(step(&mut node, |node, out| node.probe_answered(FIRST, out)), [Effect::ProbeSession(FIRST)]);
    // Silence, however, began before the third newcomer arrived.
    let mut silent = node.clone();
    arrives(&mut silent, ConnId(4), NEW, 1);
    assert_eq!(
        step(&mut silent, |node, out| node.probe_silent(FIRST, out)),
        [Effect::EndSession(FIRST), Effect::Accept(ConnId(4))]
    );
    // A newcomer that has not answered yet does not benefit from the silence found for another one.
    arrives(&mut node, ConnId(4), OLD, 4);
    assert_eq!(step(&mut node, |node, out| node.probe_silent(FIRST, out)), []);
    assert_eq!(node.session(), Some(FIRST));
}
