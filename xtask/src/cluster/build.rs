//! Builds the program that the nodes run.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;

use crate::{
    failure::{Context, Result, fail},
    workspace,
};

/// Builds the example `node` of monitor-runtime and tells where it is.
pub(crate) fn node_program(release: bool) -> Result<PathBuf> {
    example("node", release)
}

/// Builds an example of monitor-runtime and tells where it is.
pub(crate) fn example(name: &str, release: bool) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--package", "monitor-runtime", "--example", name]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.args(release.then_some("--release"));
    let built = cargo.stderr(Stdio::inherit()).output().context(|| "cannot run cargo".to_owned())?;
    if !built.status.success() {
        fail!("the example `{name}` of monitor-runtime does not build: see above");
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message| executable(name, &message));
    match executable {
        Some(path) => Ok(path),
        None => fail!("cargo built the example `{name}` but did not say where it is"),
    }
}

/// Builds the command `obit` and tells where it is.
pub(crate) fn obit() -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--package", "monitor-runtime", "--features", "cli", "--bin", "obit"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let built = cargo.stderr(Stdio::inherit()).output().context(|| "cannot run cargo".to_owned())?;
    let messages = String::from_utf8_lossy(&built.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter(|message| message["target"]["name"] == "obit");
    match programs.find_map(|message| message["executable"].as_str().map(PathBuf::from)) {
        Some(program) if built.status.success() => Ok(program),
        _ => fail!("the command `obit` does not build: see above"),
    }
}

/// The path of the executable, if this message of cargo's tells of the example.
fn executable(name: &str, message: &Value) -> Option<PathBuf> {
    let is_it = message["target"]["name"] == name && message["target"]["kind"][0] == "example";
    is_it.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
}
