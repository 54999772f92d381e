//! Samples and their evaluation: medians, ratios, the table and the JSON.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use harness::peer::Usage;
use serde_json::{Value, json};

use super::{limits, pair::System, workloads::TARGETS};

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    PerSecond,
    Microseconds,
    Milliseconds,
    Seconds,
    Bytes,
    BytesPerSecond,
    /// Of one processor.
    Percent,
}

impl Unit {
    const fn text(self) -> &'static str {
        match self {
            Unit::PerSecond => "1/s",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Bytes => "B",
            Unit::BytesPerSecond => "B/s",
            Unit::Percent => "%",
        }
    }

    const fn more_is_better(self) -> bool {
        matches!(self, Unit::PerSecond)
    }
}

/// One figure of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) id: String,
    pub(super) n: u64,
    pub(super) unit: Unit,
    pub(super) value: f64,
    /// The total usage of both nodes for this run, and their memory at its end.
    pub(super) usage: Usage,
}

/// All samples of one figure.
pub(super) struct Row {
    pub(super) id: String,
    n: u64,
    unit: Unit,
    systems: Vec<(System, Vec<Sample>)>,
}

/// The median and the extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    median: f64,
    min: f64,
    max: f64,
}

impl Summary {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Summary { median, min, max })
    }
}

/// Adds a sample to its row; rows are in the order in which they were first measured.
pub(super) fn add(rows: &mut Vec<Row>, system: System, sample: Sample) {
    let at = rows.iter().position(|row| row.id == sample.id && row.n == sample.n).unwrap_or_else(|| {
        rows.push(Row { id: sample.id.clone(), n: sample.n, unit: sample.unit, systems: Vec::new() });
        rows.len() - 1
    });
    let systems = &mut rows[at].systems;
    match systems.iter_mut().find(|(of, _)| *of == system) {
        Some((_, samples)) => samples.push(sample),
        None => systems.push((system, vec![sample])),
    }
}

impl Row {
    fn ours(&self) -> Option<Summary> {
        self.systems
            .iter()
            .find(|(system, _)| !system.is_baseline())
            .and_then(|(_, samples)| summary(samples))
    }

    /// Of ours.
    pub(super) fn median(&self) -> Option<f64> {
        self.ours().map(|all| all.median)
    }

    pub(super) const fn n(&self) -> u64 {
        self.n
    }

    pub(super) const fn unit(&self) -> &'static str {
        self.unit.text()
    }

    /// The factor of improvement over the baseline, run by run: the quartiles and the median.
    pub(super) fn ratios_by_run(&self) -> Option<(usize, [f64; 3])> {
        let of = |baseline| self.systems.iter().find(|(system, _)| system.is_baseline() == baseline);
        let (ours, other) = (&of(false)?.1, &of(true)?.1);
        let better = |(ours, other): (&Sample, &Sample)| {
            if self.unit.more_is_better() { ours.value / other.value } else { other.value / ours.value }
        };
        let mut ratios: Vec<_> =
            ours.iter().zip(other).map(better).filter(|ratio| ratio.is_finite()).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |part: usize| ratios.get((ratios.len().checked_sub(1)? * part + 2) / 4).copied();
        Some((ratios.len(), [at(1)?, at(2)?, at(3)?]))
    }

    /// The best of the configurations that Obit is compared with.
    fn otp(&self) -> Option<(&(System, Vec<Sample>), Summary)> {
        let sign = if self.unit.more_is_better() { 1.0 } else { -1.0 };
        let others = self.systems.iter().filter(|(system, _)| system.is_baseline());
        let others = others.filter_map(|other| Some((other, summary(&other.1)?)));
        others.max_by(|(_, a), (_, b)| (sign * a.median).total_cmp(&(sign * b.median)))
    }

    /// The factor of improvement over the baseline.
    pub(super) fn ratio(&self) -> Option<f64> {
        let (ours, otp) = (self.ours()?.median, self.otp()?.1.median);
        let ratio = if self.unit.more_is_better() { ours / otp } else { otp / ours };
        ratio.is_finite().then_some(ratio)
    }

    /// Returns its name in a plot.
    pub(super) fn label(&self) -> String {
        let million = self.n >= 1_000_000 && self.unit != Unit::PerSecond;
        if million { format!("{}, {} M", self.id, self.n / 1_000_000) } else { self.id.clone() }
    }

    /// Returns the minimum and the goal.
    pub(super) fn target(&self) -> Option<(f64, f64)> {
        let target = TARGETS.iter().find(|target| target.id == self.id && self.n >= target.from)?;
        Some((target.must, target.aim))
    }

    fn cells(&self) -> Vec<String> {
        let all = |summary: Option<Summary>| {
            summary.map_or("-".to_owned(), |Summary { median, min, max }| {
                format!("{} ({} - {})", short(median), short(min), short(max))
            })
        };
        let usage = |samples: Option<&Vec<Sample>>| {
            let median = |of: fn(&Sample) -> f64| Summary::of(samples?.iter().map(of)).map(|all| all.median);
            let used = median(|sample| sample.usage.cpu).zip(median(|sample| sample.usage.rss));
            used.map_or("-".to_owned(), |(cpu, rss)| format!("{cpu:.3} s, {:.0} MiB", rss / (1 << 20) as f64))
        };
        let mine = self.systems.iter().find(|(system, _)| !system.is_baseline()).map(|(_, samples)| samples);
        let other = self.otp();
        vec![
            self.id.clone(),
            self.n.to_string(),
            self.unit.text().to_owned(),
            all(self.ours()),
            all(other.map(|(_, summary)| summary)),
            other.map_or("-".to_owned(), |((system, _), _)| system.name().to_owned()),
            self.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            self.target().map_or(String::new(), |(must, aim)| format!("{must} / {aim}")),
            usage(mine),
            usage(other.map(|((_, samples), _)| samples)),
        ]
    }

    fn json(&self) -> Value {
        let all = |summary: Option<Summary>| {
            summary.map(|Summary { median, min, max }| {
                json!({ "median": median, "min": min, "max": max, "unit": self.unit.text() })
            })
        };
        let (ours, otp) = (all(self.ours()), all(self.otp().map(|(_, summary)| summary)));
        json!({ "id": self.id, "n": self.n, "ours": ours, "otp": otp, "ratio": self.ratio() })
    }
}

fn summary(samples: &[Sample]) -> Option<Summary> {
    Summary::of(samples.iter().map(|sample| sample.value))
}

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1e6 => format!("{:.2} M", value / 1e6),
        large if large >= 1e4 => format!("{:.0} k", value / 1e3),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The table for people.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "id",
        "n",
        "unit",
        "Obit: median (min - max)",
        "Erlang/OTP",
        "which",
        "ratio",
        "must / aim",
        "Obit uses",
        "OTP uses",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    for column in [1, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// A comparison of two builds, run by run.
pub(super) fn comparison(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["id", "n", "pairs", "times better: median", "quartiles", ""]);
    for row in rows {
        let Some((pairs, [low, median, high])) = row.ratios_by_run() else { continue };
        // By more than 5 % in three runs of four.
        let verdict = if high < 0.95 { "worse" } else { "" };
        table.add_row([
            row.id.clone(),
            row.n.to_string(),
            pairs.to_string(),
            format!("{median:.3}"),
            format!("{low:.3} - {high:.3}"),
            verdict.to_owned(),
        ]);
    }
    table.to_string()
}

/// The figures for programs.
pub(super) fn json(rows: &[Row], machine: &Value, commit: &str) -> Value {
    let workloads: Vec<_> = rows.iter().map(Row::json).collect();
    json!({ "workloads": workloads, "limits": limits::json(rows), "machine": machine, "commit": commit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: &str, unit: Unit, value: f64) -> Sample {
        Sample { id: id.to_owned(), n: 1, unit, value, usage: Usage::default() }
    }

    fn rows(unit: Unit, values: &[(System, f64)]) -> Vec<Row> {
        let mut rows = Vec::new();
        for &(system, value) in values {
            add(&mut rows, system, sample("W1a", unit, value));
        }
        rows
    }

    #[test]
    fn the_ratio_is_against_the_better_configuration_and_more_is_better_in_every_row() {
        let values = [(System::OBIT, 10.0), (System::OTP, 2.0), (System::OTP_BIG_BUFFER, 5.0)];
        assert_eq!(rows(Unit::PerSecond, &values)[0].ratio(), Some(2.0));
        assert_eq!(rows(Unit::Seconds, &values)[0].ratio(), Some(0.2));
    }

    #[test]
    fn builds_are_compared_run_by_run() {
        let mut values = Vec::new();
        for (ours, before) in [(10.0, 10.0), (20.0, 10.0), (30.0, 10.0), (40.0, 10.0), (90.0, 10.0)] {
            values.extend([(System::OBIT, ours), (System::OBIT.before(), before)]);
        }
        assert_eq!(rows(Unit::PerSecond, &values)[0].ratios_by_run(), Some((5, [2.0, 3.0, 4.0])));
        assert_eq!(rows(Unit::Seconds, &values[..2])[0].ratios_by_run(), Some((1, [1.0, 1.0, 1.0])));
        assert_eq!(rows(Unit::Seconds, &values[..1])[0].ratios_by_run(), None);
    }

    #[test]
    fn without_otp_there_is_no_ratio() {
        let row = &rows(Unit::PerSecond, &[(System::OBIT, 10.0)])[0];
        assert_eq!(row.ratio(), None);
        let wanted = json!({ "median": 10.0, "min": 10.0, "max": 10.0, "unit": "1/s" });
        assert_eq!(row.json(), json!({ "id": "W1a", "n": 1, "ours": wanted, "otp": null, "ratio": null }));
    }

    #[test]
    fn a_median_is_the_middle_of_what_was_measured() {
        let of = |values: &[f64]| Summary::of(values.iter().copied());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Summary { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).map(|all| all.median), Some(2.5));
        assert_eq!(of(&[]), None);
    }
}
