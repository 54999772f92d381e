//! The memory that a monitor takes.
//!
//! A test program of its own, because it counts every allocation.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use allocation_counter::measure;
use monitor_core::{
    Core, CoreConfig, Driver, Effect, EffectHandler, LocalPid, LocalTarget, MonitorId, MonitorOptions,
    Processes, RaisedInputs, Signal,
    refs::{Incarnation, NodeId, Pid, Serial, SessionId, Target},
};

use self::bare::{Bare, WATCHER, number};

#[path = "../benches/bare/mod.rs"]
mod bare;

/// Maximum number of bytes that a monitor may take on either side.
const BUDGET: u64 = 64;

/// Just below a power of two, to which the tables grow: there is no unused room, so the figure is
/// the size of a row.
const FULL: u32 = (1 << 18) - 64;

/// Number of bytes that stay allocated, for each monitor.
fn bytes_each(make: impl FnOnce() -> Bare) -> u64 {
    let mut kept = None;
    let allocated = measure(|| kept = Some(make()));
    drop(kept);
    u64::try_from(allocated.bytes_current).unwrap() / u64::from(FULL)
}

#[test]
fn a_monitor_takes_no_more_than_its_budget_at_the_watcher() {
    let bytes = bytes_each(|| Bare::watching(FULL));
    assert!(bytes <= BUDGET, "{bytes} bytes");
}

#[test]
fn a_monitor_takes_no_more_than_its_budget_at_the_target() {
    let bytes = bytes_each(|| Bare::watched(FULL));
    assert!(bytes <= BUDGET, "{bytes} bytes");
}

/// Number of bytes kept after all of that number of monitors have ended: one or two chunks of each
/// table.
fn is_given_back(make: impl FnOnce() -> Bare, end: impl FnOnce(&mut Bare)) {
    let mut kept = None;
    let allocated = measure(|| {
        let mut bare = make();
        end(&mut bare);
        kept = Some(bare);
    });
    let (most, left) = (allocated.bytes_max, allocated.bytes_current);
    assert!(most > u64::from(FULL) * 24, "{most} bytes for {FULL} monitors");
    assert!(left < 3 << 20, "{left} bytes are left of {most}");
}

#[test]
fn monitors_of_a_peer_that_are_over_give_their_memory_back() {
    is_given_back(|| Bare::watched(FULL), Bare::lose_peer);
    is_given_back(|| Bare::watched(FULL), |bare| bare.exit(WATCHER));
}

#[test]
fn no_step_of_a_growing_or_shrinking_table_moves_more_than_a_chunk() {
    let mut bare = Bare::new();
    let mut most = 0;
    for slot in 0..FULL {
        most = most.max(measure(|| bare.monitored(slot, WATCHER)).bytes_total);
    }
    for slot in 0..FULL {
        most =
            most.max(measure(|| bare.signal(Signal::Demonitor { id: MonitorId(number(slot)) })).bytes_total);
    }
    assert!(most < 512 * 1024, "{most} bytes in one step");
}

#[test]
fn the_end_of_a_session_with_many_monitors_needs_no_memory_to_speak_of() {
    let mut bare = Bare::watching(FULL);
    let allocated = measure(|| bare.lose_peer()).bytes_max;
    assert!(allocated < 64 * 1024, "{allocated} bytes for {FULL} monitors");
}

/// Counts effects, and raises nothing.
struct Counts(usize);

impl EffectHandler for Counts {
    fn run(&mut self, _: Effect, _: &Core, _: &mut RaisedInputs<Self>) {
        self.0 += 1;
    }
}

impl Processes for Counts {
    fn resolve(&self, _: &LocalTarget<'_>) -> Option<LocalPid> {
        None
    }
}

#[test]
fn a_driver_allocates_nothing_of_its_own() {
    let node = |name: &str| NodeId::new(name.parse().unwrap(), Incarnation::new(1).unwrap());
    let mut driver = Driver::new(Core::new(CoreConfig::new(node("a@test"), 7)));
    let mut counts = Counts(0);
    driver.input(&mut counts, |core, _, out| core.peer_up(SessionId(1), node("b@test"), false, out));
    let target = Target::from(Pid::new(node("b@test"), Serial::new(0, 0)));
    let mut calls = || {
        driver.input(&mut counts, |core, processes, out| {
            let id = core.monitor(processes, WATCHER, &target, MonitorOptions::new(), out);
            core.demonitor(WATCHER, id, true, out);
        });
    };
    calls(); // the tables and the list of effects have their room now
    assert_eq!(measure(calls).count_total, 0);
    assert_eq!(counts.0, 5, "an admission, and a signal for each call");
}
