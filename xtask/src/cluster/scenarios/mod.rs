//! The scenarios: each runs a few nodes as real processes with real faults.
//!
//! A scenario asserts its own subject; afterwards the oracle checks the properties that hold in
//! every scenario.

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use super::Cluster;

mod bad_links;
mod blocked;
mod cables;
mod churn;
mod demonitor;
mod endurance;
mod exits;
mod faults;
mod floods;
mod freeze;
mod heartbeats;
mod hostile;
mod impostors;
mod leaks;
mod logs;
mod many;
mod mesh;
mod names;
mod node_events;
mod order;
mod resolver;
mod sessions;
mod strangers;
mod watcher_death;
mod wrapper;

/// The network that a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Any network in which the nodes reach each other.
    Any,
    /// A network of its own, for the injection of faults; this needs root.
    Network,
}

/// One scenario.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// A description in one line.
    pub(super) shows: &'static str,
    pub(super) ground: Ground,
    pub(super) run: fn(&Cluster<'_>) -> Result<()>,
}

/// All of them, in the order in which they are run.
pub(super) const ALL: &[Scenario] = &[
    anywhere("exit-reasons", "a watcher receives the exact exit reason of a process", exits::exit_reasons),
    anywhere("by-name", "a name is resolved once, where it is registered", names::by_name),
    anywhere("noproc", "a monitor on a missing process or name reports `NoProc`", names::noproc),
    anywhere("many", "10,000 monitors, each exactly one Down", many::many),
    anywhere(
        "demonitor",
        "flush, info, and a dropped handle: no Down after the end of a monitor",
        demonitor::demonitor,
    ),
    anywhere(
        "watcher-death",
        "the end of a watcher removes its monitors on both sides",
        watcher_death::watcher_death,
    ),
    anywhere("kill-9", "a killed node: every watcher of its processes receives a Down", faults::kill_9),
    anywhere(
        "blocked-process",
        "64 processes block their thread: no other process waits, and no report is false",
        blocked::blocked_process,
    ),
    anywhere("freeze", "a frozen node is detected in the configured time, and rejoins", freeze::freeze),
    anywhere(
        "mixed-heartbeats",
        "a stream in one direction between different presets: no node is reported as down",
        heartbeats::mixed_heartbeats,
    ),
    anywhere("restart", "a new incarnation is not mistaken for the old one", faults::restart),
    anywhere("leave", "a node that leaves in good order loses no Down", faults::leave),
    anywhere("node-events", "subscriptions by type, reasons, and the snapshot", node_events::node_events),
    anywhere("order", "20,000 messages, then the Down; node-up before, node-down after", order::order),
    anywhere("simultaneous-dial", "all pairs dial at once: one session each", sessions::simultaneous_dial),
    anywhere("on-demand", "no connection before the first monitor", sessions::on_demand),
    anywhere(
        "hostile",
        "garbage, huge frames, a wrong secret, a wrong version: other nodes are unaffected",
        hostile::hostile,
    ),
    anywhere("replay", "a replayed handshake, and a reflected one: both are refused", impostors::replay),
    anywhere(
        "duplicate-name",
        "a second node of a name: the first is undisturbed",
        impostors::duplicate_name,
    ),
    anywhere(
        "descriptors",
        "no descriptor left: sessions continue, and the listener does not spin",
        floods::descriptors,
    ),
    anywhere(
        "floods",
        "too many silent and slow clients: their connections are closed in time",
        floods::floods,
    ),
    anywhere(
        "many-strangers",
        "10,000 unauthenticated peers: memory and descriptors stay flat",
        leaks::many_strangers,
    ),
    anywhere("reconnects", "1,000 disconnects: memory and descriptors stay flat", leaks::reconnects),
    anywhere(
        "restarts",
        "50 incarnations of one node: one node up and one node down each",
        endurance::restarts,
    ),
    anywhere(
        "half-frozen",
        "half of the nodes freeze: the others report them as down, and they report no node",
        endurance::half_frozen,
    ),
    anywhere(
        "wrapper",
        "`obit run` that is killed, stopped, process 1, or started by an unusual parent",
        wrapper::wrapper,
    ),
    anywhere("blocked-log", "a log without a reader delays neither a node nor its end", logs::blocked_log),
    anywhere("dead-log-reader", "a log whose reader has exited harms no node", logs::dead_log_reader),
    anywhere(
        "plain-subscriber",
        "a program whose subscriber fails at every event loses no Down",
        logs::plain_subscriber,
    ),
    anywhere("churn", "random actions, then every monitor has ended once", churn::churn),
    on_wires("cable-pull", "a pulled cable: both sides report it in the configured time", cables::cable_pull),
    on_wires(
        "one-way",
        "the packets of one node are lost: both nodes report it, and no other does",
        cables::one_way,
    ),
    on_wires(
        "told-by-closing",
        "a node that reports a peer as down informs the peer if packets still reach it",
        cables::told_by_closing,
    ),
    on_wires(
        "silent-resolver",
        "a nameserver without answers: literal addresses connect, every dial returns",
        resolver::silent_resolver,
    ),
    on_wires("bridge-partition", "two nodes lose each other; a third keeps both", cables::bridge_partition),
    on_wires(
        "ring-partition",
        "each node keeps its neighbors only, and all reconnect",
        cables::ring_partition,
    ),
    on_wires(
        "flapping-link",
        "a link that comes and goes: no event lost, none duplicated",
        cables::flapping_link,
    ),
    on_wires("loss", "5 % of all packets lost: no session ends, and no message is lost", bad_links::loss),
    on_wires("heavy-loss", "20 % of all packets lost: each monitor ends once", bad_links::heavy_loss),
    on_wires("disorder", "packets reordered and duplicated: no effect above TCP", bad_links::disorder),
    on_wires("slow-link", "half a megabit a second: heartbeats overtake the messages", bad_links::slow_link),
    on_wires("reset", "resets instead of answers: reported at once", bad_links::reset),
    anywhere(
        "stalled-relay",
        "a relay that holds one direction back, and one that breaks",
        bad_links::stalled_relay,
    ),
    anywhere(
        "delay",
        "200 ms each way, dials that overtake each other: one session a pair",
        bad_links::delay,
    ),
    on_wires("half-open", "TCP handshakes that are never finished: the node sees none", floods::half_open),
    on_wires(
        "clocks-apart",
        "clocks a year apart: no node is reported as down early or late",
        endurance::clocks_apart,
    ),
];

type Run = fn(&Cluster<'_>) -> Result<()>;

const fn anywhere(name: &'static str, shows: &'static str, run: Run) -> Scenario {
    Scenario { name, shows, ground: Ground::Any, run }
}

const fn on_wires(name: &'static str, shows: &'static str, run: Run) -> Scenario {
    Scenario { name, shows, ground: Ground::Network, run }
}

/// The names, for the command line.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|scenario| scenario.name))
}
