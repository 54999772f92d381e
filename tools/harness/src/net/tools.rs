//! The programs that create networks, and a check that they can be used.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::geteuid;

use super::namespace::{self, Namespace};

/// Checks that networks can be created; the error says what to do. Also removes what earlier runs
/// left behind.
pub fn available() -> Result<()> {
    if !geteuid().is_root() {
        bail!("network namespaces are made by root only: run this as root, or in a virtual machine");
    }
    for (tool, version, package) in
        [("ip", "-Version", "iproute2"), ("tc", "-Version", "iproute2"), ("nft", "--version", "nftables")]
    {
        let missing = |_| anyhow!("`{tool}` is missing: install the package {package}");
        run(tool, &[version], "").map_err(missing)?;
    }
    namespace::remove_leftovers();
    let trial = || Namespace::new("trial")?.nft(&super::firewall::Firewall::default().rules());
    trial().context("this machine does not let root make networks")
}

/// Runs a tool to its end with this input. Returns its output.
pub(super) fn run(tool: &str, arguments: &[&str], input: &str) -> Result<String> {
    let what = || format!("cannot run `{tool} {}`", arguments.join(" "));
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(what)?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // The write fails if the tool rejects its arguments and exits. Its own error, below, is more
    // useful.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(what)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{tool} {}` failed on {input:?}: {}", arguments.join(" "), stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
