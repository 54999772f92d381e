//! Reads the patches of the repository.

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use harness::workspace;

/// The folder of the patches.
pub(super) const FOLDER: &str = "tests/mutations";
/// The prefix of the header lines that name a test.
const CAUGHT_BY: &str = "Caught by: ";

/// One patch, which breaks one rule.
pub(super) struct Patch {
    /// The file name without its extension.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The tests that must fail with the patch applied; at least one.
    pub(super) tests: Vec<TestName>,
}

/// One test of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestName {
    pub(super) package: String,
    /// The name of the test program, as cargo has it; `example:NAME` or `bin:NAME` if it is not in
    /// `tests/`.
    pub(super) program: String,
    /// The test's name within its program.
    pub(super) test: String,
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.program, self.test)
    }
}

/// Reads all patches, in the order of their names.
pub(super) fn read_all() -> Result<Vec<Patch>> {
    let entries =
        fs::read_dir(workspace::root().join(FOLDER)).with_context(|| format!("cannot read {FOLDER}"))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|end| end == "patch")).collect();
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Result<Patch> {
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let Some(tests) = tests_of(&text) else {
        bail!("{}: its header must name a test: {CAUGHT_BY}PACKAGE PROGRAM TEST", file.display());
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Patch { name, file, tests })
}

/// Returns the tests that a header names; `None` if it names none, or not in this form.
fn tests_of(text: &str) -> Option<Vec<TestName>> {
    let header = text.lines().take_while(|line| !line.starts_with("diff "));
    let tests: Option<Vec<_>> = header.filter_map(|line| line.strip_prefix(CAUGHT_BY)).map(test).collect();
    tests.filter(|tests| !tests.is_empty())
}

fn test(named: &str) -> Option<TestName> {
    let mut words = named.split_whitespace().map(str::to_owned);
    let (package, program, test) = (words.next()?, words.next()?, words.next()?);
    words.next().is_none().then_some(TestName { package, program, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_tests_above_the_first_diff() {
        let tests =
            tests_of("What.\nCaught by: p t one\nCaught by: p t two\n\ndiff --git a b\nCaught by: x\n");
        let names: Vec<String> = tests.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["p t one", "p t two"]);
        for bad in ["What.\ndiff --git\n", "Caught by: p t\n", "Caught by: p t one two\n", ""] {
            assert_eq!(tests_of(bad), None, "{bad:?}");
        }
    }
}
