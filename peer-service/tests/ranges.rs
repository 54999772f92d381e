//! Every setting of the in-memory network at 0, at 1, at its limits and beyond, alone and combined
//! with every other one: either the network is refused with the name of the setting, or two nodes
//! communicate on it, and silence and dials end when they should.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures::FutureExt;
use peer_service::{
    DialId, EndKind, FrameBuf, FrameMeta, PeerEvent, PeerService, Session,
    memory::{MemoryService, Network, Settings},
};

type Set = Box<dyn Fn(Settings) -> Settings>;
type Setter<T> = fn(Settings, T) -> Settings;

/// A value of one setting.
struct Value {
    field: &'static str,
    shown: String,
    set: Set,
    allowed: bool,
}

fn values() -> Vec<Value> {
    let times = [0, 1, 5_000_000_000].map(Duration::from_nanos);
    let times = times.into_iter().chain([Duration::MAX - Duration::from_nanos(1), Duration::MAX]);
    let sizes = [0, 1, 1 << 20, usize::MAX - 1, usize::MAX];
    let mut values = Vec::new();
    let of_time: [(_, Setter<Duration>, _); 2] =
        [("timeout", Settings::timeout, false), ("setup_timeout", Settings::setup_timeout, true)];
    for (time, (field, set, zero)) in times.flat_map(|time| of_time.map(|of| (time, of))) {
        let allowed = zero || !time.is_zero();
        let set = Box::new(move |settings| set(settings, time));
        values.push(Value { field, shown: format!("{field} = {time:?}"), set, allowed });
    }
    let of_size: [(_, Setter<usize>); 4] = [
        ("max_frame", Settings::max_frame),
        ("max_messages", Settings::max_messages),
        ("max_waiting", Settings::max_waiting),
        ("receive_buffer", Settings::receive_buffer),
    ];
    for (size, (field, set)) in sizes.into_iter().flat_map(|size| of_size.map(|of| (size, of))) {
        let set = Box::new(move |settings| set(settings, size));
        values.push(Value { field, shown: format!("{field} = {size}"), set, allowed: size > 0 });
    }
    values
}

#[test]
fn with_every_setting_the_network_works_or_names_the_setting() {
    let values = values();
    for x in &values {
        check(&[x]);
        for y in values.iter().filter(|y| y.field != x.field) {
            check(&[x, y]);
        }
    }
}

fn check(set: &[&Value]) {
    let settings = set.iter().fold(Settings::new(), |settings, value| (value.set)(settings));
    let what: Vec<&str> = set.iter().map(|value| value.shown.as_str()).collect();
    let what = what.join(", ");
    match Network::try_with(settings.clone()) {
        Ok(network) => {
            assert!(set.iter().all(|value| value.allowed), "{what} must be refused");
            works(&network, &settings, &what);
        }
        Err(error) => {
            let wrong: Vec<&str> =
                set.iter().filter(|value| !value.allowed).map(|value| value.field).collect();
            assert!(wrong.contains(&error.field), "{what}: {error}");
            assert!(error.to_string().starts_with(error.field), "{what}: {error}");
        }
    }
}

/// Two nodes exchange frames; then the link is cut, and waiting sessions and dials end after their
/// time, or never.
fn works(network: &Network, settings: &Settings, what: &str) {
    let name = |label: &str| format!("{label}@memory").parse().unwrap();
    let (a, b) = (network.join(name("a")), network.join(name("b")));
    a.connect(&name("b").into(), DialId(1));
    let (mut at_a, mut at_b) = (session(&a, what), session(&b, what));
    for meta in [FrameMeta::SIGNAL, FrameMeta::message(1)] {
        let outbox = at_a.outbox();
        outbox.push(meta, &mut |out| out.push(7)).unwrap_or_else(|error| panic!("{what}: {error}"));
        outbox.flush();
        let mut frames = FrameBuf::new();
        assert_eq!(at_b.recv(&mut frames).now_or_never(), Some(Ok(())), "{what}");
        assert_eq!(frames.len(), 1, "{what}");
    }

    network.cut(&name("a"), &name("b"));
    let ends = |time: Duration| time < Duration::MAX - Duration::from_nanos(1);
    network.advance(settings.get_timeout() - Duration::from_nanos(1));
    let mut frames = FrameBuf::new();
    assert_eq!(at_a.recv(&mut frames).now_or_never(), None, "{what}: it has ended before its time");
    if ends(settings.get_timeout()) {
        network.advance(Duration::from_nanos(1));
        let end = at_a.recv(&mut frames).now_or_never().expect(what).expect_err(what);
        assert_eq!(end.kind, EndKind::Timeout, "{what}");
        a.connect(&name("b").into(), DialId(2));
        network.advance(settings.get_setup_timeout());
        match a.next().now_or_never() {
            Some(Some(PeerEvent::Failed { end, .. })) => {
                assert_eq!(end.kind, EndKind::SetupTimeout, "{what}")
            }
            other => assert!(other.is_none() && !ends(settings.get_setup_timeout()), "{what}: {other:?}"),
        }
    }
    network.advance(Duration::MAX);
    network.advance(Duration::MAX);
}

fn session(node: &MemoryService, what: &str) -> Box<dyn Session> {
    match node.next().now_or_never() {
        Some(Some(PeerEvent::Session(session))) => session,
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn frames_may_take_any_time_and_a_network_that_cannot_be_is_no_network() {
    let network = Network::new();
    let name = |label: &str| format!("{label}@memory").parse().unwrap();
    let (a, b) = (network.join(name("a")), network.join(name("b")));
    a.connect(&name("b").into(), DialId(1));
    let (at_a, mut at_b) = (session(&a, "a"), session(&b, "b"));
    network.delay(&name("a"), &name("b"), Duration::MAX);
    network.advance(Duration::from_secs(1));
    at_a.outbox().push(FrameMeta::SIGNAL, &mut |out| out.push(7)).unwrap();
    at_a.outbox().flush();
    network.advance(Duration::from_secs(1 << 40));
    assert_eq!(at_b.recv(&mut FrameBuf::new()).now_or_never(), None);
    let refused = std::panic::catch_unwind(|| Network::with(Settings::new().timeout(Duration::ZERO)));
    let message = refused.expect_err("it must be refused");
    assert_eq!(message.downcast_ref::<String>().unwrap(), "timeout: is 0; more is needed");
}
