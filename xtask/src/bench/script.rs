//! One run of a script on one pair of nodes.

use std::{thread, time::Duration};

use anyhow::{Result, bail};
use harness::peer::Usage;

use super::{
    figures::{Sample, Unit},
    pair::Pair,
    workloads::{Figure, Measure, Script, Step},
};

/// The result of a run.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) samples: Vec<Sample>,
    /// In nanoseconds, if single round trips were measured.
    pub(super) latencies: Vec<u64>,
}

/// Duration of an idle measurement.
const IDLE: Duration = Duration::from_secs(5);

/// Runs the script, and returns the pair.
pub(super) fn run(mut pair: Pair, script: &Script) -> Result<(Pair, Outcome)> {
    let mut outcome = Outcome::default();
    for step in script.steps {
        match step {
            Step::Do(verb) => drop(pair.watcher.ask(verb)?),
            Step::Measure(measure) => measure.run(&mut pair, &mut outcome)?,
        }
    }
    Ok((pair, outcome))
}

impl Measure {
    fn run(&self, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
        match self.figure {
            Figure::Rate => self.rate(pair, outcome),
            Figure::Latency => self.latency(pair, outcome),
            Figure::Lost => self.lost(pair, outcome),
            Figure::Memory => self.memory(pair, outcome),
            Figure::Idle => self.idle(pair, outcome),
        }
    }

    fn rate(&self, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
        let before = pair.usage()?;
        let [nanos] = pair.watcher.ask(self.verb)?[..] else { bail!("{}: not one time", self.verb) };
        let usage = pair.usage()?.since(before);
        outcome.samples.push(self.sample("", Unit::PerSecond, self.n as f64 * 1e9 / nanos as f64, usage));
        Ok(())
    }

    fn latency(&self, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
        let before = pair.usage()?;
        let times = pair.watcher.ask(self.verb)?;
        let usage = pair.usage()?.since(before);
        let mut sorted = times.clone();
        sorted.sort_unstable();
        for (name, of_thousand) in [(".p50", 500), (".p99", 990), (".p999", 999)] {
            let Some(nanos) = sorted.get(sorted.len() * of_thousand / 1000) else {
                bail!("{}: no times", self.verb)
            };
            outcome.samples.push(self.sample(name, Unit::Microseconds, *nanos as f64 / 1e3, usage));
        }
        // Round trips with other traffic at the same time are not part of this plot.
        if self.verb == "each" {
            outcome.latencies = times;
        }
        Ok(())
    }

    fn lost(&self, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
        let before = pair.watcher.usage()?;
        // The first answer confirms that the watcher waits.
        pair.watcher.ask(self.verb)?;
        pair.watched.kill();
        let numbers = pair.watcher.answer(self.verb)?;
        let usage = pair.watcher.usage()?.since(before);
        let [time, longest] = numbers[..] else { bail!("{}: {numbers:?}", self.verb) };
        outcome.samples.push(self.sample("", Unit::Seconds, time as f64 / 1e9, usage));
        outcome.samples.push(self.sample(".call", Unit::Milliseconds, longest as f64 / 1e6, usage));
        Ok(())
    }

    fn memory(&self, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
        let before = pair.at_rest()?;
        pair.watcher.ask(self.verb)?;
        let after = pair.at_rest()?;
        for (side, before, after) in [(".watcher", before.0, after.0), (".watched", before.1, after.1)] {
            let each = (after.rss - before.rss) / self.n as f64;
            outcome.samples.push(self.sample(side, Unit::Bytes, each, after.since(before)));
        }
        Ok(())
    }

    fn idle(&self, pair: &Pair, outcome: &mut Outcome) -> Result<()> {
        let sent = || Some(pair.watcher.bytes_sent()? + pair.watched.bytes_sent()?);
        let (before, sent_before) = (pair.usage()?, sent());
        thread::sleep(IDLE);
        let (usage, sent_after) = (pair.usage()?.since(before), sent());
        let seconds = IDLE.as_secs_f64();
        outcome.samples.push(self.sample(".cpu", Unit::Percent, 100.0 * usage.cpu / seconds, usage));
        if let Some((before, after)) = sent_before.zip(sent_after) {
            let each = (after - before) as f64 / seconds;
            outcome.samples.push(self.sample(".bytes", Unit::BytesPerSecond, each, usage));
        }
        Ok(())
    }

    fn sample(&self, part: &str, unit: Unit, value: f64, usage: Usage) -> Sample {
        Sample { id: format!("{}{part}", self.id), n: self.n, unit, value, usage }
    }
}
