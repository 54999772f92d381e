//! `cargo xtask ci`: what continuous integration runs, and nothing else.

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use clap::{Args, builder::PossibleValuesParser};

use crate::{
    conformance,
    failure::{Context, Result, fail},
    features, tidy, workspace,
};

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this step; may be given several times.
    #[arg(long = "only", value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Vec<String>,
}

/// One step: what it is called, and what it does.
struct Step {
    name: &'static str,
    run: fn() -> Result,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "clippy",
        run: || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "features", run: features::check },
    Step { name: "msrv", run: features::check_with_oldest_rust },
    Step { name: "deny", run: deny },
    Step { name: "tidy", run: tidy::check },
    Step { name: "test", run: || cargo(&["test", "--workspace"]) },
    // That they run, not how fast: each once.
    Step {
        name: "benches",
        run: || cargo(&["bench", "--package", "monitor-core", "--bench", "core", "--", "--test"]),
    },
    Step { name: "tls", run: tls },
    Step { name: "cli", run: cli },
    // Where there is no Chromium it says so and passes.
    Step { name: "page", run: || cargo(&["xtask", "page"]) },
    Step { name: "miri", run: miri },
    // They have just been run: that each case has its test is all that is left to see.
    Step { name: "conformance", run: conformance::check },
    Step { name: "mutations", run: || cargo(&["xtask", "mutations"]) },
    Step { name: "doc", run: doc },
    Step { name: "examples", run: examples },
    // A hundred clusters of fifty nodes, in virtual time.
    Step { name: "sim", run: || cargo(&["xtask", "sim", "--seeds", "100", "--seconds", "30"]) },
    // Where there is no Erlang/OTP it says so and passes.
    Step { name: "differential", run: || cargo(&["xtask", "differential"]) },
    // With what needs root where there is root; elsewhere it says so and leaves that out.
    Step { name: "test-cluster", run: || cargo(&["xtask", "test-cluster", "--quick", "--netns"]) },
];

/// Runs the steps in order, to the end even if one fails, and counts.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let chosen = |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let mut summary = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        println!("\n=== {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)();
        let seconds = start.elapsed().as_secs_f64();
        if let Err(failure) = &outcome {
            println!("{failure}");
        }
        println!("=== {}: {} in {seconds:.1} s", step.name, verdict(outcome.is_ok()));
        summary.push((step.name, outcome.is_ok(), seconds));
    }
    println!();
    for (name, passed, seconds) in &summary {
        println!("{}  {name:20} {seconds:6.1} s", verdict(*passed));
    }
    let passed = summary.iter().filter(|(_, passed, _)| *passed).count();
    let failed = summary.len() - passed;
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

/// What the feature `tls` adds or changes.
fn tls() -> Result {
    const TRANSPORT: [&str; 4] = ["--package", "transport-tcp", "--features", "tls"];
    let of_transport = |head: &str, tail: &[&str]| cargo(&[&[head], &TRANSPORT[..], tail].concat());
    of_transport("clippy", &["--all-targets", "--", "-D", "warnings"])?;
    cargo(&["clippy", "--package", "monitor-runtime", "--features", "tls", "--", "-D", "warnings"])?;
    of_transport("test", &["--lib", "--test", "tls*"])?;
    of_transport("test", &["--doc"])
}

/// The command `obit`, and what one can look into a node by.
fn cli() -> Result {
    const CLI: [&str; 4] = ["--package", "monitor-runtime", "--features", "cli"];
    cargo(&[&["clippy"], &CLI[..], &["--all-targets", "--", "-D", "warnings"]].concat())?;
    cargo(
        &[&["test"], &CLI[..], &["--bin", "obit", "--test", "cli", "--test", "control", "--test", "http"]]
            .concat(),
    )?;
    cargo(&[&["test"], &CLI[..], &["--doc"]].concat())?;
    const METRICS: [&str; 4] = ["--package", "monitor-runtime", "--features", "metrics"];
    cargo(&[&["clippy"], &METRICS[..], &["--test", "metrics", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test"], &METRICS[..], &["--test", "metrics"]].concat())
}

/// The rules of the language that no compiler checks, where they can be: in the two crates that do no I/O. None of ours is
/// unsafe, but what they are made of is.
fn miri() -> Result {
    let mut version = workspace::cargo_of_rustup();
    let there = version.args(["+nightly", "miri", "--version"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        println!("skipped: no nightly toolchain with miri (rustup +nightly component add miri)");
        return Ok(());
    }
    const TESTS: [&str; 8] =
        ["--test", "meaning", "--test", "processes", "--test", "nodes", "--test", "remote"];
    let mut miri = workspace::cargo_of_rustup();
    miri.args(["+nightly", "miri", "test", "--package", "refs", "--package", "monitor-core"]);
    run_step(miri.args(TESTS))
}

/// Builds all examples, and runs those that judge themselves: each as its head says, with the features it needs alone.
fn examples() -> Result {
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
    cargo(&["build", "--package", RUNTIME, "--features", "cli", "--bin", "obit"])?;
    run_step(Command::new("monitor-runtime/examples/shell_watch.sh").current_dir(workspace::root()))
}

/// Licences, sources and known weaknesses of what we depend on, as `deny.toml` has them.
fn deny() -> Result {
    let there = workspace::cargo().args(["deny", "--version"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        println!("skipped: no cargo-deny (cargo install --locked cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "--all-features", "check"])
}

fn doc() -> Result {
    let mut cargo = workspace::cargo();
    run_step(
        cargo.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn cargo(arguments: &[&str]) -> Result {
    run_step(workspace::cargo().args(arguments))
}

fn run_step(command: &mut Command) -> Result {
    let status = command.status().context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        fail!("{command:?} ended with {status}");
    }
    Ok(())
}
