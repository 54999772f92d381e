//! Measures how soon a stopped node is reported as down, and whether a node that is only slow is
//! reported as down.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use harness::peer::Usage;

use super::{
    figures::{Sample, Unit},
    pair::{Lab, Pair, System},
};

/// Returns the seconds from SIGSTOP to the `Down` for that many pairs, which run at the same time.
pub(super) fn detection(lab: &Lab, id: &str, system: System, pairs: usize) -> Result<Vec<Sample>> {
    let pairs = watching(lab, system, pairs)?;
    thread::scope(|scope| {
        let running: Vec<_> = pairs.into_iter().map(|pair| scope.spawn(|| seconds_to_down(pair))).collect();
        let outcomes = running.into_iter().map(|thread| thread.join().expect("it does not panic"));
        outcomes
            .map(|outcome| {
                let (value, usage) = outcome?;
                Ok(Sample { id: id.to_owned(), n: 1, unit: Unit::Seconds, value, usage })
            })
            .collect()
    })
}

/// Returns the number of healthy nodes that are reported as down while every processor has twice
/// the load that it can handle.
pub(super) fn false_downs(lab: &Lab, system: System, pairs: usize, lasting: Duration) -> Result<usize> {
    let pairs = watching(lab, system, pairs)?;
    let over = AtomicBool::new(false);
    let busy = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        thread::sleep(lasting);
        over.store(true, Ordering::Relaxed);
    });
    Ok(pairs.iter().filter(|pair| !pair.watcher.is_silent()).count())
}

/// Pairs with one monitor each, whose watcher waits for its `Down`.
fn watching(lab: &Lab, system: System, pairs: usize) -> Result<Vec<Pair>> {
    (0..pairs)
        .map(|_| {
            let mut pair = Pair::start(lab, system)?;
            for verb in ["targets tasks 1", "monitors 1", "lost"] {
                pair.watcher.ask(verb)?;
            }
            Ok(pair)
        })
        .collect()
}

fn seconds_to_down(pair: Pair) -> Result<(f64, Usage)> {
    // Somewhere between two heartbeats.
    thread::sleep(Duration::from_millis(fastrand::u64(500..1500)));
    let before = pair.watcher.usage()?;
    let start = Instant::now();
    pair.watched.freeze()?;
    let answer = pair.watcher.answer("lost")?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), pair.watcher.usage()?);
    if answer.len() != 2 {
        bail!("lost: {answer:?}");
    }
    Ok((seconds, after.since(before)))
}
