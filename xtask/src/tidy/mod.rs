//! `cargo xtask tidy`: the rules of the repository that no compiler checks.
//!
//! Each check is a function from what it looks at to the [`Finding`]s; it says where, what, and
//! what to do. They also run as a test of this package.

use std::{fmt, process::ExitCode};

use anyhow::{Result, bail};

use self::sources::Sources;

mod circles;
mod clocks;
mod english;
mod guide;
mod layers;
mod manifests;
pub(crate) mod packages;
mod pages;
mod platforms;
mod sans_io;
mod shared_files;
mod sources;
mod text;
mod user_code;

/// One rule that does not hold at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// From the root of the repository.
    file: String,
    /// Counted from 1; 0 if it is about the file as a whole.
    line: usize,
    /// The problem, and its fix.
    what: String,
}

/// Runs every check, and prints the findings.
pub(crate) fn run() -> Result<ExitCode> {
    println!("{}", english::report(&Sources::read()?));
    check()?;
    println!("tidy");
    Ok(ExitCode::SUCCESS)
}

/// Runs every check; the failure lists the findings.
pub(crate) fn check() -> Result<()> {
    let findings = findings()?;
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    bail!("{}\n{} findings", lines.join("\n"), findings.len());
}

fn findings() -> Result<Vec<Finding>> {
    let sources = Sources::read()?;
    let packages = packages::read()?;
    let mut findings = layers::check(&packages, &sources);
    findings.extend(packages::check(&packages, &sources));
    findings.extend(manifests::check(&packages));
    findings.extend(shared_files::check(&packages, &sources));
    findings.extend(guide::check(&sources));
    findings.extend(circles::check(&sources));
    findings.extend(pages::check(&sources));
    findings.extend(english::check(&sources));
    for file in &sources.files {
        findings.extend(clocks::check(file));
        findings.extend(platforms::check(file));
        findings.extend(sans_io::check(file));
        findings.extend(text::check(file));
        findings.extend(user_code::check(file));
    }
    findings.sort();
    Ok(findings)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        if let Err(findings) = super::check() {
            panic!("{findings}");
        }
    }
}
