//! `obit run`: a command as a monitored process.
//!
//! The main thread owns the command and the signals; the worker owns the node. See
//! [`crate::supervisor`].

use std::{
    ffi::OsString,
    io,
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use clap::Args;
use monitor_runtime::{ExitReason, RegName};
use rustix::io::Errno;
use smol::channel::{Receiver, Sender};

use crate::{
    config::{self, Role},
    failure::{Context, ExitCode, Failure, Result},
    job::{Change, Job, StartMode, terminal::Terminal, witness::Witness},
    limits::{self, block_on},
    options::NodeOptions,
    reasons::JobEnd,
    signals::{self, OF_WRAPPER, Received},
    supervisor::{self, Event, Reporter, Supervisor},
};

mod relay;

use relay::Relay;

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit run --node a@127.0.0.1:7001 --name job1 -- sleep 30
  obit run --node a@10.0.0.7:7001 --secret-file cluster.key \\
      --name backup -- tar cf /backup.tar /data
  obit run --config cluster.toml --name web -- python3 -m http.server
  obit run --config cluster.toml --name nightly --group --die-with-obit -- sh nightly.sh

Exit code: that of the command; 128 + N if signal N ended it; 125 if obit itself failed, 126 if the command cannot be \
executed, 127 if it is not found. docs/CLI.md says what each signal does.";

/// The options of `obit run`.
#[derive(Args)]
pub(crate) struct Options {
    /// The registered name of the command: `obit watch NAME@NODE` watches it.
    #[arg(long)]
    name: RegName,
    /// Run the command in a process group of its own: `obit` passes signals on to the whole group.
    /// On a terminal the group gets the foreground.
    #[arg(long)]
    group: bool,
    /// Kill the command if `obit` ends first, as by SIGKILL. Processes that the command has started
    /// keep running. Linux only.
    #[arg(long)]
    die_with_obit: bool,
    /// The command and its arguments. It inherits the standard streams of `obit`, and receives the
    /// signals that `obit` receives.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    node: NodeOptions,
}

/// The exit codes that distinguish a failure of `obit` from one of the command, as in `env` and
/// `timeout`.
const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Maximum time for the node to report to watchers how the command ended, and to stop.
/// `Node::stop` takes at most 5 s of it.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

/// A message of the main thread to the worker.
enum Progress {
    Running { pid: i32 },
    Ended(ExitReason),
    NotStarted(Failure),
}

/// The worker is ready: the process is registered.
struct Ready;

/// Runs the command, and ends this program with its exit code.
pub(crate) fn run(options: Options) -> ! {
    let Options { name, group, die_with_obit, command, node } = options;
    let (progress, receiver) = smol::channel::unbounded();
    let work = move |reporter: &Reporter<Ready>| {
        block_on(run_process(node, name, reporter, receiver)).map_err(|failure| failure.or_code(OWN_FAILURE))
    };
    let started = Supervisor::start(&OF_WRAPPER, work).map_err(|failure| failure.or_code(OWN_FAILURE));
    let mut supervisor = started.unwrap_or_else(|failure| supervisor::fail(&failure));
    let early_signals = await_node(&mut supervisor);
    let terminal = Terminal::open();
    let witness = if group { None } else { Witness::start().ok() };
    let start_mode = StartMode { group, dies_with_obit: die_with_obit };
    let code = match Job::start(&command, start_mode, &terminal) {
        Ok(job) => {
            report(&progress, Progress::Running { pid: job.pid() });
            let mut relay = Relay::new(job, terminal, witness);
            early_signals.into_iter().for_each(|received| relay.signal(received));
            let end = relay_until_end(&mut supervisor, &mut relay);
            relay.take_terminal_back();
            report_end(end, relay.asked_to_end(), &progress)
        }
        Err(error) => {
            let failure = cannot_start(&command, &error);
            let code = failure.exit_code();
            report(&progress, Progress::NotStarted(failure));
            code
        }
    };
    await_stop(&mut supervisor);
    supervisor::leave(code)
}

/// Waits while the node reports the end to watchers and stops. Ignores signals from now on: ending
/// earlier could only keep the reason from watchers.
fn await_stop(supervisor: &mut Supervisor<Ready>) {
    let mut deadline = Instant::now() + STOP_TIMEOUT;
    while !supervisor.is_over() {
        match supervisor.next(Some(deadline)) {
            Event::Code(_) => deadline = deadline.min(Instant::now() + supervisor::OUTPUT_TIMEOUT),
            Event::TimeIsUp => return,
            Event::Over(_) | Event::Signal(_) | Event::Message(Ready) => {}
        }
    }
}

/// Waits until the node is up. Returns the signals received in the meantime that are for the
/// command. A signal that asks the command to end ends this program instead.
fn await_node(supervisor: &mut Supervisor<Ready>) -> Vec<Received> {
    let mut early_signals = Vec::new();
    let mut until = None;
    let mut code = ExitCode(OWN_FAILURE);
    loop {
        match supervisor.next(until) {
            Event::Message(Ready) => return early_signals,
            Event::Signal(received) if received.asks_to_end() => {
                supervisor::leave(signals::exit_code(received.number));
            }
            Event::Signal(received) => {
                early_signals.retain(|other: &Received| other.number != received.number);
                early_signals.push(received);
            }
            Event::Code(worker_code) => {
                code = worker_code;
                until = Some(Instant::now() + supervisor::OUTPUT_TIMEOUT);
            }
            Event::Over(_) | Event::TimeIsUp => supervisor::leave(code),
        }
    }
}

/// Passes signals on until the command has ended, even if the node ends earlier.
fn relay_until_end(supervisor: &mut Supervisor<Ready>, relay: &mut Relay) -> io::Result<ExitStatus> {
    loop {
        // The state of the command comes before each signal: the effect of a signal may depend on
        // whether the command is stopped.
        let event = supervisor.next(None);
        while let Some(change) = relay.job.change()? {
            match change {
                Change::Ended(status) => return Ok(status),
                Change::Stopped(signal) => relay.follow(signal),
            }
        }
        match event {
            Event::Signal(received) => relay.signal(received),
            // The command keeps running without its node.
            Event::Over(_) | Event::Message(Ready) | Event::Code(_) | Event::TimeIsUp => {}
        }
    }
}

fn report_end(
    end: io::Result<ExitStatus>,
    asked_to_end: Option<i32>,
    progress: &Sender<Progress>,
) -> ExitCode {
    match end.context(|| "the command was lost".to_owned()) {
        Ok(status) => {
            report(progress, Progress::Ended(JobEnd::reason(status, asked_to_end)));
            ExitCode(JobEnd::exit_code(status))
        }
        Err(failure) => {
            report(progress, Progress::NotStarted(failure));
            ExitCode(OWN_FAILURE)
        }
    }
}

fn report(progress: &Sender<Progress>, message: Progress) {
    // This fails only if the worker has ended, which needs no message.
    let _ = progress.try_send(message);
}

/// The worker: runs a node with the process that represents the command.
async fn run_process(
    options: NodeOptions,
    name: RegName,
    reporter: &Reporter<Ready>,
    progress: Receiver<Progress>,
) -> Result {
    let mut prepared = config::prepare(options, Role::Member)?;
    // This process never receives messages.
    prepared.config = prepared.config.max_mailbox_bytes(0);
    let started = prepared.start().await?;
    let node = &started.node;
    let process = node.process()?;
    process.register(name)?;
    reporter.send(Ready);
    let (reason, result) = loop {
        match progress.recv().await? {
            Progress::Running { pid } => {
                let address = node.local_addr().map(|address| address.to_string());
                tracing::info!(process = %process.pid(), job = pid, address, "the command runs");
            }
            Progress::Ended(reason) => break (reason, Ok(ExitCode::SUCCESS)),
            Progress::NotStarted(failure) => {
                break (ExitReason::from(io::Error::other(failure.to_string())), Err(failure));
            }
        }
    };
    process.exit(reason);
    // The stop delivers the reason to watchers before it closes the connections.
    node.stop().await;
    result
}

pub(crate) fn cannot_start(words: &[OsString], error: &io::Error) -> Failure {
    let code = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => NOT_FOUND,
        // The system could not create a process: nothing is wrong with the command.
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => OWN_FAILURE,
        _ => NOT_EXECUTABLE,
    };
    let program = words.first().map(|word| word.display().to_string()).unwrap_or_default();
    let failure = Failure::new(format!("cannot start {program}: {}", limits::explained(error)));
    failure.without_path("COMMAND", Path::new(&program)).or_code(code)
}
