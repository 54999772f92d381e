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
mod documents;
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
    /// Run a command as a monitored process: its exit status or signal is the reason that watchers
    /// are told.
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

/// Stack of the thread that reads the command line, in bytes. Without optimization `clap` takes a
/// third of a megabyte, and the main thread has what `ulimit -s` leaves it.
const STACK: usize = 4 << 20;

/// The command line, read. Does not return if it is wrong, or asks for help.
fn command_line() -> Box<Cli> {
    let reader = thread::Builder::new().name("command line".to_owned()).stack_size(STACK);
    match reader.spawn(read_command_line).map(thread::JoinHandle::join) {
        Ok(Ok(cli)) => cli,
        // The panic was told.
        Ok(Err(_)) => supervisor::leave(ExitCode::FAILURE),
        // Most likely the stack of this thread is enough. A command that needs threads says that
        // there are none.
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

/// Prints help where it is a result, or else what is wrong with the command line. Returns the exit
/// code.
fn print(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(failure) if !error.use_stderr() => {
            let failure = output::not_written(&failure);
            failure.note();
            failure.exit_code()
        }
        // A wrong command line that cannot be told is as wrong.
        _ => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode),
    }
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
        Failure::new(format!("cannot write {}: {what}", file.display())).without_path("FILE", file)
    })?;
    let done = format!("wrote a fresh secret to {}", file.display());
    output::say(&redaction::without_path(&done, file))?;
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
