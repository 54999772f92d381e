//! Builds and runs the tests that must fail with a patch, and returns how they ended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{copy::Copy, patch::TestName};

/// Maximum duration of a test.
const LIMIT: Duration = Duration::from_secs(180);

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Green,
    /// The first line of its failure.
    Red(String),
    /// It was killed at the limit.
    Hangs,
    /// Its program does not build, so no test has caught the patch.
    DoesNotBuild(String),
    /// The patch does not apply to the current code.
    DoesNotApply(String),
    /// There is no test of that name.
    NoSuchTest,
}

/// Builds the program in the copy and runs that one test.
pub(super) fn run(copy: &Copy, test: &TestName) -> Result<Verdict> {
    let mut cargo = copy.cargo();
    cargo.args(["test", "--no-run", "--quiet", "--message-format", "json-render-diagnostics"]);
    let (kind, program_name) = target(&test.program);
    cargo.args(["--all-features", "--package", &test.package, &format!("--{kind}"), program_name]);
    let built = cargo.output().context("cannot run cargo")?;
    if !built.status.success() {
        return Ok(Verdict::DoesNotBuild(String::from_utf8_lossy(&built.stderr).trim().to_owned()));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let Some((program, folder)) = messages.find_map(|message| program(&message, program_name)) else {
        bail!("cargo built {test} but did not report its path");
    };
    let output = program.with_extension("output");
    let ended = run_program(&program, &folder, test, &output)?;
    let text = fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
    Ok(verdict(ended, &String::from_utf8_lossy(&text)))
}

/// Kind and name of a test program. `NAME` is a program in `tests/`; `bin:NAME` and `example:NAME`
/// contain their own tests.
fn target(program: &str) -> (&str, &str) {
    program.split_once(':').unwrap_or(("test", program))
}

/// The program of that name and the folder of its package, if this message of cargo is about it.
fn program(message: &Value, name: &str) -> Option<(PathBuf, PathBuf)> {
    let is_meant = message["profile"]["test"] == true && message["target"]["name"] == name;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let program = PathBuf::from(message["executable"].as_str()?);
    is_meant.then(|| Some((program, manifest.parent()?.to_path_buf())))?
}

/// Runs the program until it ends, or until the limit: then there is no status. The output goes to
/// a file, so that the program never waits for a reader.
fn run_program(program: &Path, folder: &Path, test: &TestName, output: &Path) -> Result<Option<ExitStatus>> {
    let what = || format!("cannot run {test}");
    let file = File::create(output).with_context(what)?;
    let mut command = Command::new(program);
    command.args(["--exact", &test.test]).current_dir(folder).stdin(Stdio::null());
    command.stderr(file.try_clone().with_context(what)?).stdout(file);
    let mut child = command.spawn().with_context(what)?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(what)? {
            return Ok(Some(status));
        }
        if start.elapsed() > LIMIT {
            child.kill().with_context(what)?;
            child.wait().with_context(what)?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn verdict(ended: Option<ExitStatus>, output: &str) -> Verdict {
    match ended {
        None => Verdict::Hangs,
        Some(status) if status.success() && output.contains("test result: ok. 0 passed") => {
            Verdict::NoSuchTest
        }
        Some(status) if status.success() => Verdict::Green,
        Some(_) => Verdict::Red(failure_text(output)),
    }
}

/// The line after the first panic: the message of the assertion.
fn failure_text(output: &str) -> String {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let line = lines.next().unwrap_or("it ended without a message");
    line.split("counterexample").next().unwrap_or(line).trim_start_matches("Unexpected ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_integration_test_unless_its_kind_is_named() {
        assert_eq!(target("model_check"), ("test", "model_check"));
        assert_eq!(target("bin:simulator"), ("bin", "simulator"));
    }

    #[test]
    fn a_failure_text_is_the_line_after_the_first_panic() {
        let output = "1 monitor: 7 states\n\nthread 'x' panicked at a.rs:1:2:\nUnexpected \"at most one\" counterexample Path[2]:\n- X\n";
        assert_eq!(failure_text(output), "\"at most one\"");
        assert_eq!(failure_text("thread 'x' panicked at a.rs:1:2:\nan index\nnote"), "an index");
        assert_eq!(failure_text(""), "it ended without a message");
    }
}
