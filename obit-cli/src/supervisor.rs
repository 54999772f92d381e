//! Keeps every command stoppable, whatever blocks it.
//!
//! The main thread waits for signals, for deadlines and for messages of the worker, and never
//! blocks on anything else. The worker opens files, resolves names, starts nodes and writes lines.
//! Once the main thread has decided to exit, the worker has a bounded time to finish. Then the
//! program exits, whether or not the worker is done.

use std::{
    process,
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use crate::{
    failure::{ExitCode, Failure, Result},
    limits, log, output,
    signals::{ENDING, Received, Signals, Waker},
};

mod shutdown;

use shutdown::{Shutdown, Step};

/// Maximum time for the worker to write its remaining output once its exit code is known.
pub(crate) const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// How a command ends if it is asked to end before it is done.
#[derive(Clone, Copy)]
pub(crate) struct StopPolicy {
    /// The time that the worker has to end the command. If it is zero, the default action of the
    /// signal ends the program at once.
    pub(crate) grace: Duration,
    /// The time after which the command is asked to end, counted from its start, and its exit code
    /// then.
    pub(crate) timeout: Option<(Duration, ExitCode)>,
    /// Called by the main thread before it exits while the worker still runs. It must not block.
    pub(crate) before_leaving: fn(),
}

impl StopPolicy {
    /// Ends the program at once, for commands that lose nothing by that.
    pub(crate) const IMMEDIATE: Self =
        StopPolicy { grace: Duration::ZERO, timeout: None, before_leaving: || () };

    pub(crate) const fn with_grace(grace: Duration) -> Self {
        StopPolicy { grace, ..StopPolicy::IMMEDIATE }
    }
}

/// Why a command is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Signal(i32),
    TimeIsUp,
}

/// The worker's side of [`supervise`].
pub(crate) struct Interrupts(smol::channel::Receiver<Interrupt>);

impl Interrupts {
    /// Waits until the command is asked to end. Cancel-safe.
    pub(crate) async fn next(&self) -> Interrupt {
        match self.0.recv().await {
            Ok(interrupt) => interrupt,
            // The main thread has ended its loop: the program is about to exit.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Runs a command on a worker thread, and ends the program with its exit code.
pub(crate) fn supervise(policy: StopPolicy, work: impl FnOnce(Interrupts) -> Result + Send + 'static) -> ! {
    let deadline = policy.timeout.and_then(|(timeout, _)| Instant::now().checked_add(timeout));
    let (sender, receiver) = smol::channel::unbounded();
    let started = Supervisor::<()>::start(&ENDING, move |_| work(Interrupts(receiver)));
    let mut supervisor = started.unwrap_or_else(|failure| fail(&failure));
    let mut shutdown = Shutdown::default();
    loop {
        let until = if shutdown.has_begun() { shutdown.deadline() } else { deadline };
        let event = supervisor.next(until);
        let now = Instant::now();
        let step = match event {
            Event::Message(()) => Step::Wait,
            Event::Over(code) => leave(code.unwrap_or(ExitCode::FAILURE)),
            Event::Code(code) => shutdown.decided(now, code),
            Event::Signal(Received { number, .. }) => {
                if policy.grace.is_zero() {
                    // If the default action does not end the program, as for process 1, the exit
                    // code does.
                    let _ = signal_hook::low_level::emulate_default_handler(number);
                }
                shutdown.asked(now, policy.grace, number)
            }
            Event::TimeIsUp => {
                let code = policy.timeout.map_or(ExitCode::FAILURE, |(_, code)| code);
                shutdown.time_is_up(now, policy.grace, code)
            }
        };
        match step {
            Step::Wait => {}
            // If the worker does not receive this, it still gets its grace period, and no more.
            Step::AskWorker(interrupt) => _ = sender.try_send(interrupt),
            Step::Leave(code) => {
                (policy.before_leaving)();
                leave(code);
            }
        }
    }
}

/// An event for the main thread.
pub(crate) enum Event<M> {
    Signal(Received),
    Message(M),
    /// The exit code that the worker has decided on. The worker may still be writing the reason.
    Code(ExitCode),
    /// The worker has ended, with its exit code unless it panicked.
    Over(Option<ExitCode>),
    TimeIsUp,
}

/// A worker, and the signals of the program.
pub(crate) struct Supervisor<M> {
    signals: Signals,
    reports: Receiver<Report<M>>,
    code: Option<ExitCode>,
    over: bool,
}

/// A message of the worker to the main thread.
enum Report<M> {
    Message(M),
    Code(ExitCode),
    Over,
}

/// The worker's end of the channel to the main thread. On drop it reports that the worker has
/// ended.
pub(crate) struct Reporter<M> {
    sender: Sender<Report<M>>,
    waker: Waker,
}

impl<M: Send + 'static> Supervisor<M> {
    /// Catches the signals, and starts the worker. A failure or a panic of the worker is written to
    /// standard error.
    pub(crate) fn start(
        signals: &[i32],
        work: impl FnOnce(&Reporter<M>) -> Result + Send + 'static,
    ) -> Result<Self> {
        let signals = Signals::catch(signals)?;
        let (sender, reports) = mpsc::channel();
        let reporter = Reporter { sender, waker: signals.waker()? };
        limits::spawn("worker", move || reporter.work(work))?;
        Ok(Supervisor { signals, reports, code: None, over: false })
    }

    /// Whether [`Supervisor::next`] has returned the end of the worker.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// Waits for the next event, until that time at the latest.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> Event<M> {
        loop {
            if let Some(received) = self.signals.next() {
                return Event::Signal(received);
            }
            match self.reports.try_recv() {
                Ok(Report::Message(message)) => return Event::Message(message),
                Ok(Report::Code(code)) => {
                    self.code = Some(code);
                    return Event::Code(code);
                }
                Ok(Report::Over) => {
                    self.over = true;
                    return Event::Over(self.code);
                }
                Err(_) => {}
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Event::TimeIsUp;
            }
            self.signals.wait(until);
        }
    }
}

impl<M> Reporter<M> {
    pub(crate) fn send(&self, message: M) {
        self.report(Report::Message(message));
    }

    fn work(self, work: impl FnOnce(&Self) -> Result) {
        match work(&self) {
            Ok(code) => self.report(Report::Code(code)),
            Err(failure) => {
                self.report(Report::Code(failure.exit_code()));
                failure.note();
            }
        }
    }

    fn report(&self, report: Report<M>) {
        // The main thread receives for as long as the program runs.
        let _ = self.sender.send(report);
        self.waker.wake();
    }
}

impl<M> Drop for Reporter<M> {
    fn drop(&mut self) {
        self.report(Report::Over);
    }
}

/// Ends the program because of a failure before the worker was started.
pub(crate) fn fail(failure: &Failure) -> ! {
    // The signals are caught by now, so a write that blocks could not be interrupted.
    if output::takes_a_line_within(OUTPUT_TIMEOUT) {
        failure.note();
    }
    leave(failure.exit_code())
}

/// Ends the program, whatever its threads do. Flushes the log first, for at most one second.
pub(crate) fn leave(code: ExitCode) -> ! {
    log::flush();
    process::exit(code.0.into())
}
