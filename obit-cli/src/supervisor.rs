//! Keeps every command stoppable, whatever blocks it.
//!
//! The main thread waits for signals, for deadlines and for messages of the worker, and does
//! nothing that may block. All else runs on the worker: files are opened there, names resolved,
//! nodes started, lines written. Once the main thread has decided to leave, the worker has a
//! bounded time for what it still has to do. Then the program exits, whether or not the worker is
//! done.

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

mod departure;

use departure::{Departure, Step};

/// How long the worker may take to write what it still has to say once its exit code is known.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a command ends if it is asked to end before it is done.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// The time that it has to end by itself. If that is zero, the default action of the signal
    /// ends it at once.
    pub(crate) grace: Duration,
    /// The time after which it ends, counted from its start, and its exit code then.
    pub(crate) timeout: Option<(Duration, ExitCode)>,
    /// Called by the main thread before it leaves a worker behind. It must not block.
    pub(crate) before_leaving: fn(),
}

impl Manners {
    /// Nothing is lost if it ends at once.
    pub(crate) const ABRUPT: Self = Manners { grace: Duration::ZERO, timeout: None, before_leaving: || () };

    pub(crate) const fn with_grace(grace: Duration) -> Self {
        Manners { grace, ..Manners::ABRUPT }
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
            // The main thread has left: so will this one.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Runs a command on a worker thread, and ends the program with its exit code.
pub(crate) fn supervise(manners: Manners, work: impl FnOnce(Interrupts) -> Result + Send + 'static) -> ! {
    let deadline = manners.timeout.and_then(|(timeout, _)| Instant::now().checked_add(timeout));
    let (sender, receiver) = smol::channel::unbounded();
    let started = Supervisor::<()>::start(&ENDING, move |_| work(Interrupts(receiver)));
    let mut supervisor = started.unwrap_or_else(|failure| fail(&failure));
    let mut departure = Departure::default();
    loop {
        let until = if departure.is_leaving() { departure.deadline() } else { deadline };
        let event = supervisor.next(until);
        let now = Instant::now();
        let step = match event {
            Event::Message(()) => Step::Wait,
            Event::Over(code) => leave(code.unwrap_or(ExitCode::FAILURE)),
            Event::Code(code) => departure.decided(now, code),
            Event::Signal(Received { number, .. }) => {
                if manners.grace.is_zero() {
                    // If the default action does not end the program, as for process 1, the exit
                    // code does.
                    let _ = signal_hook::low_level::emulate_default_handler(number);
                }
                departure.asked(now, manners.grace, number)
            }
            Event::TimeIsUp => {
                let code = manners.timeout.map_or(ExitCode::FAILURE, |(_, code)| code);
                departure.time_is_up(now, manners.grace, code)
            }
        };
        match step {
            Step::Wait => {}
            // A worker that does not listen has its grace, and no more.
            Step::AskWorker(interrupt) => _ = sender.try_send(interrupt),
            Step::Leave(code) => {
                (manners.before_leaving)();
                leave(code);
            }
        }
    }
}

/// An event for the main thread.
pub(crate) enum Event<M> {
    Signal(Received),
    Message(M),
    /// The exit code that the worker has decided on. It may still write the reason.
    Code(ExitCode),
    /// The worker has ended; with its exit code, unless it panicked.
    Over(Option<ExitCode>),
    TimeIsUp,
}

/// A worker, and the signals of the program.
pub(crate) struct Supervisor<M> {
    signals: Signals,
    told: Receiver<Told<M>>,
    code: Option<ExitCode>,
    over: bool,
}

enum Told<M> {
    Message(M),
    Code(ExitCode),
    Over,
}

/// The worker's end of the channel to the main thread. On drop it reports that the worker has
/// ended.
pub(crate) struct Reporter<M> {
    sender: Sender<Told<M>>,
    waker: Waker,
}

impl<M: Send + 'static> Supervisor<M> {
    /// Catches the signals, and starts the worker. A failure is written to standard error, and so
    /// are panics.
    pub(crate) fn start(
        signals: &[i32],
        work: impl FnOnce(&Reporter<M>) -> Result + Send + 'static,
    ) -> Result<Self> {
        let signals = Signals::catch(signals)?;
        let (sender, told) = mpsc::channel();
        let reporter = Reporter { sender, waker: signals.waker()? };
        limits::spawn("worker", move || reporter.work(work))?;
        Ok(Supervisor { signals, told, code: None, over: false })
    }

    /// Whether the worker has ended, and this was reported.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// Waits for what comes next, until that time at the latest.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> Event<M> {
        loop {
            if let Some(received) = self.signals.next() {
                return Event::Signal(received);
            }
            match self.told.try_recv() {
                Ok(Told::Message(message)) => return Event::Message(message),
                Ok(Told::Code(code)) => {
                    self.code = Some(code);
                    return Event::Code(code);
                }
                Ok(Told::Over) => {
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
    pub(crate) fn tell(&self, message: M) {
        self.report(Told::Message(message));
    }

    fn work(self, work: impl FnOnce(&Self) -> Result) {
        match work(&self) {
            Ok(code) => self.report(Told::Code(code)),
            Err(failure) => {
                self.report(Told::Code(failure.exit_code()));
                failure.note();
            }
        }
    }

    fn report(&self, told: Told<M>) {
        // The main thread receives for as long as the program runs.
        let _ = self.sender.send(told);
        self.waker.wake();
    }
}

impl<M> Drop for Reporter<M> {
    fn drop(&mut self) {
        self.report(Told::Over);
    }
}

/// Ends the program because of a failure before there was a worker.
pub(crate) fn fail(failure: &Failure) -> ! {
    // The signals are caught by now: a blocked standard error must not keep it.
    if output::takes_a_line_within(LAST_WORDS) {
        failure.note();
    }
    leave(failure.exit_code())
}

/// Ends the program, whatever its threads do. The log is written first, for at most a second.
pub(crate) fn leave(code: ExitCode) -> ! {
    log::flush();
    process::exit(code.0.into())
}
