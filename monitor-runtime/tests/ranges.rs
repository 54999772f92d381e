//! Every setting of a node at 0, at 1, at its limits and beyond, alone and in pairs: either the
//! start returns an error that names the setting, and has made neither a task nor a socket, or two
//! such nodes connect, and a monitor of one reports an exit on the other.
#![cfg(feature = "tcp")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fmt,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::run;
use monitor_runtime::{EndKind, Heartbeat, NodeSpec, StartError, TcpStartError, prelude::*};
use proptest::{prelude::*, sample::select, test_runner::TestRunner};

/// A value of one setting.
#[derive(Clone)]
struct Value {
    field: &'static str,
    shown: String,
    set: Arc<dyn Fn(Config) -> Config>,
    allowed: bool,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn value(
    field: &'static str,
    shown: impl fmt::Debug,
    allowed: bool,
    set: impl Fn(Config) -> Config + 'static,
) -> Value {
    Value { field, shown: format!("{field} = {shown:?}"), set: Arc::new(set), allowed }
}

type Count = fn(Config, usize) -> Config;

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);
const MAX: Duration = Duration::MAX;
/// The longest signal: with shorter frames a node could not report every reason.
const LEAST_FRAME: usize = 128 << 10;

fn values() -> Vec<Value> {
    let counts: [(_, Count, _); 16] = [
        ("max_batch", Config::max_batch, 1),
        ("max_waiting", Config::max_waiting, 1),
        ("max_waiting_bytes", Config::max_waiting_bytes, 1),
        ("max_incoming", Config::max_incoming, 1),
        ("max_message", Config::max_message, 1),
        ("max_addresses", Config::max_addresses, 1),
        ("max_history", Config::max_history, 0),
        ("max_mailbox_bytes", Config::max_mailbox_bytes, 0),
        ("max_mailbox_messages", Config::max_mailbox_messages, 0),
        ("max_node_events", Config::max_node_events, 1),
        ("max_reason_bytes", Config::max_reason_bytes, 0),
        ("max_node_reason_bytes", Config::max_node_reason_bytes, 0),
        ("max_pending", |config, count| config.tcp(|tcp| tcp.max_pending(count)), 1),
        ("max_pending_per_address", |config, count| config.tcp(|tcp| tcp.max_pending_per_address(count)), 1),
        ("max_message_queue", |config, count| config.tcp(|tcp| tcp.max_message_queue(count)), 1),
        ("max_signal_queue", |config, count| config.tcp(|tcp| tcp.max_signal_queue(count)), 1),
    ];
    let mut values = Vec::new();
    for (field, set, least) in counts {
        for count in [0, 1, 2, usize::MAX - 1, usize::MAX] {
            values.push(value(field, count, count >= least, move |config| set(config, count)));
        }
    }
    for bytes in [0, 1, 1024, LEAST_FRAME - 1, LEAST_FRAME, 64 << 20, (64 << 20) + 1, usize::MAX] {
        let allowed = (LEAST_FRAME..=64 << 20).contains(&bytes);
        values.push(value("max_frame", bytes, allowed, move |c| c.tcp(|tcp| tcp.max_frame(bytes))));
    }
    for threads in [0, 1, 1024, 1025, usize::MAX] {
        let allowed = (1..=1024).contains(&threads);
        values.push(value("max_blocked_threads", threads, allowed, move |c| c.max_blocked_threads(threads)));
    }
    for time in [Duration::ZERO, NS, Duration::from_secs(5), MAX - NS, MAX] {
        values.push(value("stop_timeout", time, true, move |config| config.stop_timeout(time)));
    }
    for time in [Duration::ZERO, NS, MS - NS, MS, MAX - NS, MAX] {
        values.push(value("setup_timeout", time, time >= MS, move |config| config.setup_timeout(time)));
    }
    for time in [Duration::ZERO, NS, 10 * MS - NS, 10 * MS, MAX] {
        let set = move |config: Config| config.tcp(|tcp| tcp.peers_interval(time));
        values.push(value("peers_interval", time, time == 10 * MS, set));
    }
    let second = Duration::from_secs(1);
    let beats = [(Duration::ZERO, second), (100 * NS, second), (MS - NS, second), (MS, 2 * MS - NS)];
    let refused = beats.map(|beat| (beat, false));
    let beats = [(MS, 2 * MS), (second, MAX), (MAX / 2, MAX), (MAX, MAX)].map(|beat| (beat, true));
    for ((interval, timeout), allowed) in refused.into_iter().chain(beats) {
        let set = move |config: Config| config.heartbeat(interval, timeout);
        values.push(value("heartbeat", (interval, timeout), allowed, set));
    }
    values
}

fn config(label: &str, secret: &Secret, set: &[Value]) -> Config {
    let Heartbeat { interval, timeout } = Heartbeat::normal();
    let config = Config::new(format!("{label}@127.0.0.1"))
        .listen("127.0.0.1:0".parse().unwrap())
        .secret(secret.clone());
    set.iter().fold(config.heartbeat(interval, timeout), |config, value| (value.set)(config))
}

/// The field that an error names.
fn named(error: &StartError) -> &'static str {
    match error {
        StartError::Field { field, .. } | StartError::Tcp(TcpStartError::Field { field, .. }) => field,
        StartError::FramesTooSmall { .. } => "max_frame",
        other => panic!("no field is named: {other}"),
    }
}

fn judge(set: &[Value]) {
    run(async {
        let secret = Secret::generate();
        let a = Node::start(config("a", &secret, set)).await;
        let b = Node::start(config("b", &secret, set)).await;
        match (a, b) {
            (Ok(a), Ok(b)) => {
                assert!(set.iter().all(|value| value.allowed), "{set:?} must be refused");
                works(&a, &b, set).await;
                futures::join!(a.stop(), b.stop());
            }
            (Err(error), Err(_)) => {
                let field = named(&error);
                let wrong = set.iter().any(|value| value.field == field && !value.allowed);
                assert!(wrong && error.to_string().contains(field), "{set:?}: {error}");
            }
            (a, b) => panic!("{set:?}: {:?}", a.err().or(b.err())),
        }
    });
}

/// Waits until a monitor reports the true exit of a process on the other node. It may have to be
/// made again: some limits are so low that a session ends, or that few entries fit at once.
async fn works(a: &Node, b: &Node, set: &[Value]) {
    let spec = NodeSpec::new(b.name().clone()).at(b.local_addr().unwrap().to_string().parse().unwrap());
    loop {
        let target = b.process().unwrap();
        a.connect(spec.clone().unwrap()).unwrap();
        let mut monitor = a.monitor(target.pid()).unwrap();
        // The request has arrived, or the monitor has ended.
        let arrived = async {
            while b.stats().incoming_monitors == 0 {
                smol::Timer::after(MS).await;
            }
            None
        };
        let early = smol::future::or(async { Some((&mut monitor).await) }, arrived).await;
        drop(target);
        let down = match early {
            Some(down) => down,
            None => monitor.await,
        };
        match down.reason {
            DownReason::Exit(reason) => return assert_eq!(reason, ExitReason::Normal, "{set:?}"),
            DownReason::NoConnection(end) => {
                let low = match end.kind {
                    EndKind::Timeout | EndKind::SetupTimeout | EndKind::Overloaded | EndKind::Closed => true,
                    // The listener times out a handshake first.
                    EndKind::Refused => set.iter().any(|value| value.field == "setup_timeout"),
                    kind => kind == EndKind::Quota,
                };
                assert!(low, "{set:?}: {end}");
                if set.iter().any(|value| value.shown == "setup_timeout = 1ms") {
                    // A busy machine sets up no session in that time; but each monitor ends.
                    return;
                }
            }
            other => panic!("{set:?}: {other}"),
        }
    }
}

#[test]
fn every_count_and_time_of_a_node_is_tried() {
    let tried = values();
    let shown = format!("{:#?}", config("a", &Secret::generate(), &[]));
    // The settings of the node itself have one level of indentation; those of the transport have
    // more.
    let fields = shown.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
    let ranged = fields.filter(|(_, value)| value.starts_with(|first: char| first.is_ascii_digit()));
    let ranged: Vec<_> = ranged.map(|(field, _)| field).filter(|field| !field.starts_with(' ')).collect();
    assert!(ranged.contains(&"max_batch") && ranged.contains(&"stop_timeout"), "{ranged:?}");
    for field in ranged {
        assert!(tried.iter().any(|value| value.field == field), "{field} is not tried");
    }
}

#[test]
fn a_setting_alone_is_refused_by_its_name_or_two_nodes_work() {
    values().into_iter().for_each(|value| judge(&[value]));
}

#[test]
fn two_settings_are_refused_by_a_name_or_two_nodes_work() {
    let values = values();
    let pairs = (select(values.clone()), select(values));
    let pairs = pairs.prop_filter("two settings", |(x, y)| x.field != y.field);
    // Each case starts nodes with threads of their own: some, and more with PROPTEST_CASES.
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 100;
    }
    let run = TestRunner::new(config).run(&pairs, |(x, y)| {
        judge(&[x, y]);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_setting_out_of_its_range_is_named_before_there_is_a_task_or_a_socket() {
    let secret = Secret::generate();
    // A start that opens a socket fails because of this one.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut refused = 0;
    for value in values().into_iter().filter(|value| !value.allowed) {
        let spawned = Arc::new(AtomicUsize::new(0));
        let count = spawned.clone();
        let spawner = Arc::new(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
        let set = [value.clone()];
        let config = config("a", &secret, &set).listen(taken.local_addr().unwrap());
        let error = run(Node::start(config.clone().spawner(spawner))).unwrap_err();
        assert_eq!(named(&error), value.field, "{value:?}: {error}");
        assert_eq!(spawned.load(Ordering::Relaxed), 0, "{value:?}");
        refused += 1;
    }
    assert!(refused > 15, "only {refused} values are out of range");
}
