//! `cargo xtask bench`: the speed of two nodes of Obit, and of two nodes of Erlang/OTP for
//! comparison.
//!
//! Each node is a process of its own on loopback. The systems take turns, run by run, so that a
//! disturbance of the machine affects them alike; the ratio counts. The first run of each is for
//! warming up. A run in which a notice was lost or came twice fails everything.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result};
use clap::Args;
use harness::{
    build,
    children::Children,
    files::{make_folder, write},
    machine::{Machine, commit},
    otp, workspace,
};

use self::{
    figures::Row,
    pair::{Lab, Pair, System},
    workloads::{SCRIPTS, SILENCES, Script},
};

mod failure_detection;
mod figures;
mod limits;
pub(crate) mod pair;
mod plot;
mod script;
mod workloads;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask bench --quick                 in about two minutes
  cargo xtask bench --only W1b,W6
  cargo xtask bench --json bench.json
  cargo xtask bench --against ../before/target/release/bench-node --runs 11
  cargo xtask bench --loaded 10             false Downs in ten minutes, for each of two presets

docs/PERFORMANCE.md describes the workloads. Without erl, erlc and epmd (Debian: erlang-nox) only Obit is measured.
Plots go to target/bench.";

/// The options of `bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these workloads, such as W1b or W3.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Three runs of each, without the long workloads.
    #[arg(long)]
    quick: bool,
    /// How many runs count, besides the first.
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "quick")]
    runs: usize,
    /// Compare with another build instead of Erlang/OTP: the path of its program `bench-node`,
    /// built with --release. Older checkouts build it as target/release/examples/bench_node.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "loaded")]
    against: Option<PathBuf>,
    /// Instead, check for that many minutes whether a healthy node is reported as down while every
    /// processor is busy.
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["only", "quick", "json", "runs"])]
    loaded: Option<u64>,
    /// Write the figures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    /// Whether a figure is wanted: `W3` means `W3.p50` and its like, too.
    fn wants(&self, id: &str) -> bool {
        let means = |only: &String| {
            id == only || id.strip_prefix(only.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.only.is_empty() || self.only.iter().any(means)
    }

    fn wants_part(&self, id: &str) -> bool {
        self.only.iter().any(|only| only.strip_prefix(id).is_some_and(|rest| rest.starts_with('.')))
    }

    fn wants_script(&self, script: &Script) -> bool {
        !(self.quick && script.long) && script.ids().any(|id| self.wants(id) || self.wants_part(id))
    }
}

/// Runs the measurements and prints the results.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let children = Children::default();
    children.end_on_interrupt()?;
    match measure(options, &children) {
        // The signal ended the nodes, so any error that follows from that means nothing.
        Err(_) if children.interrupted() => Ok(ExitCode::from(130)),
        measured => measured.map(|()| ExitCode::SUCCESS),
    }
}

fn measure(options: &Options, children: &Children) -> Result<()> {
    let folder = workspace::root().join("target").join("bench");
    make_folder(&folder)?;
    let release = otp::release().filter(|_| options.against.is_none());
    match &release {
        _ if options.against.is_some() => println!("beside another build of Obit"),
        Some(release) => {
            println!("beside Erlang/OTP {release}");
            otp::compile(&folder, pair::MODULE, pair::PROGRAM)?;
        }
        None => println!("Obit alone: erl, erlc or epmd is missing (Debian: apt-get install erlang-nox)"),
    }
    let program = build::tool("bench-node", true)?;
    let before = options.against.clone();
    let lab = Lab { children: children.clone(), program, before, folder: folder.clone() };
    if let Some(minutes) = options.loaded {
        return loaded(&lab, Duration::from_secs(60 * minutes));
    }
    let runs = if options.quick { 3 } else { options.runs };
    let (mut rows, mut latencies) = (Vec::new(), Latencies::default());
    for script in SCRIPTS.iter().filter(|script| options.wants_script(script)) {
        let start = Instant::now();
        println!("{} ...", script.ids().collect::<Vec<_>>().join(", "));
        let otp = script.others.iter().filter(|_| release.is_some());
        let before = options.against.as_ref().map(|_| script.ours.before());
        let systems: Vec<_> = [script.ours].iter().chain(otp).copied().chain(before).collect();
        in_turn(&lab, script, &systems, runs, &mut rows, &mut latencies)?;
        println!("    {:.1} s", start.elapsed().as_secs_f64());
    }
    for silence in
        SILENCES.iter().filter(|silence| options.wants(silence.id) && !(options.quick && silence.long))
    {
        println!("{}", silence.id);
        let other = silence.other.filter(|_| release.is_some());
        let before = options.against.as_ref().map(|_| silence.ours.before());
        for system in [silence.ours].into_iter().chain(other).chain(before) {
            let samples = failure_detection::detection(&lab, silence.id, system, runs)?;
            samples.into_iter().for_each(|sample| figures::add(&mut rows, system, sample));
        }
    }
    rows.retain(|row| options.wants(&row.id));
    if options.against.is_some() {
        println!("\n{}", figures::comparison(&rows));
        return Ok(());
    }
    println!("\n{}", figures::table(&rows));
    if let Some(table) = limits::table(&rows) {
        println!("\n{table}");
    }
    draw(&folder, &rows, &latencies)?;
    if let Some(file) = &options.json {
        let machine = serde_json::to_value(Machine::this()).context("the machine")?;
        let figures = figures::json(&rows, &machine, &commit());
        write(file, &(serde_json::to_string_pretty(&figures).context("the figures")? + "\n"))?;
    }
    Ok(())
}

/// Prints the number of busy nodes that were reported as down.
fn loaded(lab: &Lab, lasting: Duration) -> Result<()> {
    const PAIRS: usize = 5;
    for heartbeat in ["default", "fast"] {
        println!("{heartbeat}: {PAIRS} pairs, {} s with every processor busy", lasting.as_secs());
        let falsely = failure_detection::false_downs(lab, System::obit(heartbeat), PAIRS, lasting)?;
        println!("{heartbeat}: {falsely} false Downs");
    }
    Ok(())
}

/// The times of all round trips of each system, in nanoseconds.
type Latencies = Vec<(System, Vec<u64>)>;

/// Runs a script on all systems, one after the other, and again; the first round does not count.
fn in_turn(
    lab: &Lab,
    script: &Script,
    systems: &[System],
    runs: usize,
    rows: &mut Vec<Row>,
    latencies: &mut Latencies,
) -> Result<()> {
    let mut pairs = systems.iter().map(|_| None).collect::<Vec<Option<Pair>>>();
    for run in 0..=runs {
        for (&system, pair) in systems.iter().zip(&mut pairs) {
            let standing = match pair.take() {
                Some(pair) => pair,
                None => Pair::start(lab, system)?,
            };
            let with_context = |failure: Error| failure.context(format!("{}, run {run}", system.name()));
            let (standing, outcome) = match script::run(standing, script) {
                // An older build may lack a verb.
                Err(failure) if run == 0 && system.is_before() => {
                    println!("    left out: {:#}", with_context(failure));
                    return Ok(());
                }
                ran => ran.map_err(with_context)?,
            };
            if !script.fatal {
                *pair = Some(standing);
            }
            if run == 0 {
                continue;
            }
            for sample in outcome.samples {
                figures::add(rows, system, sample);
            }
            if !outcome.latencies.is_empty() {
                latencies.push((system, outcome.latencies));
            }
        }
    }
    Ok(())
}

fn draw(folder: &Path, rows: &[Row], latencies: &Latencies) -> Result<()> {
    let ratios: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.label(), row.ratio()?, row.target().map(|(must, _)| must))))
        .collect();
    if !ratios.is_empty() {
        write(&folder.join("ratios.svg"), &plot::ratios(&ratios))?;
    }
    if !latencies.is_empty() {
        let mut all: Vec<(&str, Vec<u64>)> = Vec::new();
        for (system, times) in latencies {
            match all.iter_mut().find(|(name, _)| *name == system.name()) {
                Some((_, pooled)) => pooled.extend(times),
                None => all.push((system.name(), times.clone())),
            }
        }
        write(&folder.join("latency.svg"), &plot::latencies(&mut all))?;
    }
    println!("plots: {}", folder.display());
    Ok(())
}
