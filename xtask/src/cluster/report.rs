//! The report: a table for people, and JSON for programs.

use std::{
    fs,
    io::IsTerminal,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Error, Result};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{
    runner::{Outcome, Verdict},
    scenarios::{Ground, Scenario},
};

/// Whether standard output is only for the JSON.
static STDOUT_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Prints a line for people: to standard output, unless that is for the JSON.
macro_rules! say {
    ($($text:tt)*) => {
        if STDOUT_IS_JSON.load(Ordering::Relaxed) { eprintln!($($text)*) } else { println!($($text)*) }
    };
}

/// From now on, lines for people go to standard error.
pub(super) fn keep_stdout_for_json(keep: bool) {
    STDOUT_IS_JSON.store(keep, Ordering::Relaxed);
}

/// Maximum width of the table at the end.
const WIDTH: u16 = 110;

/// The progress of one scenario: a bar where standard error is a terminal, nothing elsewhere.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start(scenario: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix:20} {elapsed_precise} [{bar:32}] {msg}");
        let bar = ProgressBar::new(1).with_prefix(scenario);
        bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// Sets the number of steps, and the name of a step.
    pub(crate) fn plan(&self, steps: usize, of: &'static str) {
        self.0.set_length(steps.max(1) as u64);
        self.0.set_position(0);
        self.0.set_message(of);
    }

    /// Counts a finished step.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn finish(&self, verdict: &Verdict) {
        self.0.finish_and_clear();
        let word = word(verdict.outcome);
        say!("{word}  {:20} {:6.1} s", verdict.name, verdict.seconds);
    }
}

/// Prints the selected scenarios, and the seed with which to repeat them.
pub(super) fn first_line(nodes: u64, seed: u64) {
    say!("clusters of up to {nodes} nodes; seed {seed}");
}

/// Prints why network namespaces are unavailable.
pub(super) fn no_networks(why: &Error) {
    say!("no network of its own for any node: {why:#}; scenarios that need one are left out");
}

/// Prints the scenarios, each with its description.
pub(super) fn list(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let ground = if scenario.ground == Ground::Network { " (--netns)" } else { "" };
        println!("{:20} {}{ground}", scenario.name, scenario.shows);
    }
}

/// The table at the end, and the details of failures after it.
pub(super) fn table(verdicts: &[Verdict]) {
    let mut table = Table::new();
    let preset =
        if std::io::stdout().is_terminal() { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING };
    table.load_style(preset).set_header(["scenario", "verdict", "seconds", "figures"]);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    for verdict in verdicts {
        let figures: Vec<_> = verdict.figures.iter().map(|(name, value)| format!("{name} {value}")).collect();
        table.add_row([
            verdict.name,
            word(verdict.outcome),
            &format!("{:.1}", verdict.seconds),
            &figures.join(", "),
        ]);
    }
    say!("\n{table}\n");
    for verdict in verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed) {
        say!("{}: {}\n", verdict.name, verdict.detail);
    }
}

/// The verdict for programs.
pub(super) fn json(verdicts: &[Verdict], file: &Path) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        scenarios: &'a [Verdict],
        passed: usize,
        failed: usize,
        skipped: usize,
    }
    let [passed, failed, skipped] = count(verdicts);
    let report = Report { scenarios: verdicts, passed, failed, skipped };
    let what = || format!("cannot write the verdict to {}", file.display());
    let text = serde_json::to_string_pretty(&report).with_context(what)?;
    if STDOUT_IS_JSON.load(Ordering::Relaxed) {
        println!("{text}");
        return Ok(());
    }
    fs::write(file, text + "\n").with_context(what)
}

/// `N passed, N failed`, and if some were skipped `, N skipped`: alone on the last line.
pub(super) fn last_line(verdicts: &[Verdict]) {
    let [passed, failed, skipped] = count(verdicts);
    let also = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    say!("{passed} passed, {failed} failed{also}");
}

fn count(verdicts: &[Verdict]) -> [usize; 3] {
    [Outcome::Passed, Outcome::Failed, Outcome::Skipped]
        .map(|outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count())
}

/// Verdicts other than a pass are written in capitals.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    }
}
