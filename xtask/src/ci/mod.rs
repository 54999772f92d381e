//! `cargo xtask ci`: runs the steps of continuous integration.
//!
//! [`steps`] lists the steps, [`verdict`] has their results. A step whose tool is missing skips the
//! part that needs the tool and reports that; such a step counts as neither passed nor failed.

use std::{process::ExitCode, time::Instant};

use anyhow::Result;
use clap::{Args, builder::PossibleValuesParser};

use self::{
    steps::STEPS,
    verdict::{Verdict, last_line},
};

mod features;
mod steps;
mod verdict;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask ci
  cargo xtask ci --only clippy --only tidy
  cargo xtask ci --strict           every tool must be available

Exit code: 0 if no step failed, 1 if one did. A part that a step left out because a tool is missing counts as skipped.";

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this step; may be given several times.
    #[arg(long = "only", value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Vec<String>,
    /// Count a skipped part of a step as a failure.
    #[arg(long)]
    strict: bool,
}

/// Runs the steps in order, to the end even if one fails, and counts.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut summary = Vec::new();
    for step in STEPS
        .iter()
        .filter(|step| options.only.is_empty() || options.only.iter().any(|name| name == step.name))
    {
        println!("\n=== {}", step.name);
        let start = Instant::now();
        let verdict = Verdict::of((step.run)(), options.strict);
        let seconds = start.elapsed().as_secs_f64();
        if let Some(why) = verdict.why() {
            println!("{why}");
        }
        println!("=== {}: {} in {seconds:.1} s", step.name, verdict.word());
        summary.push((step.name, verdict, seconds));
    }
    println!();
    for (name, verdict, seconds) in &summary {
        println!("{}", verdict.line(name, *seconds));
    }
    let verdicts: Vec<_> = summary.into_iter().map(|(_, verdict, _)| verdict).collect();
    println!("{}", last_line(&verdicts));
    let failed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
