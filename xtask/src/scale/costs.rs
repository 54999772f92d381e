//! The results: each cost of each subject at each size, as tables and as JSON.

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use harness::machine::Machine;
use serde_json::{Value, json};

use super::growth::Growth;
use crate::liveness::page::{command, today};

/// The subject whose number grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
}

/// The cost that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// The power of the size with which the cost should grow, according to the design of Obit.
    pub(super) expected: f64,
}

/// Short for the tables of costs.
pub(super) const fn cost(name: &'static str, unit: &'static str, expected: f64) -> Cost {
    Cost { name, unit, expected }
}

/// One cost of one subject, at all sizes.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) subject: Subject,
    pub(super) cost: Cost,
    pub(super) points: Vec<(f64, f64)>,
}

impl Series {
    fn at(&self, size: f64) -> Option<f64> {
        self.points.iter().find(|point| point.0 == size).map(|point| point.1)
    }

    pub(super) fn growth(&self) -> Option<Growth> {
        Growth::fit(&self.points)
    }
}

/// All results, in the order of their first measurement.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) series: Vec<Series>,
}

impl Costs {
    /// Records one figure.
    pub(super) fn add(&mut self, subject: Subject, cost: Cost, size: usize, value: f64) {
        let point = (size as f64, value);
        let known = |series: &&mut Series| series.subject == subject && series.cost == cost;
        match self.series.iter_mut().find(known) {
            Some(series) => series.points.push(point),
            None => self.series.push(Series { subject, cost, points: vec![point] }),
        }
    }

    fn of(&self, subject: Subject) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| series.subject == subject)
    }

    /// The figures of one size, to be read while others are still measured.
    pub(super) fn line(&self, subject: Subject, size: usize) -> String {
        let values = self.of(subject).filter_map(|series| {
            let value = series.at(size as f64)?;
            Some(format!("{}: {} {}", series.cost.name, short(value), series.cost.unit))
        });
        format!("{}: {}", grouped(size as f64), values.collect::<Vec<_>>().join(", "))
    }

    /// The tables for people, one a subject.
    pub(super) fn tables(&self) -> String {
        let mut subjects: Vec<_> = self.series.iter().map(|series| series.subject).collect();
        subjects.dedup();
        let table = |&subject: &Subject| format!("{}\n\n{}\n", subject.title, self.table(subject));
        subjects.iter().map(table).collect::<Vec<_>>().join("\n")
    }

    fn table(&self, subject: Subject) -> String {
        let series: Vec<_> = self.of(subject).collect();
        let mut sizes: Vec<_> =
            series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        let header = sizes.iter().map(|&size| grouped(size));
        table.set_header(
            ["cost".to_owned(), "unit".to_owned()]
                .into_iter()
                .chain(header)
                .chain(["exponent".to_owned(), "expected".to_owned()]),
        );
        for series in &series {
            let values = sizes.iter().map(|&size| series.at(size).map_or("-".to_owned(), short));
            let exponent = series.growth().map_or("-".to_owned(), |growth| format!("{:.2}", growth.exponent));
            let mut row = vec![series.cost.name.to_owned(), series.cost.unit.to_owned()];
            row.extend(values.chain([exponent, series.cost.expected.to_string()]));
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    /// The figures for programs.
    pub(super) fn json(&self, load: &str, commit: &str) -> Result<Value> {
        let series = self.series.iter().map(|series| {
            json!({
                "subject": series.subject.id,
                "cost": series.cost.name,
                "unit": series.cost.unit,
                "points": series.points,
                "exponent": series.growth().map(|growth| growth.exponent),
                "expected": series.cost.expected,
            })
        });
        let machine = serde_json::to_value(Machine::this()).context("the machine")?;
        Ok(json!({
            "command": command(),
            "date": today(),
            "machine": machine,
            "load_after": load,
            "commit": commit,
            "series": series.collect::<Vec<_>>(),
        }))
    }
}

/// Formats a number with three significant digits, and with all digits before the decimal point.
pub(super) fn short(value: f64) -> String {
    if value.abs() >= 100.0 || value == 0.0 {
        return grouped(value);
    }
    // No figure here is more precise than a millionth.
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

/// Formats a whole number with a comma between every three digits.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let first = digits.len() % 3;
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.char_indices() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject { id: "monitors", title: "Monitors" };
    const TIME: Cost = cost("time", "s", 1.0);

    fn costs() -> Costs {
        let mut costs = Costs::default();
        for (size, value) in [(10, 1.0), (1_000, 100.0)] {
            costs.add(SUBJECT, TIME, size, value);
            costs.add(SUBJECT, cost("memory", "B", 0.0), size, 64.0);
        }
        costs
    }

    #[test]
    fn every_cost_is_a_row_with_its_growth() {
        let table = costs().tables();
        let cells = |line: &str| {
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
        };
        let rows: Vec<Vec<String>> = table.lines().filter(|line| line.starts_with('|')).map(cells).collect();
        assert_eq!(rows[0], ["cost", "unit", "10", "1,000", "exponent", "expected"]);
        assert_eq!(rows[2], ["time", "s", "1.00", "100", "1.00", "1"]);
        assert_eq!(rows[3], ["memory", "B", "64.0", "64.0", "0.00", "0"]);
    }

    #[test]
    fn the_json_has_every_point() {
        let json = costs().json("0 0 0", "abc").expect("json");
        let exponent = json["series"][0]["exponent"].as_f64().expect("a number");
        assert!((exponent - 1.0).abs() < 1e-9);
        assert_eq!(json["series"][0]["points"], json!([[10.0, 1.0], [1000.0, 100.0]]));
        assert_eq!(json["series"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn numbers_are_written_for_people() {
        let wanted = ["0.000001", "0.00123", "1.50", "64.2", "999", "12,345", "10,000,000"];
        assert_eq!([0.000_001, 0.001_23, 1.5, 64.23, 999.4, 12_345.0, 1e7].map(short), wanted);
        assert_eq!([1.0, 999.0, 1_000.0, -123_456.0].map(grouped), ["1", "999", "1,000", "-123,456"]);
    }
}
