//! The report on the patches: a table for people, and JSON for programs.

use std::{fs, io::IsTerminal, path::Path, time::Duration};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Row, run_tests::Verdict};

/// Shows the progress: a bar if standard error is a terminal, otherwise nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start(tests: usize) -> Self {
        let style = ProgressStyle::with_template("{pos:>4} of {len} [{bar:32}] {elapsed_precise} {msg}");
        let bar = ProgressBar::new(tests as u64);
        bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// One test is about to be built.
    pub(super) fn at(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    /// One test has ended.
    pub(super) fn step(&self, name: &str) {
        self.at(name);
        self.0.inc(1);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Prints one row for each test of each patch, then the unexpected results, and the totals.
pub(super) fn table(rows: &[Row]) {
    let mut table = Table::new();
    let preset =
        if std::io::stdout().is_terminal() { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING };
    table.load_style(preset).set_header(["patch", "result", "test", "what it saw", "seconds"]);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        let saw = if let Verdict::Red(complaint) = &row.verdict { complaint.as_str() } else { "" };
        let seconds = format!("{:.1}", row.seconds);
        table.add_row([name(row), word(row), &row.test.to_string(), saw, &seconds]);
    }
    println!("{table}\n");
    for row in rows {
        if let Verdict::DoesNotApply(why) | Verdict::DoesNotBuild(why) = &row.verdict {
            println!("{}: {why}\n", name(row));
        }
    }
    let patches = rows.iter().filter(|row| row.patch.is_some());
    let (caught, not): (Vec<&Row>, Vec<&Row>) = patches.partition(|row| row.is_right());
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    println!("{} caught, {} not, in {seconds:.0} s", caught.len(), not.len());
}

fn name(row: &Row) -> &str {
    row.patch.as_deref().unwrap_or("none")
}

fn word(row: &Row) -> &'static str {
    match (&row.verdict, &row.patch) {
        (Verdict::Green, None) => "passed",
        (Verdict::Green, Some(_)) => "SURVIVED",
        (Verdict::Red(_), None) => "FAILED",
        (Verdict::Red(_), Some(_)) => "caught",
        (Verdict::Hangs, _) => "HANGS",
        (Verdict::DoesNotBuild(_), _) => "DOES NOT BUILD",
        (Verdict::DoesNotApply(_), _) => "DOES NOT APPLY",
        (Verdict::NoSuchTest, _) => "NO SUCH TEST",
    }
}

/// The table for programs.
pub(super) fn json(rows: &[Row], file: &Path) -> Result<()> {
    let row = |row: &Row| {
        let saw = if let Verdict::Red(complaint) = &row.verdict { Some(complaint) } else { None };
        json!({
            "patch": row.patch, "result": word(row), "test": row.test.to_string(), "saw": saw,
            "seconds": row.seconds, "right": row.is_right(),
        })
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let what = || format!("cannot write the table to {}", file.display());
    let text = serde_json::to_string_pretty(&rows).with_context(what)?;
    fs::write(file, text + "\n").with_context(what)
}
