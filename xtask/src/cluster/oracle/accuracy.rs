//! Every Down must be true of its target.

use std::collections::BTreeSet;

use super::{
    Homes, homes,
    ledger::{Ledger, Record, State},
    node_of,
};
use crate::cluster::protocol::{Exit, Reason};

/// The kinds of an end that imply that there was a session.
pub(super) const SESSION_ENDS: [&str; 9] = [
    "Closed",
    "Timeout",
    "Left",
    "Disconnected",
    "Replaced",
    "Evicted",
    "Protocol",
    "Overloaded",
    "LocalShutdown",
];

/// - `Exit(reason)`: the process has ended with that reason;
/// - `NoProc`: the process has ended, or its incarnation of the node has;
/// - `NoConnection` for the end of a session: the scenario injected a fault at one of the two
///   nodes.
pub(super) fn violations(ledgers: &[Ledger<'_>], hurt: &BTreeSet<String>) -> Vec<String> {
    let homes = homes(ledgers);
    let mut found = Vec::new();
    for ledger in ledgers {
        for (reference, record) in &ledger.monitors {
            let State::Down(reason) = &record.state else { continue };
            let lie = match reason {
                Reason::Exit(exit) => exit_lie(exit, record, ledgers, &homes),
                Reason::NoProc => no_proc_lie(record, &homes),
                Reason::NoConnection(end) => {
                    let peer = node_of(&record.target, &homes).unwrap_or_default();
                    let faultless = !hurt.contains(ledger.name) && !hurt.contains(peer);
                    (faultless && SESSION_ENDS.contains(&end.kind.as_str()))
                        .then(|| "no fault was injected at either node".to_owned())
                }
            };
            if let Some(lie) = lie {
                found.push(format!(
                    "{}: {reference} on {}: a Down for {reason:?}, but {lie}",
                    ledger.name, record.target
                ));
            }
        }
    }
    found
}

fn exit_lie(exit: &Exit, record: &Record<'_>, ledgers: &[Ledger<'_>], homes: &Homes<'_>) -> Option<String> {
    let target = record.target.as_str();
    match homes.get(target) {
        Some(home) => {
            let ends = &home.processes[target];
            let shut_down = home.told_to_stop && *exit == Exit::Shutdown;
            (!shut_down && !ends.iter().any(|end| is_end(exit, end)))
                .then(|| format!("the process has ended with {ends:?}"))
        }
        // The holder of the name is unknown here: at least one process of that node must have ended
        // so.
        None => {
            let node = node_of(target, homes);
            let there = || ledgers.iter().filter(|ledger| Some(ledger.name) == node);
            let shut_down = *exit == Exit::Shutdown && there().any(|ledger| ledger.told_to_stop);
            let mut ends = there().flat_map(|ledger| ledger.processes.values()).flatten();
            let ended_so = shut_down || ends.any(|end| is_end(exit, end));
            (!ended_so).then(|| "no process of that node has ended so".to_owned())
        }
    }
}

fn no_proc_lie(record: &Record<'_>, homes: &Homes<'_>) -> Option<String> {
    let home = homes.get(record.target.as_str())?;
    home.has(&record.target).then(|| "the process is running".to_owned())
}

/// Whether the reason in the `Down` is the one with which the process ended. A process that is a
/// guard prints the message of its panic, but its guard cannot read it.
fn is_end(reported: &Exit, printed: &Exit) -> bool {
    reported == printed || matches!((reported, printed), (Exit::Panicked(_), Exit::Panicked(_)))
}
