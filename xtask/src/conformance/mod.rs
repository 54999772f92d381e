//! `cargo xtask conformance`: every case of the project's list has its test, every such test is in
//! the list, and all of them pass.
//!
//! [`cases`] reads the list, [`programs`] lists the tests and runs them, [`report`] prints the
//! results of both.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    cases::Case,
    programs::{Program, Test},
    report::Progress,
};

mod cases;
mod programs;
mod report;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask conformance                    every case of docs/CONFORMANCE.md and docs/RACES.md
  cargo xtask conformance P0 D24 R           the cases whose ids begin with these texts
  cargo xtask conformance --json table.json
  cargo xtask conformance --check            compare the list with the existing tests, and run none

Exit code: 0 if list and tests agree and all passed, 1 otherwise.";

/// The selected cases, and the actions on them.
#[derive(Args)]
pub(crate) struct Options {
    /// Only cases whose ids begin like one of these.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Compare the list with the tests that there are, and run none.
    #[arg(long, conflicts_with = "ids")]
    check: bool,
    /// Write the table as JSON: to the file, or without one to standard output, where nothing else
    /// is written then.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

/// Compares, runs and reports.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    report::keep_stdout_for_json(options.json.as_deref() == Some(Path::new("-")));
    let (mut cases, programs) = (cases::read()?, programs::build()?);
    let mut tests = programs::tests_of(&programs, &cases)?;
    let findings = compare(&cases, &tests);
    if !options.check {
        let wanted: Vec<String> = options.ids.iter().map(|id| id.to_ascii_lowercase()).collect();
        let chosen = |id: &str| {
            let id = id.to_ascii_lowercase();
            wanted.is_empty() || wanted.iter().any(|begin| id.starts_with(begin))
        };
        cases.retain(|case| chosen(&case.id));
        tests.retain(|test| chosen(&test.case));
        if cases.is_empty() {
            bail!("no case has an id that begins with {}", options.ids.join(" or "));
        }
        run_all(&programs, &mut tests)?;
        report::table(&cases, &tests);
    }
    if let Some(file) = &options.json {
        report::json(&cases, &tests, &findings, file)?;
    }
    report::verdict(&cases, &tests, &findings);
    let passed = findings.is_empty() && tests.iter().all(|test| test.passed != Some(false));
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Compares the list with the existing tests; the error lists the differences.
pub(crate) fn check() -> Result<()> {
    let cases = cases::read()?;
    let findings = compare(&cases, &programs::tests_of(&programs::build()?, &cases)?);
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{}", findings.join("\n"));
}

/// Returns the faults of the list and of the tests.
fn compare(cases: &[Case], tests: &[Test]) -> Vec<String> {
    let there_are: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    let listed: BTreeSet<&str> = cases.iter().flat_map(|case| &case.tests).map(String::as_str).collect();
    let mut findings = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let Case { id, page, .. } = case;
        if case.tests.is_empty() {
            findings.push(format!("{page}: {id} names no test: write one, and name it in its row"));
        }
        if !case.has_clause {
            findings.push(format!("{page}: {id} links to no clause: say where it is written"));
        }
        if cases[..at].iter().any(|earlier| earlier.id == *id) {
            findings.push(format!("{page}: {id} is there twice"));
        }
        for name in case.tests.iter().filter(|name| !there_are.contains(name.as_str())) {
            findings.push(format!("{page}: {id} names `{name}`, and there is no such test"));
        }
    }
    for name in there_are.difference(&listed) {
        findings.push(format!("the test `{name}` bears the id of a case, and no row of the list names it"));
    }
    findings
}

fn run_all(programs: &[Program], tests: &mut [Test]) -> Result<()> {
    let progress = Progress::start(tests.len());
    for (at, program) in programs.iter().enumerate() {
        let mut of_program: Vec<&mut Test> = tests.iter_mut().filter(|test| test.program == at).collect();
        program.run(&mut of_program, &progress)?;
    }
    progress.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: &str, tests: &[&str]) -> Case {
        let tests = tests.iter().map(|&name| name.to_owned()).collect();
        Case { id: id.to_owned(), page: "list", tests, has_clause: true }
    }

    fn test(case: &str, name: &str) -> Test {
        let (case, name, path) = (case.to_owned(), name.to_owned(), name.to_owned());
        Test { program: 0, case, name, path, place: "core", passed: None }
    }

    #[test]
    fn a_list_and_its_tests_fit_only_if_neither_has_more() {
        let cases = [case("P01", &["p01_one", "p01_two"]), case("R17b", &["r17b_x"])];
        let tests = [test("P01", "p01_one"), test("P01", "p01_two"), test("R17b", "r17b_x")];
        assert_eq!(compare(&cases, &tests), [""; 0]);
        assert_eq!(compare(&cases, &tests[1..]).len(), 1, "a case names a test that there is not");
        assert_eq!(compare(&cases[..1], &tests).len(), 1, "a test that no case names");
        assert_eq!(compare(&[case("P02", &[])], &[]).len(), 1, "a case without a test");
        let bare = Case { has_clause: false, ..cases[1].clone() };
        assert_eq!(compare(&[bare], &tests[2..]).len(), 1, "a case without a clause");
        let twice = [cases[0].clone(), cases[0].clone()];
        assert_eq!(compare(&twice, &tests[..2]).len(), 1);
    }
}
