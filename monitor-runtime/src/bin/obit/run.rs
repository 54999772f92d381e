//! `obit run`: a command as a monitored process.

use std::{
    ffi::OsString,
    io,
    pin::pin,
    process::{Command, ExitCode, ExitStatus},
};

use clap::Args;
use futures::future::{Either, select};
use monitor_runtime::{ExitReason, Node, Process, RegName};

use crate::{
    config::{self, Role, SECRET},
    failure::{Context, Failure, Result},
    job::Job,
    options::NodeOptions,
    reasons::JobEnd,
    signals::{Incoming, sent_to_all_by_terminal},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit run --node a@127.0.0.1:7001 --name job1 -- sleep 30
  obit run --node a@10.0.0.7:7001 --secret-file cluster.key \\
      --name backup -- tar cf /backup.tar /data
  obit run --config cluster.toml --name web -- python3 -m http.server

Exit code: that of the command; 128 + N if signal N ended it; 125 if obit itself failed, 126 if the command cannot be \
executed, 127 if it is not found.";

/// What `run` is given.
#[derive(Args)]
pub(crate) struct Options {
    /// The name under which others watch the command: `obit watch NAME@NODE`.
    #[arg(long)]
    name: RegName,
    /// The command and its arguments. It has the standard streams of `obit`, and gets the signals that `obit` gets.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    node: NodeOptions,
}

/// What tells a failure of `obit` from one of the command, as `env` and `timeout` do it.
const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Runs the command, and passes its exit code on.
pub(crate) fn run(options: Options) -> Result {
    smol::block_on(run_on_node(options)).map_err(|failure| failure.or_code(OWN_FAILURE))
}

async fn run_on_node(options: Options) -> Result {
    let mut prepared = config::prepare(options.node, Role::Member)?;
    // Nobody reads what others might send to it.
    prepared.config = prepared.config.max_mailbox_bytes(0);
    // Before the command is there: no signal that comes early is lost.
    let mut signals = Incoming::forwarded()?;
    let started = prepared.start().await?;
    let node = &started.node;
    let process = node.process()?;
    process.register(options.name)?;

    let end = run_as(&process, node, &options.command, &mut signals).await;
    process.exit(match &end {
        Ok(status) => JobEnd::reason(*status),
        Err(failure) => ExitReason::from(io::Error::other(failure.to_string())),
    });
    // Whoever watches is told before the connections close.
    node.stop().await;
    end.map(|status| ExitCode::from(JobEnd::exit_code(status)))
}

/// Runs the command to its end, passing signals on.
async fn run_as(
    process: &Process,
    node: &Node,
    words: &[OsString],
    signals: &mut Incoming,
) -> Result<ExitStatus> {
    let mut job = Job::start(&mut command(words)).map_err(|error| cannot_start(words, &error))?;
    let address = node.local_addr().map(|address| address.to_string());
    tracing::info!(process = %process.pid(), job = job.pid(), address, "the command runs");
    loop {
        let signal = match select(pin!(job.ended()), pin!(signals.next())).await {
            Either::Left((status, _)) => return status.context(|| "the command was lost".to_owned()),
            Either::Right((signal, _)) => signal?,
        };
        if !sent_to_all_by_terminal(signal) {
            job.signal(signal);
        }
    }
}

fn command(words: &[OsString]) -> Command {
    let (program, arguments) = words.split_first().expect("the command line asks for a command");
    let mut command = Command::new(program);
    // The secret is the node's, and nobody else's.
    command.args(arguments).env_remove(SECRET);
    command
}

fn cannot_start(words: &[OsString], error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    let program = words.first().map(|word| word.display().to_string()).unwrap_or_default();
    Failure::new(format!("cannot start {program}: {error}")).or_code(code)
}
