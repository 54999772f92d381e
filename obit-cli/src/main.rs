//! The command `obit`: monitors for shells, and for programs in any language.
//!
//! Every subcommand has a file of its own. `docs/CLI.md` describes them, their exit codes and the
//! configuration.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod agent;
mod ask;
mod config;
mod cut;
#[cfg(test)]
mod doc_tests;
mod environment;
mod failure;
mod fresh_secret;
mod job;
mod limits;
mod log;
mod options;
mod output;
mod reasons;
mod redaction;
mod run;
mod signals;
mod supervisor;
mod times;
mod top;
mod watch;
mod whom;
mod why;

use failure::{Context, ExitCode, Failure, Result};
use supervisor::{StopPolicy, supervise};

/// Reports when a process somewhere in the cluster has ended, and why.
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
    /// Run a command as a monitored process: watchers receive its exit status or signal as the
    /// reason.
    #[command(after_help = run::EXAMPLES)]
    Run(run::Options),
    /// Wait until processes have ended, and print why each ended.
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Options),
    /// Run a node of the cluster, and nothing else, until SIGTERM, SIGINT or SIGHUP.
    #[command(after_help = agent::EXAMPLES)]
    Agent(agent::Options),
    /// Show a running node and the nodes that are connected to it.
    #[command(after_help = ask::NODES)]
    Nodes(ask::Asking),
    /// Show the monitors of a running node: those that it holds, and those on its processes.
    #[command(after_help = ask::MONITORS)]
    Monitors(ask::Asking),
    /// Show the `Down`s that a running node has reported, the node that decided each, and the
    /// evidence.
    #[command(after_help = why::EXAMPLES)]
    Why(why::Options),
    /// Watch a running node live: its peers, its monitors, and the last `Down`s.
    #[command(after_help = top::EXAMPLES)]
    Top(top::Options),
    /// Write a new secret for a cluster to a file that only its owner can read.
    #[command(after_help = "Example:\n  obit keygen cluster.key")]
    Keygen {
        /// The file to create; an existing file is never overwritten.
        file: PathBuf,
    },
    /// Print the completion script of a shell.
    #[command(
        after_help = "Example:\n  obit completions bash > ~/.local/share/bash-completion/completions/obit"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() {
    log::show_panics();
    job::shim::become_command_if_asked();
    job::witness::be_witness_if_asked();
    let prepared = signals::unblock_all().and_then(|()| signals::survive_file_limit());
    if let Err(failure) = prepared.context(|| "cannot prepare for signals".to_owned()) {
        supervisor::fail(&failure);
    }
    match command_line().command {
        Command::Run(options) => run::run(options),
        Command::Watch(options) => watch::run(options),
        Command::Agent(options) => agent::run(options),
        Command::Nodes(asking) => run_interruptible(move || ask::nodes(&asking)),
        Command::Monitors(asking) => run_interruptible(move || ask::monitors(&asking)),
        Command::Why(options) => run_interruptible(move || why::run(&options)),
        Command::Top(options) => top::run(options),
        Command::Keygen { file } => run_interruptible(move || keygen(&file)),
        Command::Completions { shell } => run_interruptible(move || completions(shell)),
    }
}

/// Runs a command that a signal may end at any point.
fn run_interruptible(work: impl FnOnce() -> Result + Send + 'static) -> ! {
    supervise(StopPolicy::IMMEDIATE, |_| work())
}

/// Stack of the thread that parses the command line, in bytes. Without optimization `clap` uses a
/// third of a megabyte, and `ulimit -s` may give the main thread less.
const STACK: usize = 4 << 20;

/// Parses the command line. Ends the program if the command line is wrong or asks for help.
fn command_line() -> Box<Cli> {
    let reader = thread::Builder::new().name("command line".to_owned()).stack_size(STACK);
    match reader.spawn(read_command_line).map(thread::JoinHandle::join) {
        Ok(Ok(cli)) => cli,
        // The panic hook has reported it.
        Ok(Err(_)) => supervisor::leave(ExitCode::FAILURE),
        // The stack of this thread is most likely large enough. A command that needs threads
        // reports the failure itself.
        Err(_) => read_command_line(),
    }
}

fn read_command_line() -> Box<Cli> {
    let command = environment::without_empty(Cli::command());
    let matches = command.clone().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    matches.map(Box::new).unwrap_or_else(|mut error| {
        if let Some(variable) = environment::culprit(&command, &error) {
            output::note(&format!("in the variable {variable}:"));
        }
        redaction::redact(&mut error);
        supervisor::leave(print(&error))
    })
}

/// Prints the help that was asked for, or the error of the command line. Returns the exit code.
fn print(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(failure) if !error.use_stderr() => {
            let failure = output::not_written(&failure);
            failure.note();
            failure.exit_code()
        }
        // The exit code is the same if the error could not be printed.
        _ => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode),
    }
}

fn keygen(file: &Path) -> Result {
    fresh_secret::write_to_new(file).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "it exists, and a secret is never overwritten; take another name, or remove it once no node uses it"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        Failure::new(format!("cannot write {}: {what}", file.display())).without_path("FILE", file)
    })?;
    let message = format!("wrote a new secret to {}", file.display());
    output::say(&redaction::without_path(&message, file))?;
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
