//! The operations of the in-memory network: each has its effect, at its time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use peer_service::{
    Capabilities, DialId, EndKind, FrameBuf, FrameMeta, NodeName, PeerEvent, PeerService, Session,
    SessionEnd,
    memory::{Join, MemoryService, Network, Settings},
};

const TIMEOUT: Duration = Duration::from_secs(5);

fn name(label: &str) -> NodeName {
    format!("{label}@memory").parse().unwrap()
}

type Live = Box<dyn Session>;

/// The event that is ready: no test here takes real time.
fn event(service: &Arc<MemoryService>) -> Option<PeerEvent> {
    service.next().now_or_never().flatten()
}

fn session(service: &Arc<MemoryService>) -> Live {
    match event(service) {
        Some(PeerEvent::Session(session)) => session,
        Some(PeerEvent::Failed { end, .. }) => panic!("the dial failed: {end}"),
        None => panic!("no session"),
    }
}

fn failure(service: &Arc<MemoryService>) -> EndKind {
    match event(service) {
        Some(PeerEvent::Failed { end, .. }) => end.kind,
        Some(PeerEvent::Session(_)) => panic!("a session"),
        None => panic!("the dial was not answered"),
    }
}

fn say(session: &Live, text: &str) {
    let outbox = session.outbox();
    outbox.push(FrameMeta::SIGNAL, &mut |frame| frame.extend_from_slice(text.as_bytes())).unwrap();
    outbox.flush();
}

/// The frames that can be received now; `None` if the call waits.
fn hear(session: &mut Live) -> Option<Result<Vec<String>, SessionEnd>> {
    let mut frames = FrameBuf::new();
    let result = session.recv(&mut frames).now_or_never()?;
    Some(result.map(|()| frames.iter().map(|frame| String::from_utf8(frame.to_vec()).unwrap()).collect()))
}

fn expect(session: &mut Live, text: &str) {
    assert_eq!(hear(session), Some(Ok(vec![text.to_owned()])));
}

fn expect_end(session: &mut Live, kind: EndKind) {
    match hear(session) {
        Some(Err(end)) => assert_eq!(end.kind, kind),
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}

/// Two nodes with a session.
struct Pair {
    network: Network,
    a: Arc<MemoryService>,
    b: Arc<MemoryService>,
    at_a: Live,
    at_b: Live,
}

fn pair() -> Pair {
    let network = Network::new();
    let (a, b) = (network.join(name("a")), network.join(name("b")));
    a.connect(&name("b").into(), DialId(1));
    let (at_a, at_b) = (session(&a), session(&b));
    Pair { network, a, b, at_a, at_b }
}

#[test]
fn an_idle_link_stays_up() {
    let mut pair = pair();
    pair.network.advance(TIMEOUT * 100);
    say(&pair.at_a, "still here");
    expect(&mut pair.at_b, "still here");
}

#[test]
fn a_cut_link_keeps_what_is_on_its_way_until_it_is_healed() {
    let mut pair = pair();
    pair.network.cut(&name("a"), &name("b"));
    say(&pair.at_a, "late");
    pair.network.advance(TIMEOUT - Duration::from_millis(1));
    assert_eq!(hear(&mut pair.at_b), None);
    pair.network.heal(&name("a"), &name("b"));
    expect(&mut pair.at_b, "late");
    pair.network.advance(TIMEOUT * 2);
    assert_eq!(hear(&mut pair.at_b), None, "bytes arrive again, so it is still open");
}

#[test]
fn a_silence_is_detected_at_its_time_and_measured() {
    let mut pair = pair();
    pair.network.advance(Duration::from_secs(100));
    pair.network.cut(&name("a"), &name("b"));
    pair.network.advance(TIMEOUT - Duration::from_millis(1));
    assert_eq!(hear(&mut pair.at_a), None);
    pair.network.advance(Duration::from_secs(60));
    assert_eq!(hear(&mut pair.at_a), Some(Err(SessionEnd::timeout(TIMEOUT))));
    assert_eq!(hear(&mut pair.at_b), Some(Err(SessionEnd::timeout(TIMEOUT))));
}

#[test]
fn if_one_direction_is_cut_the_other_still_delivers() {
    let mut pair = pair();
    pair.network.cut_one_way(&name("a"), &name("b"));
    say(&pair.at_b, "hello?");
    expect(&mut pair.at_a, "hello?");
    pair.network.advance(TIMEOUT);
    expect_end(&mut pair.at_b, EndKind::Timeout);
    expect_end(&mut pair.at_a, EndKind::Closed);
}

#[test]
fn delayed_frames_arrive_in_order_at_their_time() {
    let mut pair = pair();
    pair.network.delay(&name("a"), &name("b"), Duration::from_millis(200));
    say(&pair.at_a, "1");
    pair.network.advance(Duration::from_millis(100));
    say(&pair.at_a, "2");
    assert_eq!(hear(&mut pair.at_b), None);
    pair.network.advance(Duration::from_millis(100));
    expect(&mut pair.at_b, "1");
    pair.network.advance(Duration::from_millis(100));
    expect(&mut pair.at_b, "2");
}

#[test]
fn a_frozen_node_is_timed_out_and_reads_before_it_ends_sessions() {
    let mut pair = pair();
    let c = pair.network.join(name("c"));
    c.connect(&name("b").into(), DialId(1));
    let (at_c, mut b_to_c) = (session(&c), session(&pair.b));
    pair.network.freeze(&name("b"));
    say(&pair.at_b, "pushed by b while it is frozen");
    say(&at_c, "for later");
    // a ends its session with b; the link to c carries bytes again in time.
    pair.network.advance(TIMEOUT - Duration::from_millis(1));
    assert_eq!(hear(&mut pair.at_a), None);
    assert_eq!(hear(&mut b_to_c), None);
    pair.network.thaw(&name("b"));
    expect(&mut b_to_c, "for later");
    expect(&mut pair.at_a, "pushed by b while it is frozen");

    pair.network.freeze(&name("b"));
    pair.network.advance(TIMEOUT);
    expect_end(&mut pair.at_a, EndKind::Timeout);
    assert_eq!(hear(&mut pair.at_b), None, "it ends no session while it is frozen");
    pair.network.thaw(&name("b"));
    expect_end(&mut pair.at_b, EndKind::Closed);
}

#[test]
fn a_dial_waits_for_a_path_until_its_time_is_over() {
    let network = Network::new();
    let (a, b) = (network.join(name("a")), network.join(name("b")));
    network.cut(&name("a"), &name("b"));
    a.connect(&name("b").into(), DialId(1));
    network.advance(Settings::default().get_setup_timeout() - Duration::from_millis(1));
    assert!(event(&a).is_none());
    network.heal(&name("a"), &name("b"));
    drop((session(&a), session(&b)));

    network.freeze(&name("b"));
    a.connect(&name("b").into(), DialId(2));
    network.advance(Settings::default().get_setup_timeout());
    assert_eq!(failure(&a), EndKind::SetupTimeout);
}

#[test]
fn a_restarted_node_is_another_incarnation() {
    let mut pair = pair();
    pair.network.crash(&name("b"));
    expect_end(&mut pair.at_a, EndKind::Closed);
    assert!(pair.b.next().now_or_never().unwrap().is_none());
    let again = pair.network.join(name("b"));
    pair.a.connect(&name("b").into(), DialId(2));
    let at_a = session(&pair.a);
    assert_eq!(at_a.peer().node, *again.local());
    assert_ne!(again.local().incarnation, pair.b.local().incarnation);
}

#[test]
fn a_second_live_node_of_a_name_does_not_disturb_the_first() {
    let mut pair = pair();
    let newcomer = pair.network.join(name("b"));
    newcomer.connect(&name("a").into(), DialId(1));
    assert_eq!(failure(&newcomer), EndKind::DuplicateName);
    say(&pair.at_a, "you and I");
    expect(&mut pair.at_b, "you and I");
}

#[test]
fn a_session_that_only_one_end_has_lost_is_replaced() {
    let mut pair = pair();
    pair.network.cut(&name("a"), &name("b"));
    pair.at_a.outbox().close(EndKind::Protocol);
    expect_end(&mut pair.at_a, EndKind::Protocol);
    pair.a.connect(&name("b").into(), DialId(2));
    // One direction is restored first, so that the dial arrives before the end.
    pair.network.cut_one_way(&name("a"), &name("b"));
    assert_eq!(hear(&mut pair.at_b), None);
    pair.network.heal(&name("a"), &name("b"));
    assert!(matches!(hear(&mut pair.at_b), Some(Err(_))));
    drop((session(&pair.a), session(&pair.b)));
}

#[test]
fn eviction_is_no_failure_and_a_non_member_cannot_be_dialed() {
    let mut pair = pair();
    let c = pair.network.join(name("c"));
    pair.network.evict(&name("a"), &name("b"));
    expect_end(&mut pair.at_a, EndKind::Evicted);
    expect_end(&mut pair.at_b, EndKind::Evicted);
    assert_eq!(pair.a.view(), Some(vec![name("c")]));
    pair.a.connect(&name("b").into(), DialId(2));
    assert_eq!(failure(&pair.a), EndKind::NotMember);
    pair.b.connect(&name("a").into(), DialId(2));
    assert_eq!(failure(&pair.b), EndKind::NotMember);
    pair.network.set_view(&name("a"), &[name("b"), name("c")]);
    pair.a.connect(&name("b").into(), DialId(3));
    drop((session(&pair.a), session(&pair.b), c));
}

#[test]
fn a_session_is_hidden_if_either_end_is() {
    let network = Network::new();
    let a = network.join(name("a"));
    let hidden = network.join_with(Join::new(name("h")).hidden(true));
    a.connect(&name("h").into(), DialId(1));
    assert!(session(&a).peer().hidden && session(&hidden).peer().hidden);
}

#[test]
fn a_peer_that_takes_no_signals_for_too_long_loses_the_session() {
    let network = Network::with(Settings::new().receive_buffer(10));
    let (a, b) = (network.join(name("a")), network.join(name("b")));
    a.connect(&name("b").into(), DialId(1));
    let (mut at_a, _at_b) = (session(&a), session(&b));
    for _ in 0..3 {
        say(&at_a, "ten bytes!");
    }
    network.advance(TIMEOUT);
    expect_end(&mut at_a, EndKind::Overloaded);
}

#[test]
fn nothing_is_left_of_sessions_without_a_handle() {
    let network = Network::new();
    let a = network.join(name("a"));
    for round in 0..100 {
        let b = network.join(name("b"));
        a.connect(&name("b").into(), DialId(round));
        drop((session(&a), session(&b)));
        network.crash(&name("b"));
    }
    assert_eq!(network.population(), (1, 0));
}

#[test]
fn every_setting_is_set_by_its_name() {
    let settings = Settings::new()
        .timeout(Duration::from_secs(1))
        .setup_timeout(Duration::from_secs(2))
        .max_frame(3)
        .max_messages(4)
        .max_waiting(5)
        .receive_buffer(6);
    assert_eq!((settings.get_timeout().as_secs(), settings.get_setup_timeout().as_secs()), (1, 2));
    assert_eq!((settings.get_max_frame(), settings.get_max_messages()), (3, 4));
    assert_eq!((settings.get_max_waiting(), settings.get_receive_buffer()), (5, 6));
}

#[test]
fn every_capability_is_set_by_its_name() {
    let fields = |of: Capabilities| [of.monitoring, of.node_events, of.connect, of.disconnect, of.views];
    let setters = [
        Capabilities::monitoring,
        Capabilities::node_events,
        Capabilities::connect,
        Capabilities::disconnect,
        Capabilities::views,
    ];
    let all = setters.iter().fold(Capabilities::NONE, |able, set| set(able, true));
    assert_eq!((fields(all), all.views(false)), ([true; 5], Capabilities::FULL));
    for (at, set) in setters.iter().enumerate() {
        let mut expected = [true; 5];
        expected[at] = false;
        assert_eq!(fields(set(all, false)), expected);
    }
}

#[test]
fn a_node_has_at_most_seven_channels_of_different_names() {
    let join = |count: usize| {
        let channels = (0..count).map(|number| format!("c{number}").parse().unwrap());
        Network::new().join_with(Join::new(name("a")).channels(channels))
    };
    assert_eq!(join(7).channels().len(), 7);
    assert!(std::panic::catch_unwind(|| join(8)).is_err(), "one more would be silently left out");
    let twice =
        || Network::new().join_with(Join::new(name("a")).channels(["c", "c"].map(|c| c.parse().unwrap())));
    assert!(std::panic::catch_unwind(twice).is_err(), "one of them would never be used");
}

#[test]
fn debug_output_identifies_the_node() {
    let Pair { network, a, b, at_a, .. } = pair();
    assert_eq!(format!("{network:?}"), "Network { .. }");
    assert_eq!(format!("{a:?}"), format!("MemoryService {{ id: {:?}, .. }}", a.local()));
    let printed = format!("{:?}", PeerEvent::Session(at_a));
    assert!(printed.starts_with("Session(PeerInfo") && printed.contains(&b.local().to_string()), "{printed}");
}
