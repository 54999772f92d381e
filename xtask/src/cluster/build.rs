//! Builds the programs that the nodes run.

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
    build("example", name, &[], release)
}

/// Builds the command `obit` and tells where it is.
pub(crate) fn obit(release: bool) -> Result<PathBuf> {
    build("bin", "obit", &["--features", "cli"], release)
}

fn build(kind: &str, name: &str, features: &[&str], release: bool) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--package", "monitor-runtime", &format!("--{kind}"), name]).args(features);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.args(release.then_some("--release"));
    let built = cargo.stderr(Stdio::inherit()).output().context(|| "cannot run cargo".to_owned())?;
    if !built.status.success() {
        fail!("the {kind} `{name}` of monitor-runtime does not build: see above");
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message| executable(kind, name, &message));
    match executable {
        Some(path) => Ok(path),
        None => fail!("cargo built the {kind} `{name}` but did not say where it is"),
    }
}

/// The path of the executable, if this message of cargo's is about that target.
fn executable(kind: &str, name: &str, message: &Value) -> Option<PathBuf> {
    let is_it = message["target"]["name"] == name && message["target"]["kind"][0] == kind;
    is_it.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
}
