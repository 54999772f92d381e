//! Obit's own tasks, run as `cargo xtask …`: the cluster test, the checks of the repository, and
//! both together with everything else that continuous integration runs.
//!
//! This program depends on no crate of Obit: it checks Obit's programs from outside.

#![allow(clippy::print_stdout, reason = "a command-line program speaks on standard output")]

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

mod api;
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
    /// Start real node processes, inject faults, and check the notices of every monitor.
    #[command(after_help = cluster::EXAMPLES)]
    TestCluster(cluster::Options),
    /// Measure how soon the loss of a node is reported, and how often a healthy node is reported as
    /// down. Needs root.
    #[command(after_help = liveness::EXAMPLES)]
    Liveness(liveness::Options),
    /// Run the test of every case that Obit promises to keep, and print the table of them.
    #[command(after_help = conformance::EXAMPLES)]
    Conformance(conformance::Options),
    /// Measure the speed of two nodes of Obit, compared with two nodes of Erlang/OTP.
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Options),
    /// Measure the costs of monitors, processes and nodes, and how they grow with the number.
    #[command(after_help = scale::EXAMPLES)]
    Scale(scale::Options),
    /// Run the same scripts on nodes of Erlang/OTP and of Obit, and compare the notices of every
    /// process.
    #[command(after_help = differential::EXAMPLES)]
    Differential(differential::Options),
    /// Break rules of the real code on purpose, in a copy, and check that a test catches each.
    #[command(after_help = mutations::EXAMPLES)]
    Mutations(mutations::Options),
    /// Simulate clusters of real nodes in virtual time, on links that break, and check every step.
    #[command(after_help = sim::EXAMPLES)]
    Sim(sim::Options),
    /// Check the page of a node in a headless Chromium, while processes end and nodes are killed.
    #[command(after_help = page::EXAMPLES)]
    Page(page::Options),
    /// Compare the public API of the libraries with the text of it in `docs/api`.
    #[command(after_help = api::EXAMPLES)]
    Api(api::Options),
    /// Check the rules of the repository that no compiler checks.
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,
    /// Run all steps of continuous integration, and count the passed ones.
    #[command(after_help = ci::EXAMPLES)]
    Ci(ci::Options),
    /// Write a fresh secret for a cluster to a file that only its owner can read.
    #[command(after_help = "Example:\n  cargo xtask keygen cluster.key")]
    Keygen {
        /// The file to create; an existing file is never overwritten.
        file: PathBuf,
    },
    /// Print the completion script of a shell, for the program `xtask` itself.
    #[command(
        after_help = "Example:\n  cargo xtask completions bash > ~/.local/share/bash-completion/completions/xtask"
    )]
    Completions {
        /// The shell.
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
        Task::Api(options) => api::run(&options),
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
