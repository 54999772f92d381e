//! Checks that the packages build with each set of features that a user may choose, and with the
//! oldest Rust that they declare.
//!
//! Features are additive: each set must build without a warning. With cargo-hack these are all sets
//! of up to [`DEPTH`] features, and some larger ones; without it, plain cargo checks a list of
//! sets.

use anyhow::Result;
use harness::workspace;

use super::{
    steps::{cargo, has, run, succeeds},
    verdict::Done::{self, Without},
};

/// Maximum number of features of a set for cargo-hack. No code depends on three features at once.
const DEPTH: &str = "2";

/// A package, and its sets of features, each without the default ones.
type Sets = (&'static str, &'static [&'static str]);

/// The sets that are checked without cargo-hack.
const LISTED: &[Sets] = &[
    ("obit-refs", &["", "fuzzing"]),
    ("monitor-core", &["", "fuzzing"]),
    ("peer-service", &["", "conformance", "memory", "conformance,memory"]),
    ("transport-tcp", &["", "tls", "fuzzing", "simulation", "tls,fuzzing,simulation"]),
    (
        "monitor-runtime",
        &[
            // Each feature alone,
            "",
            "tcp",
            "tls",
            "control",
            "http",
            "metrics",
            "test-util",
            "fuzzing",
            // and the pairs that share code.
            "tcp,control",
            "tcp,http",
            "metrics,control",
            "metrics,http",
            "control,test-util",
        ],
    ),
];

/// The larger sets, checked with and without cargo-hack.
const LARGER: &[Sets] = &[
    ("monitor-runtime", &["tls,test-util,fuzzing", "metrics,http,test-util"]),
    ("obit", &["", "tls,control,http,metrics,test-util"]),
];

/// Checks libraries and binaries with each set, and everything with all features.
pub(super) fn check() -> Result<Done> {
    let hack = has("hack");
    if hack {
        powerset()?;
    } else {
        sets(LISTED)?;
    }
    sets(LARGER)?;
    println!("--- all features");
    clippy(&["--workspace", "--all-targets", "--all-features"])?;
    let without =
        "all sets of features, only those of a list: no cargo-hack (cargo install --locked cargo-hack)";
    Ok(if hack { Done::Whole } else { Without(without.to_owned()) })
}

/// Checks the libraries and binaries with the Rust that `rust-version` declares, if rustup has it.
pub(super) fn check_with_oldest_rust() -> Result<Done> {
    let version = env!("CARGO_PKG_RUST_VERSION");
    let rust = format!("+{version}");
    if !succeeds(workspace::cargo_of_rustup().args([&rust, "--version"])) {
        let install = format!("rustup toolchain install {version} --profile minimal");
        return Ok(Without(format!("no Rust {version} ({install})")));
    }
    // Apart from the other toolchain's files, which would be built anew after each change between
    // the two.
    let target = workspace::root().join("target").join("oldest-rust");
    let mut cargo = workspace::cargo_of_rustup();
    cargo.args([&rust, "check", "--quiet", "--workspace", "--all-features"]).env("CARGO_TARGET_DIR", target);
    run(&mut cargo)
}

/// All sets of up to [`DEPTH`] features. `default` is another name for `tcp`, and tried with
/// everything else.
fn powerset() -> Result<Done> {
    // The tools have no features, and those of the facade are those of the library.
    const SETS: [&str; 10] = [
        "hack",
        "clippy",
        "--quiet",
        "--workspace",
        "--ignore-private",
        "--exclude",
        "obit",
        "--feature-powerset",
        "--exclude-features",
        "default",
    ];
    println!("--- all sets of up to {DEPTH} features");
    cargo(&[&SETS[..], &["--depth", DEPTH, "--", "-D", "warnings"]].concat())
}

fn sets(of: &[Sets]) -> Result<Done> {
    for (package, sets) in of {
        for set in *sets {
            println!("--- {package} [{set}]");
            clippy(&["--package", package, "--no-default-features", "--features", set])?;
        }
    }
    Ok(Done::Whole)
}

/// `cargo check`, and a warning is a failure: `RUSTFLAGS` would build all dependencies anew for
/// that.
fn clippy(what: &[&str]) -> Result<Done> {
    cargo(&[&["clippy", "--quiet"], what, &["--", "-D", "warnings"]].concat())
}
