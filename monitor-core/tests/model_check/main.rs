//! The shipped core, in every possible run within bounds. Processes monitor each other, on their
//! own node and on others, and all other events happen in every order: signals arrive; connections
//! break and lose any suffix of their signals; either end is told of the beginning and the end of a
//! session early or late; processes exit, and others take their names; nodes restart.
//!
//! The bounds limit how often such events happen, not how long a run is: every run continues to its
//! end. Two states are the same if the cores are equal ([`Core`](monitor_core::Core) is `Hash`) and
//! if [`world`] has the same between them.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    bounds::{Aim, Bounds, Wish},
    world::{A, B, C},
};

mod bounds;
mod model;
mod observer;
mod quiescence;
mod sessions;
mod world;

/// A process of `a` monitors a process of `b`: the first one, one that never existed, and the one
/// that holds the name.
const FIRST: Wish = Wish { from: A, to: B, aim: Aim::Pid(1) };
const MISSING: Wish = Wish { from: A, to: B, aim: Aim::Missing };
const NAMED: Wish = Wish { from: A, to: B, aim: Aim::Name };

/// `b` monitors a process of `a` or of `c`; `c` monitors one of `b`.
const BACK: Wish = Wish { from: B, to: A, aim: Aim::Pid(1) };
const ON_C: Wish = Wish { from: B, to: C, aim: Aim::Pid(1) };
const FROM_C: Wish = Wish { from: C, to: B, aim: Aim::Pid(1) };

/// Visits every state within the bounds. Checks that the conditions hold in all states, and that
/// the required states are reachable.
fn check(bounds: Bounds) {
    let (name, start) = (bounds.name, Instant::now());
    let checker = bounds.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checked = checker.spawn_bfs().join();
    let (states, seconds) = (checked.unique_state_count(), start.elapsed().as_secs_f32());
    eprintln!("{name}: {states} states, {} steps deep, {seconds:.1} s", checked.max_depth());
    checked.assert_properties();
}

#[test]
fn through_two_sessions() {
    let name = "1 monitor, 2 sessions";
    check(Bounds { name, monitors: &[FIRST], sessions: 2, exits: &[A, B], ..Bounds::FEW });
}

#[test]
fn a_restart_under_the_same_name() {
    let name = "1 monitor of a pid, 2 sessions, 1 restart, stale signals";
    let restart = Bounds { sessions: 2, exits: &[B], restarts: &[B], stale_signals: true, ..Bounds::FEW };
    check(Bounds { name, monitors: &[FIRST], ..restart });
    let name = "1 monitor of a name, 2 sessions, 1 restart, stale signals";
    check(Bounds { name, monitors: &[NAMED], connected: true, ..restart });
}

#[test]
fn a_watching_node_that_restarts_gets_nothing_of_its_old_life() {
    let name = "2 monitors of a name, 2 sessions, 1 restart of the watcher";
    let monitors = &[NAMED, NAMED];
    check(Bounds {
        name,
        monitors,
        sessions: 2,
        connected: true,
        exits: &[B],
        restarts: &[A],
        ..Bounds::FEW
    });
}

#[test]
fn three_monitors_on_one_session() {
    let name = "3 monitors, 1 session";
    let monitors = &[FIRST, FIRST, MISSING];
    check(Bounds { name, monitors, connected: true, exits: &[B], ..Bounds::FEW });
}

#[test]
fn a_name_that_changes_hands() {
    let name = "2 monitors of a name, 1 session, 1 process that takes it";
    check(Bounds { name, monitors: &[NAMED, NAMED], exits: &[B], spawns: 1, ..Bounds::FEW });
}

#[test]
fn notices_that_wait_in_the_mailbox() {
    let name = "2 monitors, 1 session, mailboxes";
    check(Bounds { name, monitors: &[FIRST, NAMED], exits: &[A, B], mailboxes: true, ..Bounds::FEW });
}

#[test]
fn two_that_monitor_each_other() {
    let name = "2 monitors, one each way, 1 session, stale signals";
    let monitors = &[FIRST, BACK];
    check(Bounds { name, monitors, exits: &[A, B], stale_signals: true, ..Bounds::FEW });
}

#[test]
fn three_nodes() {
    let three = Bounds { nodes: 3, connected: true, exits: &[B], ..Bounds::FEW };
    check(Bounds { name: "3 nodes, 2 watch the third", monitors: &[FIRST, FROM_C], ..three });
    check(Bounds {
        name: "3 nodes, each watches the next",
        monitors: &[FIRST, ON_C],
        exits: &[B, C],
        ..three
    });
}

#[test]
fn one_step_at_a_time() {
    let name = "1 monitor, 1 session, 1 step a batch";
    let slow = Bounds { exits: &[A, B], batch: 1, ..Bounds::FEW };
    check(Bounds { name, monitors: &[FIRST], ..slow });
    let name = "2 monitors, 1 session, 2 steps a batch";
    check(Bounds { name, monitors: &[FIRST, FIRST], exits: &[B], batch: 2, ..slow });
}

/// Nearly four million states more: several minutes, with `--release`.
#[test]
fn wider_bounds() {
    if std::env::var_os("OBIT_WIDE_MODELS").is_none() {
        return eprintln!("not run: OBIT_WIDE_MODELS is not set");
    }
    let two = Bounds { sessions: 2, exits: &[B], ..Bounds::FEW };
    check(Bounds { name: "2 monitors, 2 sessions", monitors: &[FIRST, NAMED], ..two });
    let name = "1 monitor, 2 sessions, 1 step a batch";
    check(Bounds { name, monitors: &[FIRST], batch: 1, ..two });
    let name = "2 monitors of a name, 2 sessions, 1 restart, stale signals";
    let stale = Bounds { monitors: &[NAMED, NAMED], stale_signals: true, ..two };
    check(Bounds { name, restarts: &[B], ..stale });
    let name = "2 monitors of a name, 2 sessions, 1 restart of the watcher, stale signals";
    check(Bounds { name, restarts: &[A], ..stale });
    let three = Bounds { nodes: 3, sessions: 1, exits: &[B], ..two };
    check(Bounds { name: "3 nodes, 2 watch the third", monitors: &[FIRST, FROM_C], ..three });
    check(Bounds { name: "3 nodes, each watches the next", monitors: &[FIRST, ON_C], ..three });
    check(Bounds { name: "3 monitors, 1 session", monitors: &[FIRST, FIRST, MISSING], sessions: 1, ..two });
}
