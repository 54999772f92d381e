//! Messages arrive in order, none twice, and all of them before the `Down` of their sender.

use std::collections::{BTreeMap, BTreeSet};

use super::{Homes, NodeRun};
use crate::cluster::{
    protocol::{Command, CommandAnswer, Output, Reason},
    transcript::LineContent,
};

/// For every pair of sender and receiver:
/// - the numbers of the messages only rise, and have no gap unless a fault was injected at one of
///   the two nodes, or the receiver was notified of missed messages;
/// - after a Down for the sender's exit none of its messages arrives, and none is missing.
pub(super) fn violations(
    run: &NodeRun,
    runs: &[NodeRun],
    homes: &Homes<'_>,
    hurt: &BTreeSet<String>,
) -> Vec<String> {
    let sent = sent_to(runs);
    let mut received: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut gone: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut missed: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for entry in &run.entries {
        let LineContent::Output(event) = &entry.content else { continue };
        let mut violation = |to: &str, what: String| found.push(format!("{}: {to} {what}", run.name));
        let undisturbed = |pid: &str| {
            let peer = homes.get(pid).map_or("", |home| home.name);
            !hurt.contains(&run.name) && !hurt.contains(peer)
        };
        match event {
            Output::Missed { to, .. } => drop(missed.insert(to)),
            Output::Message { to, from: Some(from), body } => {
                let pair = (to.as_str(), from.as_str());
                let last = received.entry(pair).or_default();
                let number: u64 = body.parse().unwrap_or_default();
                let in_sequence = number == *last + 1;
                let excused = !undisturbed(from) || missed.contains(to.as_str());
                if number <= *last || !in_sequence && !excused {
                    violation(to, format!("received message {body} from {from} after {last}"));
                }
                if gone.contains(&pair) {
                    violation(to, format!("received message {body} from {from} after the Down for its exit"));
                }
                *last = number;
            }
            Output::Down { to, target, reason: Reason::Exit(_), .. } => {
                let pair = (to.as_str(), target.as_str());
                gone.insert(pair);
                let (got, wanted) =
                    (received.get(&pair).copied().unwrap_or(0), sent.get(&pair).copied().unwrap_or(0));
                if got < wanted && undisturbed(target) && !missed.contains(to.as_str()) {
                    violation(
                        to,
                        format!("received the Down of {target} after {got} of its {wanted} messages"),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// The number of the last message that each process has sent to each other one, by receiver and
/// sender. Messages to a name are not included.
fn sent_to(runs: &[NodeRun]) -> BTreeMap<(&str, &str), u64> {
    let mut sent = BTreeMap::new();
    for sender in runs {
        let mut asked = BTreeMap::new();
        for entry in &sender.entries {
            match &entry.content {
                LineContent::Request(request) => drop(asked.insert(request.id, &request.command)),
                LineContent::Output(Output::Reply { id, answer: CommandAnswer::Sent(last) }) => {
                    if let Some(Command::Send { process, to, .. }) = asked.get(id) {
                        sent.insert((to.as_str(), process.as_str()), *last);
                    }
                }
                _ => {}
            }
        }
    }
    sent
}
