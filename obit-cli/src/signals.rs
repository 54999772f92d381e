//! Signals to this program.

use std::{
    collections::VecDeque,
    fs, io,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{SendFlags, send},
};
use signal_hook::{
    consts::{
        SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
        SIGVTALRM, SIGWINCH, SIGXFSZ,
    },
    flag,
    iterator::{backend::SignalDelivery, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};

use crate::failure::{Context, ExitCode, Result};

/// The signals that ask a program to end.
pub(crate) const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];
/// The signals that `obit run` catches. It passes all of them on to its command, except `SIGCHLD`,
/// which reports a change of the command.
pub(crate) const OF_WRAPPER: [i32; 13] = [
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
    SIGVTALRM, SIGWINCH,
];

/// The signals that the witness catches: those that `obit` passes on unless the whole process group
/// has received them.
pub(crate) const OF_WITNESS: [i32; 12] = [
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH,
];

/// A signal that this program has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) number: i32,
    /// Whether the kernel sent it, as for a key or for the end of a terminal, and not a process.
    pub(crate) by_kernel: bool,
}

/// The caught signals of this program. Several pending signals come in the order of their numbers.
pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    received: VecDeque<Received>,
    wake: UnixStream,
}

/// Ends a [`Signals::wait`] from another thread.
pub(crate) struct Waker(UnixStream);

impl Signals {
    /// Catches these signals from now on, except those that the parent has set to be ignored.
    ///
    /// `SIGCHLD` is caught even then: the kernel does not report the end of children to a program
    /// that ignores it. A command that is executed later gets the default action of all caught
    /// signals.
    pub(crate) fn catch(signals: &[i32]) -> Result<Self> {
        let ignored = ignored_from_start();
        let caught = signals.iter().filter(|&&signal| signal == SIGCHLD || !is_in(ignored, signal));
        let context = || "cannot wait for signals".to_owned();
        let (read, write) = UnixStream::pair().context(context)?;
        let wake = write.try_clone().context(context)?;
        let delivery =
            SignalDelivery::with_pipe(read, write, WithOrigin::default(), caught).context(context)?;
        Ok(Signals { delivery, received: VecDeque::new(), wake })
    }

    /// Returns a waker for the thread that calls [`Signals::wait`].
    pub(crate) fn waker(&self) -> Result<Waker> {
        self.wake.try_clone().map(Waker).context(|| "cannot make a waker".to_owned())
    }

    /// Returns the next received signal, or `None` if there is none.
    pub(crate) fn next(&mut self) -> Option<Received> {
        if self.received.is_empty() {
            self.received.extend(self.delivery.pending().map(Received::new));
        }
        self.received.pop_front()
    }

    /// Waits until a signal is received, a waker is used, or the time is reached. May wake
    /// spuriously.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        /// How long the thread sleeps if `poll` fails, as when memory is short.
        const PAUSE: Duration = Duration::from_millis(10);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut pipe = [PollFd::from_borrowed_fd(self.delivery.get_read().as_fd(), PollFlags::IN)];
        if poll(&mut pipe, timeout.as_ref()).is_err_and(|error| error != rustix::io::Errno::INTR) {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Waker {
    pub(crate) fn wake(&self) {
        // If the pipe is full, the thread is about to wake anyway.
        let _ = send(&self.0, &[0], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

impl Received {
    /// Whether the signal asks a program to end.
    pub(crate) fn asks_to_end(self) -> bool {
        self.number == SIGQUIT || ENDING.contains(&self.number)
    }

    fn new(origin: Origin) -> Self {
        Received { number: origin.signal, by_kernel: matches!(origin.cause, Cause::Kernel) }
    }
}

/// Unblocks every signal for this thread and the threads that it starts: the parent may have
/// blocked some.
pub(crate) fn unblock_all() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Makes a write beyond the limit of file sizes (`ulimit -f`) fail. By default it ends the program,
/// which a log must not do. A command that is executed later gets the default action.
pub(crate) fn survive_file_limit() -> io::Result<()> {
    if !is_in(ignored_from_start(), SIGXFSZ) {
        flag::register(SIGXFSZ, Arc::default())?;
    }
    Ok(())
}

/// Lets this thread write to the terminal from the background, also after `stty tostop`. Otherwise
/// the kernel stops the whole process group at each write.
pub(crate) fn write_from_background() {
    let ttou: SigSet = [Signal::SIGTTOU].into_iter().collect();
    // This fails for no signal that exists.
    let _ = ttou.thread_block();
}

const fn is_in(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

/// The signals that the parent has set to be ignored, one bit each; none on systems other than
/// Linux.
fn ignored_from_start() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// The exit code with which shells report that a signal ended a program.
pub(crate) fn exit_code(signal: i32) -> ExitCode {
    ExitCode(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
