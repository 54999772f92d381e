//! The scenarios: each is a story about a few nodes, told with real processes and real faults.
//!
//! A scenario asserts what it is about; what must hold in every story the oracle checks afterwards.

use clap::builder::PossibleValuesParser;

use super::Cluster;
use crate::failure::Result;

mod churn;
mod demonitor;
mod exits;
mod faults;
mod freeze;
mod hostile;
mod many;
mod names;
mod node_events;
mod order;
mod sessions;
mod watcher_death;

/// One scenario.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What it shows, in a line.
    pub(super) shows: &'static str,
    pub(super) run: fn(&Cluster<'_>) -> Result,
}

/// All of them, in the order in which they are run.
pub(super) const ALL: [Scenario; 16] = [
    scenario("exit-reasons", "a watcher learns how a process ended, word for word", exits::exit_reasons),
    scenario("by-name", "a name is resolved once, where it is registered", names::by_name),
    scenario("noproc", "who is not there is said not to be there", names::noproc),
    scenario("many", "10,000 monitors, each exactly one Down", many::many),
    scenario("demonitor", "flush, info, and a dropped handle: silence means silence", demonitor::demonitor),
    scenario(
        "watcher-death",
        "a watcher's death leaves nothing behind on either side",
        watcher_death::watcher_death,
    ),
    scenario(
        "kill-9",
        "a node that is killed takes its processes with it, and everybody is told",
        faults::kill_9,
    ),
    scenario("freeze", "a frozen node is detected in the configured time, and rejoins", freeze::freeze),
    scenario("restart", "a new life under an old name is not mistaken for the old one", faults::restart),
    scenario("leave", "a node that leaves in good order loses no Down", faults::leave),
    scenario("node-events", "subscriptions by type, reasons, and the snapshot", node_events::node_events),
    scenario("order", "20,000 messages, then the Down; node-up before, node-down after", order::order),
    scenario("simultaneous-dial", "all pairs dial at once: one session each", sessions::simultaneous_dial),
    scenario("on-demand", "no connection before the first monitor", sessions::on_demand),
    scenario(
        "hostile",
        "garbage, huge frames, a wrong secret, a wrong version: nobody else notices",
        hostile::hostile,
    ),
    scenario("churn", "everything at random, then every monitor has ended once", churn::churn),
];

const fn scenario(name: &'static str, shows: &'static str, run: fn(&Cluster<'_>) -> Result) -> Scenario {
    Scenario { name, shows, run }
}

/// The names, for the command line.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|scenario| scenario.name))
}
