//! The ranges of the configuration: a value outside of its range is refused at start with the name
//! of the field.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::Duration;

use refs::{ChannelName, Incarnation, NodeId};
use transport_tcp::{Heartbeat, Preset, Secret, StartError, TcpConfig, TcpTransport};

fn config() -> TcpConfig {
    TcpConfig::new().listen(([127, 0, 0, 1], 0).into())
}

fn start(config: TcpConfig) -> Result<(), StartError> {
    let node = NodeId::new("a@127.0.0.1:7001".parse().unwrap(), Incarnation::new(1).unwrap());
    let started = TcpTransport::start(node, config, support::spawner());
    smol::block_on(started).map(drop)
}

fn channels(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

const fn beat(interval: u64, timeout: u64) -> Heartbeat {
    Heartbeat::new(Duration::from_millis(interval), Duration::from_millis(timeout))
}

#[test]
fn what_is_out_of_its_limits_is_told_by_its_field() {
    let accepting = |count| config().also_accept((0..count).map(|_| Secret::generate()));
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
            config().channels(channels(&[&seven[..], &["8"]].concat())),
        ),
        ("channels", config().channels(channels(&["1", "2"])), config().channels(channels(&["1", "2", "1"]))),
        ("heartbeat", config().heartbeat(beat(1, 2)), config().heartbeat(beat(0, 2))),
        ("heartbeat", config().heartbeat(beat(500, 1000)), config().heartbeat(beat(500, 999))),
        ("setup_timeout", config().setup_timeout(ms(1)), config().setup_timeout(ms(0))),
        ("min_redial_delay", config().min_redial_delay(ms(1)), config().min_redial_delay(ms(0))),
        ("max_redial_delay", config().max_redial_delay(ms(50)), config().max_redial_delay(ms(49))),
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
fn a_setting_wins_over_the_preset_that_is_set_before_or_afterwards() {
    let ms = Duration::from_millis;
    let times = |config: TcpConfig| {
        let heartbeat = config.get_heartbeat();
        let delays = [config.get_min_redial_delay(), config.get_max_redial_delay()];
        [heartbeat.interval(), heartbeat.timeout(), config.get_setup_timeout(), delays[0], delays[1]]
    };
    let presets = [
        (Preset::Normal, [1000, 5000, 5000, 50, 30_000].map(ms)),
        (Preset::Fast, [100, 500, 1000, 50, 5000].map(ms)),
        (Preset::Wan, [2500, 15_000, 15_000, 250, 30_000].map(ms)),
    ];
    assert_eq!(times(config()), presets[0].1);
    for (preset, expected) in presets {
        assert_eq!(times(config().preset(Preset::Wan).preset(preset)), expected);
        // The set-up timeout follows a heartbeat that is set.
        type Order = fn(TcpConfig) -> TcpConfig;
        let all: [(Order, &[usize], Duration); 4] = [
            (|config| config.heartbeat(beat(50, 7000)), &[2], ms(7000)),
            (|config| config.setup_timeout(Duration::from_secs(7)), &[2], ms(7000)),
            (|config| config.min_redial_delay(Duration::from_millis(7)), &[3], ms(7)),
            (|config| config.max_redial_delay(Duration::from_secs(7)), &[4], ms(7000)),
        ];
        for (set, changed, value) in all {
            let (before, after) = (times(set(config()).preset(preset)), times(set(config().preset(preset))));
            assert_eq!(before, after);
            for &at in changed {
                assert_eq!(before[at], value, "{preset:?}");
            }
        }
        assert_eq!(times(config().preset(preset).heartbeat(beat(50, 100)))[..3], [50, 100, 1000].map(ms));
    }
}

#[test]
fn a_name_to_resolve_needs_a_port() {
    let with = |name: &str| start(config().secret(Secret::generate()).peers_dns([name.parse().unwrap()]));
    assert!(matches!(with("app@nowhere.invalid"), Err(StartError::Field { field: "peers_dns", .. })));
    assert!(with("app@nowhere.invalid:7001").is_ok());
}
