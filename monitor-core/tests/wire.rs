//! Signals as bytes: all written signals can be read, and no other bytes can.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use monitor_core::{
    DownReason, ExitReason, MonitorId, RemoteTarget, Signal, Signals, WireError, encode,
    refs::{EndKind, Incarnation, Serial, SessionEnd},
};
use proptest::{collection::vec, prelude::*};

fn serial() -> impl Strategy<Value = Serial> {
    any::<u64>().prop_map(Serial::from_u64)
}

fn reason() -> impl Strategy<Value = DownReason> {
    prop_oneof![
        Just(DownReason::NoProc),
        Just(DownReason::NoConnection(SessionEnd::new(EndKind::Quota))),
        Just(DownReason::Exit(ExitReason::Normal)),
        Just(DownReason::Exit(ExitReason::Shutdown)),
        Just(DownReason::Exit(ExitReason::Killed)),
        ".{0,40}".prop_map(|text| DownReason::Exit(ExitReason::panicked(text))),
        vec(any::<u8>(), 0..300).prop_map(|bytes| DownReason::Exit(ExitReason::other(bytes))),
    ]
}

/// Any text that is a valid registered name: it cannot begin a line or control a terminal.
const REG_NAME: &str =
    r"[^@\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]{1,60}";

fn signal() -> impl Strategy<Value = Signal> {
    let target = prop_oneof![
        serial().prop_map(RemoteTarget::Pid),
        (1..=u64::MAX, serial()).prop_map(|(n, s)| RemoteTarget::PidOf(Incarnation::new(n).unwrap(), s)),
        REG_NAME.prop_map(|name| RemoteTarget::Name(name.parse().unwrap())),
    ];
    prop_oneof![
        (serial(), target).prop_map(|(id, target)| Signal::Monitor { id: MonitorId(id), target }),
        serial().prop_map(|id| Signal::Demonitor { id: MonitorId(id) }),
        (serial(), reason()).prop_map(|(id, reason)| Signal::Down { id: MonitorId(id), reason }),
    ]
}

fn frame(signals: &[Signal]) -> Vec<u8> {
    let (mut frame, mut last) = (Vec::new(), None);
    for signal in signals {
        encode(signal, &mut last, &mut frame);
    }
    frame
}

proptest! {
    #[test]
    fn a_frame_gives_back_its_signals(signals in vec(signal(), 0..20)) {
        let read: Result<Vec<_>, _> = Signals::new(&frame(&signals)).collect();
        prop_assert_eq!(read, Ok(signals));
    }

    #[test]
    fn any_bytes_end_in_signals_or_one_error(bytes in vec(any::<u8>(), 0..200)) {
        let read: Vec<_> = Signals::new(&bytes).collect();
        let errors = read.iter().filter(|signal| signal.is_err()).count();
        prop_assert!(errors == 0 || (errors == 1 && read.last().unwrap().is_err()));
    }

    #[test]
    fn a_frame_that_is_cut_short_gives_only_what_was_whole(signals in vec(signal(), 1..8), cut in any::<prop::sample::Index>()) {
        let whole = frame(&signals);
        let read: Vec<_> = Signals::new(&whole[..cut.index(whole.len())]).map_while(Result::ok).collect();
        prop_assert!(read.len() < signals.len());
        prop_assert_eq!(&read[..], &signals[..read.len()]);
    }
}

#[test]
fn a_common_monitor_is_small_and_a_repeated_down_smaller() {
    let id = MonitorId(Serial::new((1 << 21) - 1, 127));
    let monitor = Signal::Monitor { id, target: RemoteTarget::Pid(id.0) };
    assert_eq!(frame(&[monitor]).len(), 9);
    let down = Signal::Down { id, reason: DownReason::Exit(ExitReason::other(vec![7; 1000])) };
    let (one, two) = (frame(std::slice::from_ref(&down)).len(), frame(&[down.clone(), down]).len());
    assert_eq!(two - one, 5);
}

#[test]
fn a_reason_beyond_the_limit_is_malformed() {
    // A Down whose reason has, and declares, one byte more than the maximum.
    let mut bytes = frame(&[Signal::Down {
        id: MonitorId(Serial::new(0, 0)),
        reason: DownReason::Exit(ExitReason::other(vec![1; ExitReason::MAX_LEN])),
    }]);
    assert!(Signals::new(&bytes).all(|signal| signal.is_ok()));
    let length = bytes.windows(3).position(|w| w == [0x80, 0x80, 0x04]).expect("the length as a varint");
    bytes[length] = 0x81;
    bytes.push(1);
    assert_eq!(Signals::new(&bytes).collect::<Vec<_>>(), [Err(WireError { at: 0 })]);
}

#[test]
fn a_length_of_four_gigabytes_allocates_nothing() {
    let bytes = [5, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(Signals::new(&bytes).collect::<Vec<_>>(), [Err(WireError { at: 0 })]);
}

#[test]
fn a_repeated_reason_needs_one_to_repeat() {
    assert_eq!(Signals::new(&[6, 0, 0]).collect::<Vec<_>>(), [Err(WireError { at: 0 })]);
}
