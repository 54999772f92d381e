//! `cargo xtask liveness`: measures how soon the loss of a node is reported, and how often a
//! healthy node is reported as down.
//!
//! Many pairs of nodes live beside one another, each node in its own network namespace. Faults hit
//! one pair at a time or all together: [`detection`] measures the first figure, [`false_positives`]
//! the second. [`page`] makes both into a table.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use harness::{
    build, children::Children, files::make_folder, machine::Machine, net, secret::fresh_secret, workspace,
};
use serde::Serialize;

use self::{detection::Detection, false_positives::FalsePositives, testbed::Testbed};
use crate::cluster::heartbeat::Heartbeat;

mod detection;
mod false_positives;
pub(crate) mod page;
mod testbed;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask liveness --quick                      a first impression, in about two minutes
  cargo xtask liveness --json liveness.json --page docs/liveness.md

Exit code: 0 if every fault was detected, and within the bounds; false alarms are counted, and are no failure; 130 if\ninterrupted.";

/// The options of `liveness`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Fewer samples, and shorter runs.
    #[arg(long)]
    quick: bool,
    /// Write the figures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the figures as a page in Markdown to this file.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// All results.
#[derive(Clone, Debug, Serialize)]
struct Report {
    command: String,
    date: String,
    machine: Machine,
    detection: Vec<Detection>,
    #[serde(rename = "steadiness")]
    false_positives: Vec<FalsePositives>,
}

/// The presets, by their public names.
const PRESETS: [(&str, Heartbeat); 3] =
    [("fast", Heartbeat::FAST), ("default", Heartbeat::DEFAULT), ("wan", Heartbeat::WAN)];

/// Runs the measurements and prints the results.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    net::available()?;
    let children = Children::default();
    children.end_on_interrupt()?;
    match measure(options, &children) {
        // The signal ended the nodes, so any error that follows from that means nothing.
        Err(_) if children.interrupted() => Ok(ExitCode::from(130)),
        measured => measured.map(|()| ExitCode::SUCCESS),
    }
}

fn measure(options: &Options, children: &Children) -> Result<()> {
    let logs = workspace::root().join("target/liveness").join(std::process::id().to_string());
    make_folder(&logs)?;
    let testbed = Testbed {
        children,
        // Users run optimized nodes, so this builds optimized nodes.
        program: build::tool("test-node", true)?,
        secret: fresh_secret()?,
        logs: logs.clone(),
    };
    let (pairs, trials) = if options.quick { (10, 1) } else { (20, 5) };
    let (steady_pairs, lasting) = if options.quick { (5, 10) } else { (10, 60) };
    let mut report = Report {
        command: page::command(),
        date: page::today(),
        machine: Machine::this(),
        detection: Vec::new(),
        false_positives: Vec::new(),
    };
    for preset in PRESETS {
        println!("detection with {}: {pairs} pairs, {trials} trials of each fault a pair", preset.0);
        report.detection.extend(detection::measure(&testbed, preset, pairs, trials)?);
    }
    for condition in false_positives::CONDITIONS {
        println!("false alarms, {}: {steady_pairs} pairs a preset, {lasting} s", condition.name());
        let lasting = Duration::from_secs(lasting);
        report.false_positives.extend(false_positives::measure(&testbed, condition, steady_pairs, lasting)?);
    }
    let text = page::page(&report);
    println!("\n{text}");
    if let Some(file) = &options.json {
        write(file, &(serde_json::to_string_pretty(&report).context("the figures")? + "\n"))?;
    }
    if let Some(file) = &options.page {
        write(file, &text)?;
    }
    // The folder holds only transcripts of successful runs, so a failure to remove it is harmless.
    let _ = fs::remove_dir_all(&logs);
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
