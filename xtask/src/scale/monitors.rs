//! More and more monitors: one process of a node holds them on a thousand processes of another
//! node, which is killed.

use std::time::Instant;

use anyhow::{Result, bail};

use super::costs::{Cost, Costs, Subject, cost};
use crate::bench::pair::{Lab, Pair, System};

pub(super) const SUBJECT: Subject =
    Subject { id: "monitors", title: "Monitors of one process, on 1,000 processes of another node" };

const SET_UP: Cost = cost("to set them up", "s", 1.0);
const WATCHER: Cost = cost("memory of the watcher's node, each", "B", 0.0);
const WATCHED: Cost = cost("memory of the watched node, each", "B", 0.0);
const LAST_DOWN: Cost = cost("from SIGKILL to the last Down", "s", 1.0);
const DOWNS: Cost = cost("from the first Down to the last", "s", 1.0);
const CALL: Cost = cost("longest other call meanwhile", "ms", 0.0);

pub(super) fn measure(lab: &Lab, monitors: usize, costs: &mut Costs) -> Result<()> {
    let mut add = |cost, value| costs.add(SUBJECT, cost, monitors, value);
    let mut pair = Pair::start(lab, System::OBIT)?;
    pair.watcher.ask("targets tasks 1000")?;

    let before = pair.at_rest()?;
    let [nanos] = pair.watcher.ask(&format!("monitors {monitors}"))?[..] else {
        bail!("monitors: not one time")
    };
    let after = pair.at_rest()?;
    add(SET_UP, nanos as f64 / 1e9);
    add(WATCHER, (after.0.rss - before.0.rss) / monitors as f64);
    add(WATCHED, (after.1.rss - before.1.rss) / monitors as f64);

    // The first answer confirms that the watcher waits.
    pair.watcher.ask("lost")?;
    let start = Instant::now();
    pair.watched.kill();
    let (last, numbers) = pair.watcher.timed_answer("lost")?;
    let [downs, longest] = numbers[..] else { bail!("lost: {numbers:?}") };
    add(LAST_DOWN, last.duration_since(start).as_secs_f64());
    add(DOWNS, downs as f64 / 1e9);
    add(CALL, longest as f64 / 1e6);
    Ok(())
}
