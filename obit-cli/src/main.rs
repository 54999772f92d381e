//! The command `obit`: monitors for shells, and for programs in any language.
//!
//! Every subcommand has a file of its own. `docs/CLI.md` describes them, their exit codes and the configuration.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod agent;
mod ask;
mod config;
mod cut;
#[cfg(test)]
mod documents;
mod environment;
mod failure;
mod fresh_secret;
mod job;
mod log;
mod options;
mod output;
mod reasons;
mod run;
mod signals;
mod supervisor;
mod times;
mod top;
mod watch;
mod whom;
mod why;

use failure::{Context, ExitCode, Failure, Result};
use supervisor::{Manners, supervise};

/// Tells when a process somewhere in the cluster is gone, and of what it died.
#[derive(Parser)]
#[command(name = "obit", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Example, with two terminals on one machine:
  obit run --node a@127.0.0.1:7001 --name job1 -- sleep 30
  obit watch job1@a@127.0.0.1:7001";

#[derive(Subcommand)]
enum Command {
    /// Run a command as a monitored process: its exit status or signal is the reason that watchers are told.
    #[command(after_help = run::EXAMPLES)]
    Run(run::Options),
    /// Wait until processes are gone, and print of what each died.
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Options),
    /// Be a node of the cluster, and nothing else, until SIGTERM, SIGINT or SIGHUP.
    #[command(after_help = agent::EXAMPLES)]
    Agent(agent::Options),
    /// Show a running node and those that are connected to it.
    #[command(after_help = ask::NODES)]
    Nodes(ask::Asking),
    /// Show who watches whom at a running node.
    #[command(after_help = ask::MONITORS)]
    Monitors(ask::Asking),
    /// Show what a running node has told its watchers: who decided it, and on what evidence.
    #[command(after_help = why::EXAMPLES)]
    Why(why::Options),
    /// Watch a running node live: its peers, who watches whom, and what was told last.
    #[command(after_help = top::EXAMPLES)]
    Top(top::Options),
    /// Write a fresh secret for a cluster to a file that only its owner can read.
    #[command(after_help = "Example:\n  obit keygen cluster.key")]
    Keygen {
        /// The file to make; one that exists is never overwritten.
        file: PathBuf,
    },
    /// Print the completion script of a shell.
    #[command(
        after_help = "Example:\n  obit completions bash > ~/.local/share/bash-completion/completions/obit"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

fn main() {
    job::shim::become_command_if_asked();
    job::witness::be_witness_if_asked();
    if let Err(failure) = signals::unblock_all().context(|| "cannot unblock signals".to_owned()) {
        supervisor::fail(&failure);
    }
    match command_line().command {
        Command::Run(options) => run::run(options),
        Command::Watch(options) => watch::run(options),
        Command::Agent(options) => agent::run(options),
        Command::Nodes(asking) => abruptly(move || ask::nodes(&asking)),
        Command::Monitors(asking) => abruptly(move || ask::monitors(&asking)),
        Command::Why(options) => abruptly(move || why::run(&options)),
        Command::Top(options) => top::run(options),
        Command::Keygen { file } => abruptly(move || keygen(&file)),
        Command::Completions { shell } => abruptly(move || completions(shell)),
    }
}

/// Runs a command that may be ended at any point.
fn abruptly(work: impl FnOnce() -> Result + Send + 'static) -> ! {
    supervise(Manners::ABRUPT, |_| work())
}

/// What was asked for. If it cannot be understood, or help was wanted, this does not return.
fn command_line() -> Cli {
    let command = environment::without_empty(Cli::command());
    let matches = command.clone().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    matches.unwrap_or_else(|error| {
        if let Some(variable) = environment::culprit(&command, &error) {
            output::note(&format!("in the variable {variable}:"));
        }
        error.exit()
    })
}

fn keygen(file: &Path) -> Result {
    fresh_secret::write_to_new(file).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "it is there already, and no secret is ever overwritten; take another name, or remove it once no node uses it"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        Failure::new(format!("cannot write {}: {what}", file.display()))
    })?;
    output::say(&format!("wrote a fresh secret to {}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: clap_complete::Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "obit", &mut script);
    output::write(&script)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
