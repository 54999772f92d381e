//! More and more processes on one node: each is a task with one monitor from another node, and all
//! end by one message.

use std::time::Instant;

use anyhow::{Result, bail};

use super::costs::{Cost, Costs, Subject, cost};
use crate::bench::pair::{Lab, Pair, System};

pub(super) const SUBJECT: Subject =
    Subject { id: "processes", title: "Processes of one node, each with one monitor from another node" };

const SPAWN: Cost = cost("to start them", "s", 1.0);
const PROCESS: Cost = cost("memory, each", "B", 0.0);
const MONITOR: Cost = cost("to monitor them", "s", 1.0);
const DOWNS: Cost = cost("from the order to exit to the last Down", "s", 1.0);

pub(super) fn measure(lab: &Lab, processes: usize, costs: &mut Costs) -> Result<()> {
    let mut add = |cost, value| costs.add(SUBJECT, cost, processes, value);
    let mut pair = Pair::start(lab, System::OBIT)?;

    let (_, before) = pair.at_rest()?;
    let start = Instant::now();
    pair.watcher.ask(&format!("targets tasks {processes}"))?;
    add(SPAWN, start.elapsed().as_secs_f64());
    let (_, after) = pair.at_rest()?;
    add(PROCESS, (after.rss - before.rss) / processes as f64);

    for (verb, cost) in [(format!("monitors {processes}"), MONITOR), ("downs".to_owned(), DOWNS)] {
        let [nanos] = pair.watcher.ask(&verb)?[..] else { bail!("{verb}: not one time") };
        add(cost, nanos as f64 / 1e9);
    }
    Ok(())
}
