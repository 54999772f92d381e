//! Properties that must hold in every scenario, checked on the merged transcripts of all nodes.
//!
//! - [`ledger`]: every monitor has at most one Down, for its own target and tag, at its own
//!   watcher, and none after it was ended for good;
//! - [`accuracy`]: every Down is true of its target;
//! - [`order`]: node-ups and node-downs alternate, and what comes from a node comes between them;
//! - [`messages`]: messages come in order, none twice, and all of them before the Down of their
//!   sender;
//! - [`unsettled`]: in an idle cluster no notice is outstanding, and the tables hold exactly the
//!   active monitors.
//!
//! Each process prints its own events, so within one transcript the lines of one process are in the
//! order of its events. Between processes no order is assumed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::ledger::{Ledger, State};
use super::{node::Node, protocol::Tables, transcript::TranscriptLine};

mod accuracy;
mod ledger;
mod messages;
mod order;
#[cfg(test)]
mod tests;

/// One run of one node, with its transcript.
pub(super) struct NodeRun {
    pub(super) name: String,
    pub(super) incarnation: String,
    /// Neither killed nor stopped.
    pub(super) alive: bool,
    pub(super) entries: Vec<Arc<TranscriptLine>>,
}

impl NodeRun {
    /// Returns a node with its transcript up to now.
    pub(super) fn of(node: &Node) -> Self {
        NodeRun {
            name: node.name().to_owned(),
            incarnation: node.incarnation().to_owned(),
            alive: node.is_alive(),
            entries: node.transcript().entries(),
        }
    }
}

/// Returns all violations, in no particular order; `hurt` has the names of the nodes with an
/// injected fault that ends sessions.
pub(super) fn violations(runs: &[NodeRun], hurt: &BTreeSet<String>) -> Vec<String> {
    let ledgers: Vec<_> = runs.iter().map(Ledger::of).collect();
    let homes = homes(&ledgers);
    let mut found: Vec<_> = ledgers.iter().flat_map(|ledger| ledger.violations.clone()).collect();
    found.extend(accuracy::violations(&ledgers, hurt));
    for run in runs {
        found.extend(order::violations(run, &homes, hurt));
        found.extend(messages::violations(run, runs, &homes, hurt));
    }
    found
}

/// Returns the reasons why the cluster is not idle: none, once all outstanding notices have arrived
/// and the tables of all running nodes hold the expected rows.
pub(super) fn unsettled(runs: &[NodeRun], tables: &BTreeMap<String, Tables>) -> Vec<String> {
    let ledgers: Vec<_> = runs.iter().map(Ledger::of).collect();
    let homes = homes(&ledgers);
    let mut found = Vec::new();
    for ledger in ledgers.iter().filter(|ledger| ledger.alive) {
        for (reference, record) in &ledger.monitors {
            let dead = homes.get(record.target.as_str()).is_some_and(|home| !home.has(&record.target));
            let owed = record.state == State::Owed || record.state == State::Active && dead;
            if owed {
                found.push(format!(
                    "{}: {reference} has had no Down, but {} is gone",
                    ledger.name, record.target
                ));
            }
        }
        let Some(tables) = tables.get(ledger.name) else { continue };
        let incoming = ledgers.iter().filter(|other| other.alive && other.name != ledger.name);
        let incoming: usize = incoming.map(|other| other.active_at(ledger.name, &homes)).sum();
        let expected = [
            ("active monitors", tables.active, ledger.active()),
            ("monitors of other nodes", tables.incoming, incoming),
            ("Downs not received", tables.fired, 0),
            ("node subscriptions", tables.subscriptions, ledger.subscriptions.len()),
            ("calls that wait for a session", tables.waiting, 0),
            ("pieces of unfinished work", tables.backlog, 0),
        ];
        for (what, got, wanted) in expected.into_iter().filter(|&(_, got, wanted)| got != wanted as u64) {
            found.push(format!("{}: its tables hold {got} {what}, expected {wanted}", ledger.name));
        }
    }
    found
}

/// The run to which every process belongs, by pid.
type Homes<'a> = BTreeMap<&'a str, &'a Ledger<'a>>;

fn homes<'a>(ledgers: &'a [Ledger<'a>]) -> Homes<'a> {
    ledgers.iter().flat_map(|ledger| ledger.processes.keys().map(move |pid| (*pid, ledger))).collect()
}

/// The name of a target's node: that of the process, or the text after the `@` of a name. `None`
/// for a pid that no process here has ever had.
fn node_of<'a>(target: &'a str, homes: &Homes<'a>) -> Option<&'a str> {
    match homes.get(target) {
        Some(home) => Some(home.name),
        None if target.starts_with("partisan:") => None,
        None => target.split_once('@').map(|(_, node)| node),
    }
}
