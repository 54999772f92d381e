//! `cargo xtask sim`: clusters of real nodes in virtual time, on links with every kind of fault.
//!
//! The program is `tools/simulator`, which uses the crates of Obit, while this program does not;
//! this task builds and runs it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use harness::workspace;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask sim                                            50 nodes, one seed, all faults
  cargo xtask sim --seeds 100 --seconds 30 --json sim.json   the run of continuous integration
  cargo xtask sim --nodes 1000 --seconds 30                  a large cluster
  cargo xtask sim --seed 17 --faults crash,partition --trace every step of one run
  cargo xtask sim --seeds 1000 --nodes 5 --seconds 30        many small clusters

Faults: loss, oneway, partition, crash, duplicate, pause, skew, slow, flap, panic; all; none.
Exit code: 0 if every promise was kept; 1 if not: each failing seed is printed with the command that replays it.";

/// The options of `sim`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The first seed. The same seed, options and commit give the same run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of consecutive seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// Number of nodes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..10_000))]
    nodes: u64,
    /// Duration of work and faults, in virtual seconds; a phase without faults and the removal of
    /// all processes follow.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// The faults, separated by commas.
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: String,
    /// Maximum number of seeds that run at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: u64,
    /// Build the program with optimizations, and without the assertions of the crates, for long
    /// runs.
    #[arg(long)]
    release: bool,
    /// Print every step.
    #[arg(long)]
    trace: bool,
    /// Write the figures and the failures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds the program and runs it.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--package", "simulator"]);
    if options.release {
        cargo.arg("--release");
    }
    cargo.arg("--");
    let numbers = [
        ("--seed", options.seed),
        ("--seeds", options.seeds),
        ("--nodes", options.nodes),
        ("--seconds", options.seconds),
        ("--threads", options.threads),
    ];
    for (option, number) in numbers {
        cargo.args([option, &number.to_string()]);
    }
    cargo.args(["--faults", &options.faults]);
    if options.trace {
        cargo.arg("--trace");
    }
    if let Some(file) = &options.json {
        // The program runs in the workspace root, but the path is relative to the current
        // directory.
        let file = std::path::absolute(file).with_context(|| format!("{}", file.display()))?;
        cargo.arg("--json").arg(file);
    }
    let status = cargo.status().context("cannot run cargo")?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(1) => Ok(ExitCode::FAILURE),
        _ => bail!("the simulation ended with {status}"),
    }
}
