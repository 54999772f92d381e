//! Runs scenarios and returns the verdict on each.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Mutex,
    time::Instant,
};

use anyhow::{Error, Result, anyhow};
use harness::{
    children::Children,
    files::make_folder,
    net::{self, Network},
    ports::Ports,
    secret::fresh_secret,
    workspace,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Cluster, Options, State,
    heartbeat::Heartbeat,
    node::{Launch, Node, end_all},
    oracle::{self, NodeRun},
    report::{self, Progress},
    scenarios::{self, Ground, Scenario},
};

/// The outcome of one scenario.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) seconds: f64,
    /// The expected and the actual result with the location of the logs, or the reason for a skip;
    /// empty if the scenario passed.
    pub(super) detail: String,
    pub(super) figures: BTreeMap<String, Value>,
}

/// The verdict on a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// The scenario could not be run here, and was not selected by name.
    Skipped,
}

impl Verdict {
    /// On a scenario that cannot be run here, and why; if it was asked for by name, that is a
    /// failure.
    fn without_network(scenario: &Scenario, why: &Error, by_name: bool) -> Self {
        let outcome = if by_name { Outcome::Failed } else { Outcome::Skipped };
        Verdict {
            name: scenario.name,
            outcome,
            seconds: 0.0,
            detail: format!("{why:#}"),
            figures: BTreeMap::new(),
        }
    }
}

/// Runs the selected scenarios, in the order of the list.
pub(super) fn run(options: &Options, children: &Children, program: &Path) -> Result<Vec<Verdict>> {
    let ports = Ports::take()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let logs = workspace::root().join("target/test-cluster").join(std::process::id().to_string());
    report::first_line(options.nodes, seed);
    let by_name = |scenario: &Scenario| options.scenarios.iter().any(|name| name == scenario.name);
    let asked_for = |scenario: &&Scenario| match options.scenarios.is_empty() {
        true => scenario.ground == Ground::Any || options.netns,
        false => by_name(scenario),
    };
    let chosen: Vec<_> = scenarios::ALL.iter().filter(asked_for).collect();
    let needed = |scenario: &&Scenario| options.netns || scenario.ground == Ground::Network;
    let networks = if chosen.iter().any(needed) { net::available() } else { Ok(()) };
    if let Err(why) = &networks {
        report::no_networks(why);
    }
    let mut verdicts = Vec::new();
    for scenario in chosen {
        if children.interrupted() {
            break;
        }
        let net = match &networks {
            Ok(()) if needed(&scenario) => Some(Network::new(options.nodes as usize)?),
            Err(why) if scenario.ground == Ground::Network => {
                verdicts.push(Verdict::without_network(scenario, why, by_name(scenario)));
                continue;
            }
            Ok(()) | Err(_) => None,
        };
        let logs = logs.join(scenario.name);
        make_folder(&logs)?;
        let cluster = Cluster {
            children,
            ports: &ports,
            net,
            launch: Launch {
                program: program.to_owned(),
                name: String::new(),
                secret: fresh_secret()?,
                heartbeat: Heartbeat::DEFAULT,
                hidden: false,
                home: None,
                peers: Vec::new(),
                listen: None,
                by: Vec::new(),
                log_reader: None,
                log: logs.clone(),
            },
            logs: logs.clone(),
            size: options.nodes as usize,
            quick: options.quick,
            seed,
            progress: Progress::start(scenario.name),
            state: Mutex::default(),
        };
        let verdict = run_one(scenario, &cluster);
        cluster.progress.finish(&verdict);
        drop(cluster);
        if verdict.outcome == Outcome::Passed && !options.keep_logs {
            // A failure to remove transcripts is harmless.
            let _ = fs::remove_dir_all(&logs);
        }
        verdicts.push(verdict);
    }
    // Removes the folder of the run only if it is empty.
    let _ = fs::remove_dir(&logs);
    Ok(verdicts)
}

fn run_one(scenario: &Scenario, cluster: &Cluster<'_>) -> Verdict {
    let start = Instant::now();
    let ran = catch_unwind(AssertUnwindSafe(|| (scenario.run)(cluster)));
    let ran = ran.unwrap_or_else(|_| Err(anyhow!("the scenario itself panicked: see above")));
    let outcome = ran.and_then(|()| cluster.at_rest());
    let violations = end_and_examine(cluster);
    let mut wrong: Vec<_> = outcome.err().map(|error| format!("{error:#}")).into_iter().collect();
    if cluster.children.interrupted() {
        // The signal ended the nodes, so any other error means nothing.
        wrong = vec!["interrupted".to_owned()];
    } else if let Some(first) = violations.first() {
        wrong.push(format!("the oracle found {} violations; the first: {first}", violations.len()));
    }
    let outcome = if wrong.is_empty() { Outcome::Passed } else { Outcome::Failed };
    if outcome == Outcome::Failed {
        wrong.push(format!("logs: {}", cluster.logs.display()));
    }
    let State { figures, .. } = std::mem::take(&mut *cluster.state());
    Verdict {
        name: scenario.name,
        outcome,
        seconds: start.elapsed().as_millis() as f64 / 1000.0,
        detail: wrong.join("\n"),
        figures,
    }
}

/// Ends every node, so that all transcripts are complete, and has them examined.
fn end_and_examine(cluster: &Cluster<'_>) -> Vec<String> {
    let nodes = cluster.state().runs.clone();
    let were_alive: Vec<_> = nodes.iter().map(Node::is_alive).collect();
    end_all(&nodes);
    let runs: Vec<_> =
        nodes.iter().zip(were_alive).map(|(node, alive)| NodeRun { alive, ..NodeRun::of(node) }).collect();
    let mut violations = oracle::violations(&runs, &cluster.state().hurt);
    violations.extend(nodes.iter().flat_map(panics));
    // Lists all violations, not only the first, for readers of the logs.
    let _ = fs::write(cluster.logs.join("violations.txt"), violations.join("\n"));
    violations
}

/// Returns the panics in a node's log, without those that the scenario requested of its processes.
fn panics(node: &Node) -> Vec<String> {
    const ON_ORDER: &str = "tools/test-node/src/process.rs";
    let errors = fs::read_to_string(node.launch().log.with_extension("stderr")).unwrap_or_default();
    let panics = errors.lines().filter(|line| line.contains("panicked at") && !line.contains(ON_ORDER));
    panics.map(|line| format!("{}: {line}", node.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_cannot_be_run_is_skipped_unless_selected_by_name() {
        let scenario = scenarios::ALL.iter().find(|scenario| scenario.ground == Ground::Network);
        let scenario = scenario.expect("there are scenarios about wires");
        let why = anyhow!("only root can make network namespaces");
        let verdicts = [false, true].map(|by_name| Verdict::without_network(scenario, &why, by_name));
        assert_eq!(verdicts.each_ref().map(|verdict| verdict.outcome), [Outcome::Skipped, Outcome::Failed]);
        let json = serde_json::to_value(&verdicts[0]).unwrap();
        assert_eq!((&json["outcome"], &json["detail"]), (&"skipped".into(), &format!("{why:#}").into()));
    }
}
