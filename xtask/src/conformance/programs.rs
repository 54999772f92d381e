//! The test programs of the workspace: which tests they hold, and how they end.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use harness::workspace;
use serde_json::Value;

use super::{
    cases::{self, Case},
    report::Progress,
};

/// Where a case is played that says so in the last part of its test's name.
const PLACES: [&str; 3] = ["local", "memory", "tcp"];

/// A program made of tests.
pub(super) struct Program {
    package: String,
    target: String,
    executable: PathBuf,
    /// In which cargo would run it.
    folder: PathBuf,
}

/// One test of one case.
pub(super) struct Test {
    /// Which program holds it.
    pub(super) program: usize,
    /// The id of its case, as the list has it.
    pub(super) case: String,
    /// Its name as the list has it.
    pub(super) name: String,
    /// The test's name within its program.
    pub(super) path: String,
    /// Where it is played.
    pub(super) place: &'static str,
    /// None if it was not run.
    pub(super) passed: Option<bool>,
}

/// The programs to build: the tests of the workspace, as `cargo test --workspace` does, and those
/// that need a feature.
const BUILDS: [&[&str]; 2] =
    [&["--workspace"], &["--package", "transport-tcp", "--features", "tls", "--test", "tls_refusals"]];

/// Builds all programs of tests.
pub(super) fn build() -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for what in BUILDS {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]).args(what);
        let built = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        if !built.status.success() {
            bail!("the tests do not build: see above");
        }
        let messages = String::from_utf8_lossy(&built.stdout);
        let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
        programs.extend(messages.filter_map(program));
    }
    Ok(programs)
}

/// Returns the program, if this message of cargo describes a test program.
fn program(message: Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_path_buf();
    Some(Program {
        package: folder.file_name()?.to_str()?.to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        folder,
    })
}

/// The tests of all programs whose names contain the id of a case, or a similar id, in the order of
/// the cases.
pub(super) fn tests_of(programs: &[Program], cases: &[Case]) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for (program, holds) in programs.iter().enumerate() {
        for path in holds.list()? {
            let Some((case, name)) = named_by(&path, cases) else { continue };
            let place = holds.place(&path);
            tests.push(Test { program, case, name, path, place, passed: None });
        }
    }
    let place_in_list = |id: &str| cases.iter().position(|case| case.id == id);
    tests.sort_by_cached_key(|test| (place_in_list(&test.case), test.name.clone(), test.place));
    Ok(tests)
}

/// The case and the name of a test, from its path: the part with an id of a kind that is in the
/// list.
fn named_by(path: &str, cases: &[Case]) -> Option<(String, String)> {
    let (id, name) = path.split("::").find_map(|part| Some((cases::id_of(part)?, part)))?;
    let alike = |case: &&Case| letters(&case.id).eq_ignore_ascii_case(letters(id));
    let same = |case: &&Case| case.id.eq_ignore_ascii_case(id);
    let of_a_kind = cases.iter().find(alike).map(|_| id.to_ascii_uppercase());
    let case = cases.iter().find(same).map(|case| case.id.clone()).or(of_a_kind)?;
    Some((case, name.to_owned()))
}

/// The prefix of an id.
fn letters(id: &str) -> &str {
    id.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder);
        command
    }

    /// All its tests.
    fn list(&self) -> Result<Vec<String>> {
        let what = || format!("cannot list the tests of {} {}", self.package, self.target);
        let listed = self.command().args(["--list", "--format", "terse"]).output().with_context(what)?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Where a test is played: as it says itself, or else where all of its program are.
    fn place(&self, path: &str) -> &'static str {
        let said = path.rsplit("::").next().and_then(|last| PLACES.into_iter().find(|place| *place == last));
        said.unwrap_or(match (self.package.as_str(), self.target.as_str()) {
            ("monitor-core", _) => "core",
            // The machine that decides, without any network.
            ("transport-tcp", "races") => "core",
            ("transport-tcp", _) | (_, "tcp" | "channels") => "tcp",
            _ => "memory",
        })
    }

    /// Runs those tests and records their results; prints the output of those that failed.
    pub(super) fn run(&self, tests: &mut [&mut Test], progress: &Progress) -> Result<()> {
        if tests.is_empty() {
            return Ok(());
        }
        let what = || format!("cannot run the tests of {} {}", self.package, self.target);
        let mut command = self.command();
        command.arg("--exact").args(tests.iter().map(|test| &test.path)).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(what)?;
        let mut by_path: BTreeMap<String, &mut Test> =
            tests.iter_mut().map(|test| (test.path.clone(), &mut **test)).collect();
        let mut said = Vec::new();
        let output = child.stdout.take().expect("it is piped");
        for line in BufReader::new(output).lines() {
            let line = line.with_context(what)?;
            match outcome(&line).and_then(|(path, passed)| Some((by_path.get_mut(path)?, passed))) {
                Some((test, passed)) => {
                    test.passed = Some(passed);
                    progress.step(&test.name);
                }
                None => said.push(line),
            }
        }
        let ended = child.wait().with_context(what)?;
        // A test without a result has not passed: its program ended early.
        for test in tests {
            test.passed.get_or_insert(false);
        }
        if !ended.success() {
            progress.say(&said.join("\n"));
        }
        Ok(())
    }
}

/// Returns the test whose outcome a line of a test program reports, and whether it passed.
fn outcome(line: &str) -> Option<(&str, bool)> {
    let (path, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match outcome {
        "ok" => Some((path, true)),
        "FAILED" => Some((path, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_and_other_lines_are_not() {
        assert_eq!(outcome("test a::p01_x::tcp ... ok"), Some(("a::p01_x::tcp", true)));
        assert_eq!(outcome("test r01_y ... FAILED"), Some(("r01_y", false)));
        for line in ["running 2 tests", "test result: ok. 1 passed", "test z ... ignored, slow", ""] {
            assert_eq!(outcome(line), None, "{line}");
        }
    }

    #[test]
    fn a_test_belongs_to_the_case_whose_id_it_bears() {
        let case = |id: &str| Case { id: id.to_owned(), page: "list", tests: Vec::new(), has_clause: true };
        let cases = [case("P01"), case("R17b")];
        let named = |path| named_by(path, &cases).map(|(case, _)| case);
        assert_eq!(named("chapter::p01_x::local").as_deref(), Some("P01"));
        assert_eq!(named("r17b_y").as_deref(), Some("R17b"));
        assert_eq!(named("p99_not_in_the_list").as_deref(), Some("P99"), "it looks like one");
        assert_eq!(named("u16_is_no_case"), None);
        assert_eq!(named("chapter::nothing_of_the_kind"), None);
    }
}
