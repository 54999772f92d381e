//! `obit run`: a command as a monitored process.
//!
//! The main thread has the command, and the signals; the worker has the node. See
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
    job::{Change, Job, Manner, terminal::Terminal, witness::Witness},
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

/// What `run` is given.
#[derive(Args)]
pub(crate) struct Options {
    /// The name under which others watch the command: `obit watch NAME@NODE`.
    #[arg(long)]
    name: RegName,
    /// Run the command in a process group of its own: signals to `obit` are passed on to all its
    /// processes. On a terminal the group gets the foreground.
    #[arg(long)]
    group: bool,
    /// Kill the command when `obit` ends without it, as by SIGKILL. Processes that the command has
    /// started live on. Linux only.
    #[arg(long)]
    die_with_obit: bool,
    /// The command and its arguments. It has the standard streams of `obit`, and gets the signals
    /// that `obit` gets.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    node: NodeOptions,
}

/// What tells a failure of `obit` from one of the command, as `env` and `timeout` do it.
const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How long the node may take to tell watchers how the command ended, and to leave: it has 5 s for
/// that itself.
const GOODBYE: Duration = Duration::from_secs(6);

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
        block_on(be_process(node, name, reporter, receiver)).map_err(|failure| failure.or_code(OWN_FAILURE))
    };
    let started = Supervisor::start(&OF_WRAPPER, work).map_err(|failure| failure.or_code(OWN_FAILURE));
    let mut supervisor = started.unwrap_or_else(|failure| supervisor::fail(&failure));
    let early = await_node(&mut supervisor);
    let terminal = Terminal::open();
    let witness = if group { None } else { Witness::start().ok() };
    let manner = Manner { group, dies_with_obit: die_with_obit };
    let code = match Job::start(&command, manner, &terminal) {
        Ok(job) => {
            tell(&progress, Progress::Running { pid: job.pid() });
            let mut relay = Relay::new(job, terminal, witness);
            early.into_iter().for_each(|received| relay.signal(received));
            let end = attend(&mut supervisor, &mut relay);
            relay.take_terminal_back();
            told_of_end(end, relay.asked_to_end(), &progress)
        }
        Err(error) => {
            let failure = cannot_start(&command, &error);
            let code = failure.exit_code();
            tell(&progress, Progress::NotStarted(failure));
            code
        }
    };
    say_goodbye(&mut supervisor);
    supervisor::leave(code)
}

/// Gives the node its time to tell watchers of the end. Signals have no effect any more: they could
/// only keep the end from watchers.
fn say_goodbye(supervisor: &mut Supervisor<Ready>) {
    let mut deadline = Instant::now() + GOODBYE;
    while !supervisor.is_over() {
        match supervisor.next(Some(deadline)) {
            Event::Code(_) => deadline = deadline.min(Instant::now() + supervisor::LAST_WORDS),
            Event::TimeIsUp => return,
            Event::Over(_) | Event::Signal(_) | Event::Message(Ready) => {}
        }
    }
}

/// Waits until the node is there; returns the signals that came meanwhile and are for the command.
/// A signal that would have ended the command ends this program instead.
fn await_node(supervisor: &mut Supervisor<Ready>) -> Vec<Received> {
    let mut early = Vec::new();
    let mut until = None;
    let mut code = ExitCode(OWN_FAILURE);
    loop {
        match supervisor.next(until) {
            Event::Message(Ready) => return early,
            Event::Signal(received) if received.asks_to_end() => {
                supervisor::leave(signals::exit_code(received.number));
            }
            Event::Signal(received) => {
                early.retain(|other: &Received| other.number != received.number);
                early.push(received);
            }
            Event::Code(of_worker) => {
                code = of_worker;
                until = Some(Instant::now() + supervisor::LAST_WORDS);
            }
            Event::Over(_) | Event::TimeIsUp => supervisor::leave(code),
        }
    }
}

/// Passes signals on until the command has ended, whatever becomes of the node.
fn attend(supervisor: &mut Supervisor<Ready>, relay: &mut Relay) -> io::Result<ExitStatus> {
    loop {
        // Before each signal: what it demands may depend on whether the command is stopped.
        let event = supervisor.next(None);
        while let Some(change) = relay.job.change()? {
            match change {
                Change::Ended(status) => return Ok(status),
                Change::Stopped(signal) => relay.follow(signal),
            }
        }
        match event {
            Event::Signal(received) => relay.signal(received),
            // Without its node the command runs on.
            Event::Over(_) | Event::Message(Ready) | Event::Code(_) | Event::TimeIsUp => {}
        }
    }
}

fn told_of_end(
    end: io::Result<ExitStatus>,
    asked_to_end: Option<i32>,
    progress: &Sender<Progress>,
) -> ExitCode {
    match end.context(|| "the command was lost".to_owned()) {
        Ok(status) => {
            tell(progress, Progress::Ended(JobEnd::reason(status, asked_to_end)));
            ExitCode(JobEnd::exit_code(status))
        }
        Err(failure) => {
            tell(progress, Progress::NotStarted(failure));
            ExitCode(OWN_FAILURE)
        }
    }
}

fn tell(progress: &Sender<Progress>, what: Progress) {
    // A worker that has ended is told nothing.
    let _ = progress.try_send(what);
}

/// The worker: a node with the process as which the command is known.
async fn be_process(
    options: NodeOptions,
    name: RegName,
    reporter: &Reporter<Ready>,
    progress: Receiver<Progress>,
) -> Result {
    let mut prepared = config::prepare(options, Role::Member)?;
    // Nothing reads what others might send to it.
    prepared.config = prepared.config.max_mailbox_bytes(0);
    let started = prepared.start().await?;
    let node = &started.node;
    let process = node.process()?;
    process.register(name)?;
    reporter.tell(Ready);
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
    // Watchers are told before the connections close.
    node.stop().await;
    result
}

pub(crate) fn cannot_start(words: &[OsString], error: &io::Error) -> Failure {
    let code = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => NOT_FOUND,
        // There could be no process: nothing is wrong with the command.
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => OWN_FAILURE,
        _ => NOT_EXECUTABLE,
    };
    let program = words.first().map(|word| word.display().to_string()).unwrap_or_default();
    let failure = Failure::new(format!("cannot start {program}: {}", limits::explained(error)));
    failure.without_path("COMMAND", Path::new(&program)).or_code(code)
}
