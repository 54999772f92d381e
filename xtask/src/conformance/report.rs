//! The report on the cases: a table for people, and JSON for programs.

use std::{
    fs,
    io::IsTerminal,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{cases::Case, programs::Test};

/// Whether standard output is for the JSON alone.
static STDOUT_IS_JSON: AtomicBool = AtomicBool::new(false);

/// A line for a person: on standard output, unless that is for a program.
macro_rules! say {
    ($($text:tt)*) => {
        if STDOUT_IS_JSON.load(Ordering::Relaxed) { eprintln!($($text)*) } else { println!($($text)*) }
    };
}

/// From now on, output for people goes to standard error.
pub(super) fn keep_stdout_for_json(keep: bool) {
    STDOUT_IS_JSON.store(keep, Ordering::Relaxed);
}

/// How many tests have ended: a bar where standard error is a terminal, nothing elsewhere.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start(tests: usize) -> Self {
        let style = ProgressStyle::with_template("{pos:>4} of {len} [{bar:32}] {elapsed_precise} {msg}");
        let bar = ProgressBar::new(tests as u64);
        bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// One test has ended.
    pub(super) fn step(&self, name: &str) {
        self.0.set_message(name.to_owned());
        self.0.inc(1);
    }

    /// Shows a text beside the bar.
    pub(super) fn say(&self, text: &str) {
        self.0.suspend(|| say!("{text}"));
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// One row for each test, in the order of the list.
pub(super) fn table(cases: &[Case], tests: &[Test]) {
    let mut table = Table::new();
    let preset =
        if std::io::stdout().is_terminal() { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING };
    table.load_style(preset).set_header(["id", "test", "where", "result"]);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for case in cases {
        for test in tests.iter().filter(|test| test.case == case.id) {
            table.add_row([&case.id, &test.name, test.place, word(test)]);
        }
        if case.tests.is_empty() {
            table.add_row([&case.id, "none", "", "MISSING"]);
        }
    }
    say!("{table}\n");
}

fn word(test: &Test) -> &'static str {
    match test.passed {
        None => "not run",
        Some(true) => "passed",
        Some(false) => "FAILED",
    }
}

/// The table for programs.
pub(super) fn json(cases: &[Case], tests: &[Test], findings: &[String], file: &Path) -> Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a str,
        test: &'a str,
        r#where: &'a str,
        result: &'a str,
    }
    #[derive(Serialize)]
    struct Report<'a> {
        cases: usize,
        passed: usize,
        failed: usize,
        findings: &'a [String],
        tests: Vec<Row<'a>>,
    }
    fn row(test: &Test) -> Row<'_> {
        let Test { case, name, place, .. } = test;
        Row { id: case, test: name, r#where: place, result: word(test) }
    }
    let [passed, failed] = [Some(true), Some(false)].map(|outcome| count(tests, outcome));
    let tests = tests.iter().map(row).collect();
    let report = Report { cases: cases.len(), passed, failed, findings, tests };
    let what = || format!("cannot write the table to {}", file.display());
    let text = serde_json::to_string_pretty(&report).with_context(what)?;
    if STDOUT_IS_JSON.load(Ordering::Relaxed) {
        println!("{text}");
        return Ok(());
    }
    fs::write(file, text + "\n").with_context(what)
}

/// The differences between list and tests, and the numbers on the last line.
pub(super) fn verdict(cases: &[Case], tests: &[Test], findings: &[String]) {
    findings.iter().for_each(|finding| say!("{finding}"));
    let run = match count(tests, None) {
        0 => format!("{} passed, {} failed", count(tests, Some(true)), count(tests, Some(false))),
        not_run => format!("{not_run} tests"),
    };
    say!("{} cases: {run}, {} findings", cases.len(), findings.len());
}

fn count(tests: &[Test], outcome: Option<bool>) -> usize {
    tests.iter().filter(|test| test.passed == outcome).count()
}
