//! Limits on the memory that reasons of unread notices take.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use allocation_counter::measure;
use monitor_core::{CoreConfig, Down, DownReason, ExitReason, MonitorId, Signal};

use self::bare::{Bare, OTHER_WATCHER, WATCHER, node};

#[path = "../benches/bare/mod.rs"]
mod bare;

const LONG: usize = ExitReason::MAX_LEN;

fn core(of_watcher: usize, of_node: usize) -> Bare {
    let config = CoreConfig::new(node("a@test"), 7);
    Bare::with(config.max_reason_bytes(of_watcher).max_node_reason_bytes(of_node))
}

fn other(len: usize) -> ExitReason {
    ExitReason::other(vec![7; len]).unwrap()
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

#[test]
fn a_watcher_that_reads_nothing_keeps_no_more_reasons_than_it_may() {
    const UNREAD: usize = 4000;
    for (of_watcher, of_node) in [(1 << 20, 1 << 30), (1 << 30, 1 << 20)] {
        let mut bare = core(of_watcher, of_node);
        let taken = measure(|| (0..UNREAD).for_each(|_| _ = fired(&mut bare, other(LONG))));
        assert_eq!(bare.core.stats().outgoing_fired, UNREAD);
        // A row each, and where all watchers share, a short reason each.
        let most = (1 << 20) + UNREAD * (128 + 2 * CoreConfig::SHORT_REASON);
        assert!(taken.bytes_current <= most as i64, "{} bytes", taken.bytes_current);
    }
}

#[test]
fn reasons_that_are_cut_to_nothing_take_nothing() {
    const UNREAD: usize = 100_000;
    let mut bare = core(0, 0);
    let plain = measure(|| (0..UNREAD).for_each(|_| _ = fired(&mut bare, ExitReason::Normal)));
    let mut bare = core(0, 0);
    let cut = measure(|| (0..UNREAD).for_each(|_| _ = fired(&mut bare, other(LONG))));
    assert_eq!(cut.bytes_current, plain.bytes_current);
}

#[test]
fn a_reason_keeps_its_kind_and_says_that_it_was_cut() {
    let mut bare = core(10, 1 << 20);
    let ids = [
        fired(&mut bare, ExitReason::panicked("sixsix")),
        // A character is not cut in two.
        fired(&mut bare, ExitReason::panicked("aaaé")),
        fired(&mut bare, other(7)),
        fired(&mut bare, ExitReason::panicked("none")),
        fired(&mut bare, other(1)),
        fired(&mut bare, ExitReason::Killed),
    ];
    let downs: Vec<Down> = ids.iter().map(|&id| bare.core.fired(id).unwrap()).collect();
    let expected = [
        (ExitReason::panicked("sixsix"), false),
        (ExitReason::panicked("aaa"), true),
        (other(1), true),
        (ExitReason::panicked(""), true),
        (other(0), true),
        (ExitReason::Killed, false),
    ];
    for (down, (reason, was_cut)) in downs.iter().zip(&expected) {
        assert_eq!(cut(down), (reason, *was_cut));
        assert_eq!(down.to_string().ends_with(" (reason cut)"), *was_cut, "{down}");
        assert_eq!(bare.core.fired_reason(MonitorId(down.monitor.serial())).as_ref(), Some(&down.reason));
        assert_eq!(bare.core.take(MonitorId(down.monitor.serial())).as_ref(), Some(down));
    }
}

#[test]
fn the_limit_is_exact_and_what_is_read_or_flushed_makes_room() {
    let mut bare = core(100, 1 << 20);
    let first = fired(&mut bare, other(60));
    let fits = fired(&mut bare, other(40));
    assert_eq!(cut(&bare.core.fired(fits).unwrap()), (&other(40), false));
    let beyond = fired(&mut bare, other(1));
    assert_eq!(cut(&bare.core.fired(beyond).unwrap()), (&other(0), true));
    bare.core.take(first).unwrap();
    let after = fired(&mut bare, other(61));
    assert_eq!(cut(&bare.core.fired(after).unwrap()), (&other(60), true));
    bare.demonitor(after);
    let flushed = fired(&mut bare, other(60));
    assert_eq!(cut(&bare.core.take(flushed).unwrap()), (&other(60), false));
}

#[test]
fn one_watcher_does_not_take_the_room_of_another_and_its_end_frees_all() {
    let mut bare = core(1000, 1500);
    fired(&mut bare, other(1000));
    let of_other = fired_of(&mut bare, OTHER_WATCHER, other(400));
    assert_eq!(cut(&bare.core.fired(of_other).unwrap()), (&other(400), false));
    // All together they have 100 bytes left, but a short reason is kept as far as its own watcher has room.
    let short = CoreConfig::SHORT_REASON;
    let cut_short = fired_of(&mut bare, OTHER_WATCHER, other(short + 1));
    assert_eq!(cut(&bare.core.fired(cut_short).unwrap()), (&other(short), true));
    bare.exit(WATCHER);
    let whole = fired_of(&mut bare, OTHER_WATCHER, other(344));
    assert_eq!(cut(&bare.core.fired(whole).unwrap()), (&other(344), false));
}
