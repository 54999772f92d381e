//! Measures how soon a fault is reported.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use fastrand::Rng;
use harness::{conditions::SOON, net::Network};
use serde::Serialize;

use super::testbed::{Pair, Testbed};
use crate::cluster::{
    heartbeat::Heartbeat,
    process::{Monitor, Wanted},
};

/// The fault of the peer or of the connection, from the view of the node that must report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Killed,
    Frozen,
    Cable,
    NothingArrives,
    NothingGetsOut,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Detection {
    pub(super) preset: &'static str,
    pub(super) fault: &'static str,
    pub(super) samples: usize,
    pub(super) p50_ms: u64,
    pub(super) p99_ms: u64,
    pub(super) max_ms: u64,
    /// `timeout` and `interval` together; a round trip more is allowed.
    pub(super) bound_ms: u64,
}

/// The fault that is injected.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Freeze,
    Pull,
    /// Nothing that this side sends arrives at the other side.
    Mute(usize),
}

/// Runs that many trials of each fault on that many pairs, all pairs at once.
pub(super) fn measure(
    testbed: &Testbed<'_>,
    (preset, heartbeat): (&'static str, Heartbeat),
    pairs: usize,
    trials: usize,
) -> Result<Vec<Detection>> {
    let net = &Network::new(2 * pairs)?;
    let of_pair = |pair: usize| -> Result<Vec<(Seen, Duration)>> {
        let mut rng = Rng::with_seed(pair as u64);
        let mut pair = testbed.pair(net, [2 * pair, 2 * pair + 1], heartbeat)?;
        let mut samples = Vec::new();
        for trial in 0..trials {
            let mut faults = [Fault::Kill, Fault::Freeze, Fault::Pull, Fault::Mute(trial % 2)];
            // A random order keeps the pairs from injecting the same fault at the same time.
            rng.shuffle(&mut faults);
            for fault in faults {
                samples.extend(try_one(testbed, net, &mut pair, fault, &mut rng)?);
            }
        }
        Ok(samples)
    };
    let samples = thread::scope(|scope| {
        let threads: Vec<_> = (0..pairs).map(|pair| scope.spawn(move || of_pair(pair))).collect();
        let of_pairs = threads.into_iter().map(|thread| thread.join().expect("a trial does not panic"));
        of_pairs.collect::<Result<Vec<_>>>()
    })?;
    let mut by_fault: BTreeMap<Seen, Vec<Duration>> = BTreeMap::new();
    for (seen, took) in samples.into_iter().flatten() {
        by_fault.entry(seen).or_default().push(took);
    }
    Ok(by_fault.into_iter().map(|(seen, took)| row(preset, heartbeat, seen, took)).collect())
}

/// Injects one fault and returns, for each surviving side, the kind of the fault and the detection
/// time. Repairs the fault before it returns.
fn try_one(
    testbed: &Testbed<'_>,
    net: &Network,
    pair: &mut Pair,
    fault: Fault,
    rng: &mut Rng,
) -> Result<Vec<(Seen, Duration)>> {
    let monitors = pair.watch()?;
    // Heartbeats are periodical: the fault comes at any time between two of them.
    thread::sleep(pair.heartbeat.interval.mul_f64(rng.f64()));
    let heartbeat = pair.heartbeat;
    let silence = |monitor: &Monitor, since| heartbeat.silence(since, told(monitor)?);
    let [one, other] = &pair.sides;
    let since = Instant::now();
    match fault {
        Fault::Kill => {
            other.node.kill();
            let took = heartbeat.sign(since, told(&monitors[0])?)?;
            testbed.revive(net, pair, 1)?;
            Ok(vec![(Seen::Killed, took)])
        }
        Fault::Freeze => {
            other.node.freeze()?;
            other.node.await_frozen(SOON)?;
            let took = silence(&monitors[0], since)?;
            other.node.thaw()?;
            told(&monitors[1])?;
            Ok(vec![(Seen::Frozen, took)])
        }
        Fault::Pull => {
            net.pull(&other.host)?;
            let took = monitors.each_ref().map(|monitor| silence(monitor, since));
            net.plug(&other.host)?;
            took.into_iter().map(|took| Ok((Seen::Cable, took?))).collect()
        }
        Fault::Mute(mute) => {
            let (sender, deaf) = if mute == 0 { (one, other) } else { (other, one) };
            let address = sender.host.address();
            deaf.host.filter(|firewall| {
                firewall.deaf_to.insert(address);
            })?;
            let took = monitors.each_ref().map(|monitor| silence(monitor, since));
            deaf.host.filter(|firewall| firewall.deaf_to.clear())?;
            let seen = |side| if side == mute { Seen::NothingGetsOut } else { Seen::NothingArrives };
            took.into_iter().enumerate().map(|(side, took)| Ok((seen(side), took?))).collect()
        }
    }
}

/// Returns when a monitor reported the loss.
fn told(monitor: &Monitor) -> Result<Instant> {
    monitor.expect_down(Wanted::NoConnection(&["Timeout", "Closed"]))
}

fn row(preset: &'static str, heartbeat: Heartbeat, seen: Seen, mut took: Vec<Duration>) -> Detection {
    took.sort();
    let percentile = |percent| millis(nearest_rank(&took, percent));
    Detection {
        preset,
        fault: match seen {
            Seen::Killed => "the peer is killed",
            Seen::Frozen => "the peer is frozen",
            Seen::Cable => "a cable is pulled",
            Seen::NothingArrives => "nothing arrives",
            Seen::NothingGetsOut => "nothing gets out",
        },
        samples: took.len(),
        p50_ms: percentile(50),
        p99_ms: percentile(99),
        max_ms: percentile(100),
        bound_ms: millis(heartbeat.latest()),
    }
}

/// The nearest-rank percentile: the smallest value that at least this percentage of the values does
/// not exceed. The values are sorted, and there is at least one.
fn nearest_rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let ranks = [0, 50, 99, 100].map(|percent| millis(nearest_rank(&sorted, percent)));
        assert_eq!(ranks, [1, 100, 198, 200]);
        let single = [Duration::from_millis(7)];
        assert_eq!([50, 99, 100].map(|percent| millis(nearest_rank(&single, percent))), [7; 3]);
    }

    #[test]
    fn a_row_sorts_what_it_is_given() {
        let took = [900, 300, 600].map(Duration::from_millis).to_vec();
        let row = row("fast", Heartbeat::FAST, Seen::Frozen, took);
        assert_eq!((row.samples, row.p50_ms, row.max_ms, row.bound_ms), (3, 600, 900, 600));
    }
}
