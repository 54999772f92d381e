//! What continuous integration runs, step by step.

use std::process::Command;

use anyhow::{Context, Result, bail};
use harness::workspace;

use super::{
    features,
    verdict::Done::{self, Whole, Without},
};
use crate::{cluster, conformance, differential, page, tidy};

/// One step: what it is called, and what it does.
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
    Step { name: "package", run: package },
    Step { name: "test", run: || cargo(&["test", "--workspace"]) },
    // That they run, not how fast: each once.
    Step {
        name: "benches",
        run: || cargo(&["bench", "--package", "monitor-core", "--bench", "core", "--", "--test"]),
    },
    Step { name: "tls", run: tls },
    Step { name: "cli", run: cli },
    Step { name: "page", run: || unless(page::missing(), &["xtask", "page"]) },
    Step { name: "miri", run: miri },
    // They have just been run: that each case has its test is all that is left to see.
    Step { name: "conformance", run: || conformance::check().map(Done::from) },
    Step { name: "mutations", run: || cargo(&["xtask", "mutations"]) },
    Step { name: "doc", run: doc },
    Step { name: "examples", run: examples },
    // A hundred clusters of fifty nodes, in virtual time.
    Step { name: "sim", run: || cargo(&["xtask", "sim", "--seeds", "100", "--seconds", "30"]) },
    Step { name: "differential", run: || unless(differential::missing(), &["xtask", "differential"]) },
    Step { name: "test-cluster", run: test_cluster },
];

/// Packs every package that is meant for a registry, as publishing would. Building what was packed is left out: the other
/// steps build the same files.
fn package() -> Result<Done> {
    let packages = tidy::packages::read()?;
    let published = packages.iter().filter(|package| package.is_published());
    let named = published.flat_map(|package| ["--package", package.name.as_str()]);
    run(workspace::cargo().args(["package", "--quiet", "--no-verify", "--allow-dirty"]).args(named))
}

/// What the feature `tls` adds or changes.
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

/// The command `obit`, and what one can look into a node by.
fn cli() -> Result<Done> {
    cargo(&["clippy", "--package", "obit-cli", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--package", "obit-cli"])?;
    const HTTP: [&str; 4] = ["--package", "monitor-runtime", "--features", "http"];
    cargo(&[&["clippy"], &HTTP[..], &["--all-targets", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test"], &HTTP[..], &["--test", "control", "--test", "http"]].concat())?;
    cargo(&[&["test"], &HTTP[..], &["--doc"]].concat())?;
    // The pages about looking into a node.
    cargo(&["test", "--package", "obit", "--features", "http", "--doc"])?;
    const METRICS: [&str; 4] = ["--package", "monitor-runtime", "--features", "metrics"];
    cargo(&[&["clippy"], &METRICS[..], &["--test", "metrics", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test"], &METRICS[..], &["--test", "metrics"]].concat())
}

/// The rules of the language that no compiler checks, where they can be: in the two crates that do no I/O. None of ours is
/// unsafe, but what they are made of is.
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

/// Builds all examples, and runs those that judge themselves: each as its head says, without the default features where it
/// needs none. The features that tests share, `test-util` and `fuzzing`, are on for all of them.
fn examples() -> Result<Done> {
    const RUNTIME: &str = "monitor-runtime";
    const IN_MEMORY: &[&str] = &["--no-default-features", "--features", "test-util"];
    const EXAMPLES: [(&str, &str, &[&str]); 7] = [
        ("monitor-core", "embed", &[]),
        (RUNTIME, "two_nodes", &[]),
        (RUNTIME, "worker_pool", &[]),
        (RUNTIME, "tokio_app", &[]),
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

/// Licences, sources and known weaknesses of what we depend on, as `deny.toml` has them.
fn deny() -> Result<Done> {
    if !has("deny") {
        return Ok(Without("no cargo-deny (cargo install --locked cargo-deny)".to_owned()));
    }
    const DENY: [&str; 2] = ["deny", "--all-features"];
    cargo(&[&DENY[..], &["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]].concat())?;
    // What is known of weaknesses comes over the network. Nobody's change is wrong because that is down.
    if !succeeds(workspace::cargo().args(DENY).args(["fetch", "db", "index"])) {
        return Ok(Without("advisories: their database cannot be fetched; the rest was checked".to_owned()));
    }
    cargo(&[&DENY[..], &["check", "--disable-fetch", "advisories"]].concat())
}

fn doc() -> Result<Done> {
    let mut cargo = workspace::cargo();
    run(cargo.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// With what needs root where there is root; elsewhere without.
fn test_cluster() -> Result<Done> {
    cargo(&["xtask", "test-cluster", "--quick", "--netns"])?;
    Ok(cluster::missing().map_or(Whole, |why| Without(format!("scenarios that pull cables: {why}"))))
}

/// Runs cargo, unless something is missing that it needs.
fn unless(missing: Option<String>, arguments: &[&str]) -> Result<Done> {
    match missing {
        Some(missing) => Ok(Without(missing)),
        None => cargo(arguments),
    }
}

/// Runs cargo; a failure if it fails.
pub(super) fn cargo(arguments: &[&str]) -> Result<Done> {
    run(workspace::cargo().args(arguments))
}

/// Runs a command; a failure if it fails.
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

/// Whether a command can be run and ends well; what it prints is nobody's business.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}
