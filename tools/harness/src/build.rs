//! Builds programs of the workspace.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

/// Builds the program of a package below `tools/`, which has the name of its package, and returns
/// its path.
pub fn tool(name: &str, release: bool) -> Result<PathBuf> {
    build(name, name, release)
}

/// Builds the command `obit` and returns its path.
pub fn obit(release: bool) -> Result<PathBuf> {
    build("obit-cli", "obit", release)
}

fn build(package: &str, program: &str, release: bool) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--package", package, "--bin", program]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.args(release.then_some("--release"));
    let built = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !built.status.success() {
        bail!("the program `{program}` of the package {package} does not build: see above");
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message| executable(program, &message));
    match executable {
        Some(path) => Ok(path),
        None => bail!("cargo built the program `{program}` but did not print its path"),
    }
}

/// The path of the executable, if this message of cargo is about that program.
fn executable(program: &str, message: &Value) -> Option<PathBuf> {
    let is_it = message["target"]["name"] == program && message["target"]["kind"][0] == "bin";
    is_it.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
}
