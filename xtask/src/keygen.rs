//! `cargo xtask keygen`: a fresh secret in a file, by `obit keygen`.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use harness::workspace;

/// Builds `obit`, and has it write a fresh secret to a new file with mode 0600.
pub(crate) fn run(file: &Path) -> Result<ExitCode> {
    // Cargo runs in the workspace root, but the path is relative to the current directory.
    let file = std::path::absolute(file).with_context(|| file.display().to_string())?;
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--package", "obit-cli"]);
    let status = cargo.args(["--", "keygen"]).arg(file).status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
