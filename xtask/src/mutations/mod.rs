//! `cargo xtask mutations`: breaks rules of the real code on purpose, one at a time, in a copy; a
//! test must fail for each.
//!
//! [`patch`] reads the patches, [`copy`] is the copy to which they are applied, [`run_tests`]
//! builds and runs the tests that must fail, [`report`] prints the results. A test that cannot fail
//! proves nothing: hence this command.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    copy::Copy,
    patch::{Patch, TestName},
    report::Progress,
    run_tests::Verdict,
};

mod copy;
mod patch;
mod report;
mod run_tests;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask mutations
  cargo xtask mutations --only keep_rows --json mutations.json

The patches are in tests/mutations/, each with a header that names the broken rule and the test that must fail:
  Caught by: PACKAGE TEST-PROGRAM TEST
TEST-PROGRAM is the name of a program in tests/, or bin:NAME or example:NAME.

Exit code: 0 if a test caught every patch, and no test fails without a patch; 1 otherwise.";

/// The options of `mutations`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only patches whose names begin so; may be given several times.
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// Write the table as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One row of the table: a test and its result with the patch applied, or with the code unchanged
/// if there is no patch.
struct Row {
    patch: Option<String>,
    test: TestName,
    verdict: Verdict,
    seconds: f64,
}

impl Row {
    /// Returns whether the result is the expected one.
    fn is_right(&self) -> bool {
        match self.patch {
            None => self.verdict == Verdict::Green,
            Some(_) => matches!(self.verdict, Verdict::Red(_)),
        }
    }
}

/// Applies the patches one after the other, and runs the tests of each.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut patches = patch::read_all()?;
    patches.retain(|patch| {
        options.only.is_empty() || options.only.iter().any(|begin| patch.name.starts_with(begin))
    });
    if patches.is_empty() {
        bail!("no patch in {} has a name that begins with the given text", patch::FOLDER);
    }
    let mut rows = Vec::new();
    let copy = Copy::new()?;
    let tests: BTreeSet<&TestName> = patches.iter().flat_map(|patch| &patch.tests).collect();
    let progress =
        Progress::start(tests.len() + patches.iter().map(|patch| patch.tests.len()).sum::<usize>());
    copy.refresh()?;
    // A test that fails without any patch catches nothing.
    for test in tests {
        rows.push(run_test(&copy, None, test, &progress)?);
    }
    for patch in &patches {
        rows.extend(run_patch(&copy, patch, &progress)?);
    }
    copy.refresh()?;
    progress.finish();
    report::table(&rows);
    if let Some(file) = &options.json {
        report::json(&rows, file)?;
    }
    Ok(if rows.iter().all(Row::is_right) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_patch(copy: &Copy, patch: &Patch, progress: &Progress) -> Result<Vec<Row>> {
    copy.refresh()?;
    if let Err(failure) = copy.apply(patch) {
        let row = |test: &TestName| {
            let verdict = Verdict::DoesNotApply(format!("{failure:#}"));
            progress.step(&patch.name);
            Row { patch: Some(patch.name.clone()), test: test.clone(), verdict, seconds: 0.0 }
        };
        return Ok(patch.tests.iter().map(row).collect());
    }
    patch.tests.iter().map(|test| run_test(copy, Some(patch), test, progress)).collect()
}

/// Runs a test on the copy as it is now.
fn run_test(copy: &Copy, patch: Option<&Patch>, test: &TestName, progress: &Progress) -> Result<Row> {
    let start = Instant::now();
    let patch = patch.map(|patch| patch.name.clone());
    progress.at(patch.as_deref().unwrap_or("nothing changed"));
    let verdict = run_tests::run(copy, test)?;
    let seconds = start.elapsed().as_secs_f64();
    progress.step(patch.as_deref().unwrap_or("nothing changed"));
    Ok(Row { patch, test: test.clone(), verdict, seconds })
}
