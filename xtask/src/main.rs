//! Obit's own tasks, run as `cargo xtask …`: the cluster test, the checks of the repository, and both together
//! with everything else that continuous integration runs.
//!
//! This program depends on no crate of Obit: what it judges, it judges from outside.

#![allow(clippy::print_stdout, reason = "a command-line program speaks on standard output")]

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

mod bench;
mod ci;
mod cluster;
mod conformance;
mod differential;
mod keygen;
mod liveness;
mod mutations;
mod page;
mod scale;
mod sim;
mod svg;
mod tidy;

/// Obit's own tasks.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start real node processes, hurt them, and judge what every monitor was told.
    #[command(after_help = cluster::EXAMPLES)]
    TestCluster(cluster::Options),
    /// Measure how soon a node that is gone is noticed, and how often one that is there is given up. Needs root.
    #[command(after_help = liveness::EXAMPLES)]
    Liveness(liveness::Options),
    /// Run the test of every case that Obit promises to keep, and print the table of them.
    #[command(after_help = conformance::EXAMPLES)]
    Conformance(conformance::Options),
    /// Measure two nodes of Obit, and two of Erlang/OTP beside them.
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Options),
    /// Measure what monitors, processes and nodes cost, and how that grows with their number.
    #[command(after_help = scale::EXAMPLES)]
    Scale(scale::Options),
    /// Run the same scripts on nodes of Erlang/OTP and of Obit, and compare what every process is told.
    #[command(after_help = differential::EXAMPLES)]
    Differential(differential::Options),
    /// Break rules of the real code on purpose, in a copy, and see that a test catches each.
    #[command(after_help = mutations::EXAMPLES)]
    Mutations(mutations::Options),
    /// Simulate clusters of real nodes in virtual time, on links that break, and judge every step.
    #[command(after_help = sim::EXAMPLES)]
    Sim(sim::Options),
    /// Look at the page of a node in a headless Chromium, while processes end and nodes are killed.
    #[command(after_help = page::EXAMPLES)]
    Page(page::Options),
    /// Check the rules of the repository that no compiler checks.
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,
    /// Run everything that continuous integration runs, and count what passed.
    #[command(after_help = ci::EXAMPLES)]
    Ci(ci::Options),
    /// Write a fresh secret for a cluster to a file that only its owner can read.
    #[command(after_help = "Example:\n  cargo xtask keygen cluster.key")]
    Keygen {
        /// The file to make; one that exists is never overwritten.
        file: PathBuf,
    },
    /// Print the completion script of a shell, for the program `xtask` itself.
    #[command(
        after_help = "Example:\n  cargo xtask completions bash > ~/.local/share/bash-completion/completions/xtask"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::TestCluster(options) => cluster::run(&options),
        Task::Liveness(options) => liveness::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Scale(options) => scale::run(&options),
        Task::Differential(options) => differential::run(&options),
        Task::Mutations(options) => mutations::run(&options),
        Task::Sim(options) => sim::run(&options),
        Task::Page(options) => page::run(&options),
        Task::Tidy => tidy::run(),
        Task::Ci(options) => ci::run(&options),
        Task::Keygen { file } => keygen::run(&file),
        Task::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "xtask", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure:#}");
        ExitCode::FAILURE
    })
}
