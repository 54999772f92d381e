//! Two sides with different settings, in virtual time: neither reports the other as silent, and no
//! unnecessary ping is sent.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;

use super::{Beat, HeartbeatTimer};
use crate::config::Heartbeat;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[derive(Clone, Copy)]
enum Packet {
    Ping,
    Other,
}

struct Side {
    heartbeat: HeartbeatTimer,
    /// Whether the side sends bytes in every step.
    streams: bool,
    /// Packets on their way to this side, and the times of their arrival.
    arriving: VecDeque<(u64, Packet)>,
    pings: u64,
}

impl Side {
    fn new(heartbeat: Heartbeat, streams: bool) -> Self {
        let heartbeat = HeartbeatTimer::new(heartbeat, Duration::ZERO);
        Side { heartbeat, streams, arriving: VecDeque::new(), pings: 0 }
    }

    /// One millisecond; returns the packets that it sends.
    fn step(&mut self, now: u64) -> Vec<Packet> {
        let mut sends = Vec::new();
        while let Some((_, packet)) = self.arriving.pop_front_if(|(at, _)| *at <= now) {
            self.heartbeat.received(MS(now));
            // A ping is answered, and the answer is not a ping.
            sends.extend(matches!(packet, Packet::Ping).then_some(Packet::Other));
        }
        sends.extend(self.streams.then_some(Packet::Other));
        if !sends.is_empty() {
            self.heartbeat.sent(MS(now));
        }
        loop {
            match self.heartbeat.poll(MS(now), false) {
                Beat::Wait(_) => return sends,
                Beat::Ping => {
                    self.pings += 1;
                    self.heartbeat.pinged(MS(now));
                    sends.push(Packet::Ping);
                }
                verdict => panic!("at {now} ms: {verdict:?}"),
            }
        }
    }
}

/// Runs a session for `lasting` milliseconds, of which the second side learns after `latency`;
/// returns the pings of both sides.
fn run(heartbeats: [Heartbeat; 2], streams: [bool; 2], latency: u64, lasting: u64) -> [u64; 2] {
    let mut sides = [0, 1].map(|side| Side::new(heartbeats[side], streams[side]));
    for now in 0..lasting {
        let begun = if now < latency { 1 } else { 2 };
        for side in 0..begun {
            let sends = sides[side].step(now);
            sides[1 - side].arriving.extend(sends.into_iter().map(|packet| (now + latency, packet)));
        }
    }
    sides.map(|side| side.pings)
}

const STREAMS: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];
const PRESETS: [Heartbeat; 3] = [Heartbeat::fast(), Heartbeat::normal(), Heartbeat::wan()];

#[test]
fn no_pair_of_presets_calls_a_peer_silent_whoever_streams() {
    for one in PRESETS {
        for other in PRESETS {
            STREAMS.into_iter().for_each(|streams| {
                run([one, other], streams, 10, 40_000);
            });
        }
    }
}

#[test]
fn an_idle_session_of_equal_settings_costs_one_ping_an_interval() {
    for heartbeat in PRESETS {
        let intervals = 20;
        let lasting = heartbeat.interval.as_millis() as u64 * intervals;
        let pings: u64 = run([heartbeat; 2], [false; 2], 2, lasting).iter().sum();
        assert!(pings <= intervals + 2, "{pings} pings in {intervals} intervals");
    }
}

#[test]
fn a_session_on_which_one_side_streams_costs_one_ping_an_interval_of_equal_settings() {
    let heartbeat = Heartbeat::fast();
    let [streaming, listening] = run([heartbeat; 2], [true, false], 2, 100 * 20);
    assert!(streaming <= 2 && listening <= 21, "{streaming} and {listening} pings in 20 intervals");
}

#[test]
fn a_session_on_which_both_stream_costs_no_pings_but_the_first() {
    assert_eq!(run([Heartbeat::fast(), Heartbeat::wan()], [true; 2], 2, 20_000), [1, 1]);
}

fn any_heartbeat() -> impl Strategy<Value = Heartbeat> {
    (40_u64..400, 2_u32..8).prop_map(|(interval, times)| {
        let interval = MS(interval);
        Heartbeat { interval, timeout: interval * times }
    })
}

proptest! {
    #[test]
    fn no_pair_of_settings_calls_a_peer_silent_whoever_streams(
        one in any_heartbeat(),
        other in any_heartbeat(),
        streams in prop::sample::select(STREAMS.as_slice()),
        latency in 1_u64..10,
    ) {
        let lasting = 6_000;
        let pings = run([one, other], streams, latency, lasting);
        for (pings, heartbeat) in pings.iter().zip([one, other]) {
            prop_assert!(*pings <= lasting / heartbeat.interval.as_millis() as u64 + 1);
        }
    }
}
