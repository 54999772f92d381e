//! Every field of the configuration at 0, at 1, at its limits and beyond, alone and in pairs:
//! either the start fails with the name of the field, before it opens anything, or the node starts,
//! and two such nodes exchange frames.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{sync::Arc, time::Duration};

use peer_service::{DialId, FrameBuf, FrameMeta, PeerEvent, PeerService, Session};
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use smol::future::{or, zip};
use support::{PATIENCE, soon, spec};
use transport_tcp::{Heartbeat, Secret, StartError, TcpConfig, TcpTransport};

/// A value of one field.
#[derive(Clone)]
struct Value {
    field: &'static str,
    shown: String,
    set: Arc<dyn Fn(TcpConfig) -> TcpConfig>,
    allowed: bool,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn value(
    field: &'static str,
    shown: impl std::fmt::Debug,
    allowed: bool,
    set: impl Fn(TcpConfig) -> TcpConfig + 'static,
) -> Value {
    Value { field, shown: format!("{field} = {shown:?}"), set: Arc::new(set), allowed }
}

type Count = fn(TcpConfig, usize) -> TcpConfig;

const NS: Duration = Duration::from_nanos(1);
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const MAX: Duration = Duration::MAX;

fn values() -> Vec<Value> {
    let mut values = heartbeats();
    for time in [Duration::ZERO, NS, MS - NS, MS, HOUR, MAX - NS, MAX] {
        let set = move |config: TcpConfig| config.setup_timeout(time);
        values.push(value("setup_timeout", time, time >= MS, set));
    }
    for time in [Duration::ZERO, NS, 10 * MS - NS, 10 * MS, HOUR, HOUR + NS, MAX] {
        let allowed = (10 * MS..=HOUR).contains(&time);
        values.push(value("peers_interval", time, allowed, move |config| config.peers_interval(time)));
    }
    for time in [Duration::ZERO, NS, MS - NS, MS, HOUR, MAX] {
        let set = move |config: TcpConfig| config.min_redial_delay(time).max_redial_delay(MAX);
        values.push(value("min_redial_delay", time, time >= MS, set));
    }
    for time in [Duration::ZERO, 50 * MS - NS, 50 * MS, MAX] {
        let set = move |config: TcpConfig| config.max_redial_delay(time);
        values.push(value("max_redial_delay", time, time >= 50 * MS, set));
    }
    for bytes in [0, 1, 1023, 1024, 64 << 20, (64 << 20) + 1, usize::MAX] {
        let allowed = (1024..=64 << 20).contains(&bytes);
        values.push(value("max_frame", bytes, allowed, move |config| config.max_frame(bytes)));
    }
    let counts: [(_, Count); 4] = [
        ("max_message_queue", TcpConfig::max_message_queue),
        ("max_signal_queue", TcpConfig::max_signal_queue),
        ("max_pending", TcpConfig::max_pending),
        ("max_pending_per_address", TcpConfig::max_pending_per_address),
    ];
    for (field, set) in counts {
        for count in [0, 1, 2, usize::MAX - 1, usize::MAX] {
            values.push(value(field, count, count > 0, move |config| set(config, count)));
        }
    }
    for len in [0, 1, 64, 65, 1 << 16] {
        let set = move |config: TcpConfig| config.cluster("c".repeat(len));
        values.push(value("cluster", len, len <= 64, set));
    }
    for count in [0, 1, 7, 8, 300] {
        let names = move || (0..count).map(|at| format!("c{at}").parse().unwrap());
        values.push(value("channels", count, count <= 7, move |config| config.channels(names())));
    }
    for count in [0, 1, 8, 9, 300] {
        let set = move |config: TcpConfig| config.also_accept((0..count).map(|_| Secret::generate()));
        values.push(value("also_accept", count, count <= 8, set));
    }
    values
}

fn heartbeats() -> Vec<Value> {
    let times = [Duration::ZERO, NS, 100 * NS, MS - NS, MS, 2 * MS - NS, 2 * MS, Duration::from_secs(1)];
    let times = times.into_iter().chain([MAX / 2, MAX / 2 + NS, MAX - NS, MAX]);
    let pairs = times.clone().flat_map(|interval| times.clone().map(move |timeout| (interval, timeout)));
    let allowed = |interval: Duration, timeout| interval >= MS && timeout >= interval.saturating_mul(2);
    pairs
        .map(|(interval, timeout)| {
            let set = move |config: TcpConfig| config.heartbeat(Heartbeat::new(interval, timeout));
            value("heartbeat", (interval, timeout), allowed(interval, timeout), set)
        })
        .collect()
}

async fn start(label: &str, set: &[Value]) -> Result<Arc<TcpTransport>, StartError> {
    // Heartbeats that a busy machine can keep, unless the case sets others.
    let config = support::config(label).heartbeat(Heartbeat::normal());
    let tcp = set.iter().fold(config.tcp.clone(), |tcp, value| (value.set)(tcp));
    support::Setup { tcp, ..config }.start(label.len() as u64, support::spawner()).await
}

/// Starts two nodes with those values: they exchange frames, or the start fails with the name of
/// the field.
fn check(set: &[Value]) {
    smol::block_on(async {
        let (a, b) = match (start("a", set).await, start("bb", set).await) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(StartError::Field { field, .. }), Err(_)) => {
                let wrong = set.iter().any(|value| value.field == field && !value.allowed);
                return assert!(wrong, "{set:?} is refused because of {field}");
            }
            other => panic!("{set:?}: {other:?}"),
        };
        assert!(set.iter().all(|value| value.allowed), "{set:?} must be refused");
        if set.iter().any(|value| value.shown == "setup_timeout = 1ms") {
            // A busy machine completes no set-up in that time, but each dial gets a result.
            a.connect(&spec(&b), DialId(0));
            soon(&format!("an answer to a dial with {set:?}"), a.next())
                .await
                .expect("the transport is not shut down");
            return;
        }
        soon(&format!("two nodes to exchange_frames with {set:?}"), exchange_frames(&a, &b)).await;
    });
}

/// Repeats until a frame has arrived in both directions. Sessions may end again: some limits are
/// too short.
async fn exchange_frames(a: &TcpTransport, b: &TcpTransport) {
    for dial in 0.. {
        a.connect(&spec(b), DialId(dial));
        let Some(PeerEvent::Session(mut at_a)) = a.next().await else { continue };
        // The other node may have given up the handshake at its last step: then this end of the
        // session ends.
        let ended = async {
            let _ = at_a.recv(&mut FrameBuf::new()).await;
            None
        };
        let Some(PeerEvent::Session(mut at_b)) = or(b.next(), ended).await else { continue };
        if zip(exchange(&mut *at_a), exchange(&mut *at_b)).await == (true, true) {
            return;
        }
    }
}

/// Sends a frame and receives one.
async fn exchange(session: &mut dyn Session) -> bool {
    let outbox = session.outbox();
    let pushed = outbox.push(FrameMeta::SIGNAL, &mut |out| out.push(7)).is_ok();
    outbox.flush();
    let mut frames = FrameBuf::new();
    pushed && session.recv(&mut frames).await.is_ok()
}

#[test]
fn a_field_alone_is_refused_by_its_name_or_the_node_works() {
    values().into_iter().for_each(|value| check(&[value]));
}

#[test]
fn two_fields_are_refused_by_a_name_or_the_node_works() {
    let values = values();
    let pairs = (select(values.clone()), select(values));
    let pairs = pairs.prop_filter("two fields", |(x, y)| x.field != y.field);
    // Each case starts nodes, so the default number of cases is low; PROPTEST_CASES sets another
    // one.
    let mut config =
        ProptestConfig { max_shrink_time: PATIENCE.as_millis() as u32, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 200;
    }
    let run = TestRunner::new(config).run(&pairs, |(x, y)| {
        check(&[x, y]);
        Ok(())
    });
    run.unwrap();
}
