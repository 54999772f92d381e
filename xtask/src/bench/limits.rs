//! Targets that are not ratios to Erlang/OTP: limits in seconds and bytes, and ratios between
//! Obit's own figures.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::figures::{Row, short};

/// The value that is compared with the target.
enum Figure {
    /// The median of the row with that id, with at least this number of samples.
    Median(&'static str, u64),
    /// The ratio of the medians of two rows.
    Times(&'static str, &'static str),
}

/// The direction of a target.
enum Side {
    AtMost,
    AtLeast,
}

/// One target.
struct Limit {
    figure: Figure,
    side: Side,
    must: f64,
    /// The goal beyond the minimum.
    aim: Option<f64>,
}

const fn at_most(figure: Figure, must: f64, aim: Option<f64>) -> Limit {
    Limit { figure, side: Side::AtMost, must, aim }
}

const fn at_least(figure: Figure, must: f64, aim: Option<f64>) -> Limit {
    Limit { figure, side: Side::AtLeast, must, aim }
}

const LIMITS: &[Limit] = &[
    at_most(Figure::Median("W6", 1_000_000), 0.25, Some(0.12)),
    at_most(Figure::Median("W6.call", 1_000_000), 5.0, Some(1.0)),
    at_most(Figure::Median("W7.watcher", 0), 96.0, Some(64.0)),
    at_most(Figure::Median("W7.watched", 0), 96.0, Some(64.0)),
    at_most(Figure::Median("W8.fast", 0), 0.7, Some(0.5)),
    at_most(Figure::Median("W8.default", 0), 6.0, None),
    at_most(Figure::Median("W9.cpu", 0), 0.5, Some(0.05)),
    at_least(Figure::Median("W10.64", 0), 1e6, None),
    at_most(Figure::Times("W10.down.p99", "W3.p99"), 3.0, None),
    at_most(Figure::Times("W16.p99", "W3.p99"), 2.0, None),
    at_most(Figure::Times("W17.each.p50", "W3.p50"), 1.5, None),
    at_most(Figure::Times("W17.each.p99", "W3.p99"), 1.5, None),
    at_most(Figure::Times("W5", "W17.all"), 1.5, None),
    at_least(Figure::Times("W11.2", "W11.1"), 0.6, Some(1.0)),
];

/// A target and its result.
struct Outcome {
    figure: String,
    value: f64,
    unit: &'static str,
    limit: &'static Limit,
}

impl Limit {
    /// `None` if it was not measured.
    fn outcome(&'static self, rows: &[Row]) -> Option<Outcome> {
        let find = |id: &str, from| rows.iter().find(|row| row.id == id && row.n() >= from);
        let (figure, value, unit) = match self.figure {
            Figure::Median(id, from) => {
                let row = find(id, from)?;
                (row.label(), row.median()?, row.unit())
            }
            Figure::Times(id, other) => {
                let times = find(id, 0)?.median()? / find(other, 0)?.median()?;
                (format!("{id} : {other}"), times, "times")
            }
        };
        Some(Outcome { figure, value, unit, limit: self })
    }

    fn holds(&self, bound: f64, value: f64) -> bool {
        match self.side {
            Side::AtMost => value <= bound,
            Side::AtLeast => value >= bound,
        }
    }
}

impl Outcome {
    fn verdict(&self) -> &'static str {
        let holds = |bound| self.limit.holds(bound, self.value);
        match (holds(self.limit.must), self.limit.aim.is_none_or(holds)) {
            (false, _) => "MISSED",
            (true, false) => "met, but not the aim",
            (true, true) => "met",
        }
    }

    fn cells(&self) -> [String; 5] {
        let side = match self.limit.side {
            Side::AtMost => "<=",
            Side::AtLeast => ">=",
        };
        let aim = self.limit.aim.map_or(String::new(), |aim| format!(" / {}", short(aim)));
        let target = format!("{side} {}{aim}", short(self.limit.must));
        [self.figure.clone(), self.unit.to_owned(), short(self.value), target, self.verdict().to_owned()]
    }

    fn json(&self) -> Value {
        let Limit { must, aim, .. } = self.limit;
        json!({
            "figure": self.figure, "unit": self.unit, "value": self.value, "must": must, "aim": aim,
            "met": self.limit.holds(*must, self.value),
        })
    }
}

fn outcomes(rows: &[Row]) -> impl Iterator<Item = Outcome> {
    LIMITS.iter().filter_map(|limit| limit.outcome(rows))
}

/// The table for people; `None` if nothing with such a target was measured.
pub(super) fn table(rows: &[Row]) -> Option<String> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["of Obit alone", "unit", "median", "must / aim", ""]);
    outcomes(rows).for_each(|outcome| _ = table.add_row(outcome.cells()));
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    (!table.is_empty()).then(|| table.to_string())
}

/// The same for programs.
pub(super) fn json(rows: &[Row]) -> Vec<Value> {
    outcomes(rows).map(|outcome| outcome.json()).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            figures::{self, Sample, Unit},
            pair::System,
        },
        *,
    };
    use harness::peer::Usage;

    fn rows(values: &[(&str, u64, f64)]) -> Vec<Row> {
        let mut rows = Vec::new();
        for &(id, n, value) in values {
            let sample = Sample { id: id.to_owned(), n, unit: Unit::Seconds, value, usage: Usage::default() };
            figures::add(&mut rows, System::OBIT, sample);
        }
        rows
    }

    fn verdicts(values: &[(&str, u64, f64)]) -> Vec<&'static str> {
        outcomes(&rows(values)).map(|outcome| outcome.verdict()).collect()
    }

    #[test]
    fn a_target_is_met_up_to_it_and_told_only_if_it_was_measured() {
        assert_eq!(verdicts(&[("W6", 1_000_000, 0.12)]), ["met"]);
        assert_eq!(verdicts(&[("W6", 1_000_000, 0.25)]), ["met, but not the aim"]);
        assert_eq!(verdicts(&[("W6", 1_000_000, 0.26)]), ["MISSED"]);
        assert_eq!(verdicts(&[("W10.64", 1, 1e6)]), ["met"]);
        assert_eq!(verdicts(&[("W10.64", 1, 9e5)]), ["MISSED"]);
        assert!(verdicts(&[("W6", 100_000, 9.0), ("W1a", 1, 1.0)]).is_empty());
        assert!(table(&rows(&[("W1a", 1, 1.0)])).is_none());
    }

    #[test]
    fn two_figures_are_held_against_each_other_once_both_are_there() {
        assert!(verdicts(&[("W10.down.p99", 1, 9.0)]).is_empty());
        assert_eq!(verdicts(&[("W10.down.p99", 1, 9.0), ("W3.p99", 1, 3.0)]), ["met"]);
        assert_eq!(verdicts(&[("W10.down.p99", 1, 9.1), ("W3.p99", 1, 3.0)]), ["MISSED"]);
        // A rate on tokio may be lower, a time longer, by the same factor.
        assert_eq!(verdicts(&[("W17.all", 1, 2.0), ("W5", 1, 3.0)]), ["met"]);
        assert_eq!(verdicts(&[("W17.all", 1, 1.9), ("W5", 1, 3.0)]), ["MISSED"]);
        assert_eq!(verdicts(&[("W17.each.p50", 1, 3.1), ("W3.p50", 1, 2.0)]), ["MISSED"]);
        assert_eq!(verdicts(&[("W11.2", 1, 7.0), ("W11.1", 1, 10.0)]), ["met, but not the aim"]);
    }
}
