//! Limits on the memory for the reasons of unread notices.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use allocation_counter::measure;
use monitor_core::{CoreConfig, CoreLimits, Down, DownReason, ExitReason, MonitorId, Signal};

use self::bare::{Bare, OTHER_WATCHER, WATCHER, node};

#[path = "../benches/bare/mod.rs"]
mod bare;

const LONG: usize = ExitReason::MAX_LEN;

fn core(of_watcher: usize, of_node: usize) -> Bare {
    let limits = CoreLimits::new().max_reason_bytes(of_watcher).max_node_reason_bytes(of_node);
    Bare::with(CoreConfig::new(node("a@test"), 7).limits(limits))
}

fn other(len: usize) -> ExitReason {
    ExitReason::other(vec![7; len])
}

/// Monitors a process of the peer, which then ends with that reason.
fn fired(bare: &mut Bare, reason: ExitReason) -> MonitorId {
    let id = bare.monitor(&bare.target(1));
    bare.signal(Signal::Down { id, reason: DownReason::Exit(reason) });
    id
}

fn fired_of(bare: &mut Bare, watcher: monitor_core::LocalPid, reason: ExitReason) -> MonitorId {
    let id = bare.monitor_of(watcher, &bare.target(1));
    bare.signal(Signal::Down { id, reason: DownReason::Exit(reason) });
    id
}

fn cut(down: &Down) -> (&ExitReason, bool) {
    (down.reason.exit().unwrap(), down.reason_was_cut)
}

/// Room in both limits, in one of them, and in none.
const LIMITS: [(usize, usize); 4] = [(1 << 30, 1 << 30), (1 << 30, 0), (0, 1 << 30), (0, 0)];

#[test]
fn unread_reasons_take_at_most_the_limit_and_a_short_reason_each() {
    const UNREAD: usize = 4000;
    // A row, of which a growing table holds up to two, and two allocations around the bytes.
    const EACH: usize = 2 * 64 + 48 + CoreConfig::SHORT_REASON;
    for (of_watcher, of_node) in [(1 << 20, 1 << 30), (1 << 30, 1 << 20), (1 << 20, 1 << 20)] {
        for len in [CoreConfig::SHORT_REASON, CoreConfig::SHORT_REASON + 1, 700, LONG] {
            let mut bare = core(of_watcher, of_node);
            let taken = measure(|| (0..UNREAD).for_each(|_| _ = fired(&mut bare, other(len))));
            assert_eq!(bare.core.stats().outgoing_fired, UNREAD);
            let most = (1 << 20) + UNREAD * EACH;
            assert!(taken.bytes_current <= most as i64, "{} bytes of reasons of {len}", taken.bytes_current);
        }
    }
}

#[test]
fn a_short_reason_is_whole_behind_a_flood_of_long_ones() {
    let short = CoreConfig::SHORT_REASON;
    for (of_watcher, of_node) in LIMITS {
        let mut bare = core(of_watcher, of_node);
        (0..100).for_each(|_| _ = fired(&mut bare, other(LONG)));
        for reason in [
            ExitReason::Killed,
            ExitReason::other("exit code 1"),
            ExitReason::panicked("index out of bounds"),
            ExitReason::panicked("x".repeat(short)),
            other(short),
        ] {
            let id = fired(&mut bare, reason.clone());
            assert_eq!(cut(&bare.core.fired(id).unwrap()), (&reason, false));
        }
    }
}

#[test]
fn a_long_reason_keeps_its_kind_and_says_that_it_was_cut() {
    let short = CoreConfig::SHORT_REASON;
    let accents = "é".repeat(200);
    let shifted = "x".to_owned() + &accents;
    for (of_watcher, of_node) in &LIMITS[1..] {
        let mut bare = core(*of_watcher, *of_node);
        for (reason, kept) in [
            (other(short + 1), other(short)),
            (ExitReason::panicked("x".repeat(short + 1)), ExitReason::panicked("x".repeat(short))),
            // No character is cut in two, in either kind of reason.
            (ExitReason::panicked(&*accents), ExitReason::panicked(&accents[..short])),
            (ExitReason::panicked(&*shifted), ExitReason::panicked(&shifted[..short - 1])),
            (ExitReason::other(&*shifted), ExitReason::other(&shifted[..short - 1])),
            // Bytes that are no text have no characters.
            (ExitReason::other(vec![0xff; 300]), ExitReason::other(vec![0xff; short])),
        ] {
            let id = fired(&mut bare, reason);
            let down = bare.core.fired(id).unwrap();
            assert_eq!(cut(&down), (&kept, true));
            assert!(down.to_string().ends_with(" (reason cut)"), "{down}");
            assert_eq!(bare.core.fired_reason(id).as_ref(), Some(&down.reason));
            assert_eq!(bare.core.take(id), Some(down));
        }
        let whole = fired(&mut bare, ExitReason::panicked("oh"));
        assert!(bare.core.take(whole).unwrap().to_string().ends_with("exit: panicked: oh"));
    }
}

#[test]
fn the_limit_is_exact_and_what_is_read_or_flushed_makes_room() {
    let mut bare = core(1000, 1 << 20);
    let first = fired(&mut bare, other(600));
    let fits = fired(&mut bare, other(400));
    assert_eq!(cut(&bare.core.fired(fits).unwrap()), (&other(400), false));
    let beyond = fired(&mut bare, other(257));
    assert_eq!(cut(&bare.core.fired(beyond).unwrap()), (&other(256), true));
    bare.core.take(first).unwrap();
    let after = fired(&mut bare, other(345));
    assert_eq!(cut(&bare.core.fired(after).unwrap()), (&other(344), true));
    bare.demonitor(after);
    let flushed = fired(&mut bare, other(344));
    assert_eq!(cut(&bare.core.take(flushed).unwrap()), (&other(344), false));
}

#[test]
fn one_watcher_does_not_take_the_room_of_another_and_its_end_frees_all() {
    let mut bare = core(1000, 1500);
    fired(&mut bare, other(1000));
    let of_other = fired_of(&mut bare, OTHER_WATCHER, other(400));
    assert_eq!(cut(&bare.core.fired(of_other).unwrap()), (&other(400), false));
    // All watchers together have 100 bytes left, but a short reason is kept anyway.
    let short = CoreConfig::SHORT_REASON;
    let cut_short = fired_of(&mut bare, OTHER_WATCHER, other(short + 1));
    assert_eq!(cut(&bare.core.fired(cut_short).unwrap()), (&other(short), true));
    bare.exit(WATCHER);
    let whole = fired_of(&mut bare, OTHER_WATCHER, other(344));
    assert_eq!(cut(&bare.core.fired(whole).unwrap()), (&other(344), false));
}
