//! Whether the packages build with each set of features that a user may choose, and with the oldest Rust they declare.
//!
//! Features are additive: each set here must build without a warning. By plain cargo, so that it needs no further
//! tool; the sets are bounded, not all that there are (`cargo hack check --feature-powerset --workspace` tries those).

use std::process::Command;

use crate::{
    failure::{Context, Result, fail},
    workspace,
};

/// A package, and its sets of features, each without the default ones.
type Sets = (&'static str, &'static [&'static str]);

const SETS: &[Sets] = &[
    ("refs", &["", "fuzzing"]),
    ("monitor-core", &["", "fuzzing"]),
    ("peer-service", &["", "conformance"]),
    ("transport-tcp", &["", "tls", "fuzzing", "tls,fuzzing"]),
    (
        "monitor-runtime",
        &[
            // Each by itself,
            "",
            "tcp",
            "tls",
            "control",
            "http",
            "test-util",
            "fuzzing",
            "cli",
            // and those pairs that meet in the code.
            "tcp,control",
            "tcp,http",
            "control,test-util",
            "cli,test-util",
        ],
    ),
];

/// Checks libraries and binaries with each set, and everything with all features.
pub(crate) fn check() -> Result {
    for (package, sets) in SETS {
        for set in *sets {
            println!("--- {package} [{set}]");
            clippy(&["--package", package, "--no-default-features", "--features", set])?;
        }
    }
    println!("--- all features");
    clippy(&["--workspace", "--all-targets", "--all-features"])
}

/// Checks the libraries and binaries with the Rust that `rust-version` declares, if rustup has it.
pub(crate) fn check_with_oldest_rust() -> Result {
    let rust = format!("+{}", env!("CARGO_PKG_RUST_VERSION"));
    let there = workspace::cargo_of_rustup().args([&rust, "--version"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        let version = env!("CARGO_PKG_RUST_VERSION");
        println!("skipped: no Rust {version} (rustup toolchain install {version} --profile minimal)");
        return Ok(());
    }
    // Apart from the other toolchain's files, which would be built anew after each change between the two.
    let target = workspace::root().join("target").join("oldest-rust");
    let mut cargo = workspace::cargo_of_rustup();
    cargo.args([&rust, "check", "--quiet", "--workspace", "--all-features"]).env("CARGO_TARGET_DIR", target);
    run(&mut cargo)
}

/// `cargo check`, and a warning is a failure: `RUSTFLAGS` would build all dependencies anew for that.
fn clippy(what: &[&str]) -> Result {
    run(workspace::cargo().args(["clippy", "--quiet"]).args(what).args(["--", "-D", "warnings"]))
}

fn run(command: &mut Command) -> Result {
    let status = command.status().context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        fail!("{command:?} ended with {status}");
    }
    Ok(())
}
