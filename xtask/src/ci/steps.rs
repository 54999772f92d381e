//! The steps of continuous integration.

use std::process::Command;

use anyhow::{Context, Result, bail};
use harness::workspace;

use super::{
    features,
    verdict::Done::{self, Whole, Without},
};
use crate::{api, cluster, conformance, differential, page, tidy};

/// One step: its name and its function.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: fn() -> Result<Done>,
}

pub(super) const STEPS: &[Step] = &[
    Step { name: "format", run: || cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "clippy",
        run: || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "features", run: features::check },
    Step { name: "msrv", run: features::check_with_oldest_rust },
    Step { name: "deny", run: deny },
    Step { name: "tidy", run: || tidy::check().map(Done::from) },
    Step { name: "api", run: public_api },
    Step { name: "package", run: package },
    Step { name: "test", run: || cargo(&["test", "--workspace", "--no-fail-fast"]) },
    // Checks that the benchmarks run, not how fast: each runs once.
    Step {
        name: "benches",
        run: || cargo(&["bench", "--package", "monitor-core", "--bench", "core", "--", "--test"]),
    },
    Step { name: "tls", run: tls },
    Step { name: "cli", run: cli },
    Step { name: "page", run: || unless(page::missing(), &["xtask", "page"]) },
    Step { name: "miri", run: miri },
    // The step `test` has just run them, so this only checks that each case has its test.
    Step { name: "conformance", run: || conformance::check().map(Done::from) },
    Step { name: "mutations", run: || cargo(&["xtask", "mutations"]) },
    Step { name: "doc", run: doc },
    Step { name: "examples", run: examples },
    // A hundred clusters of fifty nodes, in virtual time.
    Step { name: "sim", run: || cargo(&["xtask", "sim", "--seeds", "100", "--seconds", "30"]) },
    Step { name: "differential", run: || unless(differential::missing(), &["xtask", "differential"]) },
    Step { name: "test-cluster", run: test_cluster },
];

/// Compares the public API of the libraries with the text of it in `docs/api`.
fn public_api() -> Result<Done> {
    match api::check()? {
        api::Outcome::Same => Ok(Whole),
        api::Outcome::Changed(changes) => bail!("{changes}"),
        api::Outcome::Unable(why) => Ok(Without(why)),
    }
}

/// Packs every package that is meant for a registry, as publishing would. The packed files are not
/// built: the other steps build the same files.
fn package() -> Result<Done> {
    let packages = tidy::packages::read()?;
    let published = packages.iter().filter(|package| package.is_published());
    let named = published.flat_map(|package| ["--package", package.name.as_str()]);
    run(workspace::cargo().args(["package", "--quiet", "--no-verify", "--allow-dirty"]).args(named))
}

/// Lints and tests the code that the feature `tls` adds or changes.
fn tls() -> Result<Done> {
    const TRANSPORT: [&str; 4] = ["--package", "transport-tcp", "--features", "tls"];
    let of_transport = |head: &str, tail: &[&str]| cargo(&[&[head], &TRANSPORT[..], tail].concat());
    of_transport("clippy", &["--all-targets", "--", "-D", "warnings"])?;
    const RUNTIME: [&str; 4] = ["--package", "monitor-runtime", "--features", "tls"];
    let of_runtime = |head: &str, tail: &[&str]| cargo(&[&[head], &RUNTIME[..], tail].concat());
    of_runtime("clippy", &["--test", "tls", "--", "-D", "warnings"])?;
    of_runtime("test", &["--test", "tls"])?;
    of_transport("test", &["--lib", "--test", "tls*"])?;
    of_transport("test", &["--doc"])
}

/// Tests the command `obit`, and the features for inspection of a node.
fn cli() -> Result<Done> {
    cargo(&["clippy", "--package", "obit-cli", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--package", "obit-cli"])?;
    const HTTP: [&str; 4] = ["--package", "monitor-runtime", "--features", "http"];
    cargo(&[&["clippy"], &HTTP[..], &["--all-targets", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test"], &HTTP[..], &["--test", "control", "--test", "http"]].concat())?;
    cargo(&[&["test"], &HTTP[..], &["--doc"]].concat())?;
    // The pages about inspection of a node.
    cargo(&["test", "--package", "obit", "--features", "http", "--doc"])?;
    const METRICS: [&str; 4] = ["--package", "monitor-runtime", "--features", "metrics"];
    cargo(&[&["clippy"], &METRICS[..], &["--test", "metrics", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test"], &METRICS[..], &["--test", "metrics"]].concat())
}

/// Checks for undefined behavior with Miri, in the two crates that do no I/O. These crates contain
/// no unsafe code, but their dependencies do.
fn miri() -> Result<Done> {
    if !succeeds(workspace::cargo_of_rustup().args(["+nightly", "miri", "--version"])) {
        return Ok(Without("no nightly toolchain with miri (rustup +nightly component add miri)".to_owned()));
    }
    const TESTS: [&str; 8] =
        ["--test", "meaning", "--test", "processes", "--test", "nodes", "--test", "remote"];
    let mut miri = workspace::cargo_of_rustup();
    miri.args(["+nightly", "miri", "test", "--package", "obit-refs", "--package", "monitor-core"]);
    run(miri.args(TESTS))
}

/// Builds all examples, and runs those that check their own result: each as its header says,
/// without the default features if it needs none. The features that tests share, `test-util` and
/// `fuzzing`, are on for all of them.
fn examples() -> Result<Done> {
    const RUNTIME: &str = "monitor-runtime";
    const IN_MEMORY: &[&str] = &["--no-default-features", "--features", "test-util"];
    const EXAMPLES: [(&str, &str, &[&str]); 9] = [
        ("monitor-core", "embed", &[]),
        ("monitor-core", "mini_actors", &[]),
        (RUNTIME, "two_nodes", &[]),
        (RUNTIME, "worker_pool", &[]),
        (RUNTIME, "tokio_app", &["--features", "tokio"]),
        (RUNTIME, "tokio_failover_test", &["--features", "test-util,tokio"]),
        (RUNTIME, "leader_lease", IN_MEMORY),
        (RUNTIME, "failover_test", IN_MEMORY),
        (RUNTIME, "peers_service", &["--features", "http"]),
    ];
    cargo(&["build", "--workspace", "--examples"])?;
    for (package, example, features) in EXAMPLES {
        println!("--- {example}");
        let run = ["run", "--quiet", "--package", package, "--example", example];
        cargo(&[&run[..], features].concat())?;
    }
    println!("--- shell_watch.sh");
    cargo(&["build", "--package", "obit-cli"])?;
    run(Command::new("obit-cli/examples/shell_watch.sh").current_dir(workspace::root()))
}

/// Checks the licenses, sources and known vulnerabilities of the dependencies, as `deny.toml`
/// configures them.
fn deny() -> Result<Done> {
    if !has("deny") {
        return Ok(Without("no cargo-deny (cargo install --locked cargo-deny)".to_owned()));
    }
    const DENY: [&str; 2] = ["deny", "--all-features"];
    cargo(&[&DENY[..], &["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]].concat())?;
    // The database of advisories comes over the network. A network outage must not fail the step.
    if !succeeds(workspace::cargo().args(DENY).args(["fetch", "db", "index"])) {
        return Ok(Without("advisories: their database cannot be fetched; the rest was checked".to_owned()));
    }
    cargo(&[&DENY[..], &["check", "--disable-fetch", "advisories"]].concat())
}

fn doc() -> Result<Done> {
    let mut cargo = workspace::cargo();
    run(cargo.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Includes the scenarios that need root if run as root.
fn test_cluster() -> Result<Done> {
    cargo(&["xtask", "test-cluster", "--quick", "--netns"])?;
    Ok(cluster::missing().map_or(Whole, |why| Without(format!("scenarios that pull cables: {why}"))))
}

/// Runs cargo, unless a requirement is missing.
fn unless(missing: Option<String>, arguments: &[&str]) -> Result<Done> {
    match missing {
        Some(missing) => Ok(Without(missing)),
        None => cargo(arguments),
    }
}

/// Runs cargo; returns an error if it fails.
pub(super) fn cargo(arguments: &[&str]) -> Result<Done> {
    run(workspace::cargo().args(arguments))
}

/// Runs a command; returns an error if it fails.
pub(super) fn run(command: &mut Command) -> Result<Done> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(Whole)
}

/// Whether cargo has that subcommand.
pub(super) fn has(subcommand: &str) -> bool {
    succeeds(workspace::cargo().args([subcommand, "--version"]))
}

/// Returns whether a command can be run and succeeds; its output is discarded.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}
