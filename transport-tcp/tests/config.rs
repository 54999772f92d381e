//! The ranges of the configuration: a value outside of its range is refused at start with the name
//! of the field.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::Duration;

use refs::{ChannelName, Incarnation};
use transport_tcp::{Heartbeat, Secret, StartError, TcpConfig, TcpTransport};

fn config() -> TcpConfig {
    TcpConfig::new("a@127.0.0.1:7001".parse().unwrap()).listen(([127, 0, 0, 1], 0).into())
}

fn start(config: TcpConfig) -> Result<(), StartError> {
    let started = TcpTransport::start(config, Incarnation::new(1).unwrap(), support::spawner());
    smol::block_on(started).map(drop)
}

fn channels(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

const fn beat(interval: u64, timeout: u64) -> Heartbeat {
    Heartbeat { interval: Duration::from_millis(interval), timeout: Duration::from_millis(timeout) }
}

#[test]
fn what_is_out_of_its_limits_is_told_by_its_field() {
    let accepting = |count| (0..count).fold(config(), |config, _| config.also_accept(Secret::generate()));
    let seven = ["1", "2", "3", "4", "5", "6", "7"];
    let secret = Secret::generate;
    let (hour, kib, mib) = (Duration::from_secs(3600), 1 << 10, 1 << 20);
    let ms = Duration::from_millis;
    let cases = [
        ("cluster", config().cluster("c".repeat(64)), config().cluster("c".repeat(65))),
        ("also_accept", accepting(1).secret(secret()), accepting(1)),
        ("also_accept", accepting(8).secret(secret()), accepting(9).secret(secret())),
        ("peers_interval", config().peers_interval(ms(10)), config().peers_interval(ms(9))),
        ("peers_interval", config().peers_interval(hour), config().peers_interval(hour + ms(1))),
        (
            "channels",
            config().channels(channels(&seven)),
            config().channels(channels(&seven)).channels(channels(&["8"])),
        ),
        ("channels", config().channels(channels(&["1", "2"])), config().channels(channels(&["1", "2", "1"]))),
        ("heartbeat", config().heartbeat(beat(1, 2)), config().heartbeat(beat(0, 2))),
        ("heartbeat", config().heartbeat(beat(500, 1000)), config().heartbeat(beat(500, 999))),
        ("setup_timeout", config().setup_timeout(ms(1)), config().setup_timeout(ms(0))),
        ("max_frame", config().max_frame(kib), config().max_frame(kib - 1)),
        ("max_frame", config().max_frame(64 * mib), config().max_frame(64 * mib + 1)),
        ("max_message_queue", config().max_message_queue(1), config().max_message_queue(0)),
        ("max_signal_queue", config().max_signal_queue(1), config().max_signal_queue(0)),
        ("max_pending", config().max_pending(1), config().max_pending(0)),
        ("max_pending_per_address", config().max_pending_per_address(1), config().max_pending_per_address(0)),
    ];
    for (expected, within, beyond) in cases {
        start(within).unwrap_or_else(|error| panic!("the outermost value of {expected} is refused: {error}"));
        match start(beyond) {
            Err(StartError::Field { field, .. }) => assert_eq!(field, expected),
            other => panic!("expected a refusal of {expected}, got {other:?}"),
        }
    }
}

#[test]
fn a_preset_sets_the_time_for_the_set_up_unless_that_was_set_before_or_is_afterwards() {
    let presets = [
        (Heartbeat::fast(), 1000),
        (Heartbeat::normal(), 5000),
        (Heartbeat::wan(), 15_000),
        (beat(50, 100), 1000),
    ];
    let ms = Duration::from_millis;
    assert_eq!(config().setup_timeout, ms(5000));
    for (heartbeat, setup) in presets {
        assert_eq!(config().heartbeat(heartbeat).setup_timeout, ms(setup));
        assert_eq!(config().heartbeat(Heartbeat::wan()).heartbeat(heartbeat).setup_timeout, ms(setup));
        assert_eq!(config().setup_timeout(ms(5000)).heartbeat(heartbeat).setup_timeout, ms(5000));
        assert_eq!(config().heartbeat(heartbeat).setup_timeout(ms(5000)).setup_timeout, ms(5000));
    }
}

#[test]
fn a_name_to_resolve_needs_a_port() {
    let with = |name: &str| start(config().secret(Secret::generate()).peers_dns(name.parse().unwrap()));
    assert!(matches!(with("app@nowhere.invalid"), Err(StartError::Field { field: "peers_dns", .. })));
    assert!(with("app@nowhere.invalid:7001").is_ok());
}
