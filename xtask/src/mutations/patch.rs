//! The patches, as they lie in the repository.

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use harness::workspace;

/// Where they lie.
pub(super) const FOLDER: &str = "tests/mutations";
/// What the lines of a header begin with that name a test.
const CAUGHT_BY: &str = "Caught by: ";

/// One rule broken.
pub(super) struct Patch {
    /// The file's, without the end.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// What must be red then; at least one.
    pub(super) tests: Vec<TestName>,
}

/// One test of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestName {
    pub(super) package: String,
    /// The program, as cargo calls it; `example:NAME` or `bin:NAME` if it is none in `tests/`.
    pub(super) program: String,
    /// As its program calls it.
    pub(super) test: String,
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.program, self.test)
    }
}

/// Reads all, in the order of their names.
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

/// The tests that a header names; none if it names none, or not in this form.
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
