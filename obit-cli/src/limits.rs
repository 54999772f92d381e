//! Limits of the system: whether there is enough for the libraries to start, and what to do if not.
//!
//! `async-io` panics on whatever thread needs it first if it gets no thread or no descriptors for
//! the loop that waits for sockets and timers; in a destructor that aborts the program. So
//! [`block_on`] starts it before anything else needs it, where its failure is an error like any
//! other.

use std::{error::Error, fs::File, future::Future, io, sync::OnceLock, thread, time::Duration};

use rustix::io::Errno;

use crate::failure::{Failure, Result};

/// Number of descriptors of the loop that waits for sockets and timers: an epoll, a timer and an
/// event.
const DESCRIPTORS: usize = 3;

/// Runs a future to its end on this thread, with sockets and timers.
///
/// # Errors
/// Names the resource that the system does not give, and the limit to raise.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    start_reactor()?;
    smol::block_on(future)
}

/// A thread that runs this; an error says what to do.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| Failure::new(format!("cannot start a thread: {}", explained(&error))))
}

/// The error of a thread or a process that could not be started, with what to do about it.
///
/// Only there `EAGAIN` means a limit: elsewhere it says that something is not ready yet.
pub(crate) fn explained(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => format!("{error}; {RAISE_PROCESSES}"),
        _ => match advice(error) {
            Some(advice) => format!("{error}; {advice}"),
            None => error.to_string(),
        },
    }
}

const RAISE_PROCESSES: &str = "raise the limit of processes and threads of this user (`ulimit -u`, or TasksMax of systemd), \
    or end some";

/// What to do about an error if it is a limit of the system, whatever was tried.
pub(crate) fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match Errno::from_io_error(error.downcast_ref()?)? {
        Errno::MFILE => Some("raise the limit of open files (`ulimit -n`)"),
        Errno::NFILE => Some("raise the limit of open files of the whole system (`fs.file-max`)"),
        Errno::NOMEM => Some("free memory, or raise the limit of it (`ulimit -v`)"),
        _ => None,
    }
}

/// The name of the thread that starts the loop of `async-io`, and that of the thread of the loop. A
/// panic there is a failure to start, and told as one.
pub(crate) const STARTERS: [&str; 2] = ["starter", "async-io"];

/// Starts the loop of `async-io`, and its thread.
fn start_reactor() -> Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.get().is_some() {
        return Ok(());
    }
    // The thread of the loop would panic without them.
    let probes: io::Result<Vec<File>> = (0..DESCRIPTORS).map(|_| File::open("/")).collect();
    drop(probes.map_err(|error| Failure::new(format!("{NO_REACTOR}: {}", explained(&error))))?);
    let starter = spawn(STARTERS[0], || smol::block_on(smol::Timer::after(Duration::ZERO)))?;
    if starter.join().is_err() {
        return Err(Failure::new(format!("{NO_REACTOR}: there is no thread for that; {RAISE_PROCESSES}")));
    }
    STARTED.get_or_init(|| ());
    Ok(())
}

const NO_REACTOR: &str = "cannot wait for sockets and timers";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_with_what_to_do_and_another_error_as_it_is() {
        let told = |errno: Errno| explained(&errno.into());
        assert!(told(Errno::AGAIN).contains("ulimit -u") && told(Errno::MFILE).contains("ulimit -n"));
        assert!(told(Errno::NFILE).contains("fs.file-max") && told(Errno::NOMEM).contains("ulimit -v"));
        assert_eq!(told(Errno::NOENT), io::Error::from(Errno::NOENT).to_string());
        // A socket that is not ready is no limit.
        assert_eq!(advice(&io::Error::from(Errno::AGAIN)), None);
    }

    #[test]
    fn the_loop_starts_once_and_serves_futures() {
        for _ in 0..2 {
            let waited = block_on(async {
                smol::Timer::after(Duration::from_nanos(1)).await;
                Ok(7)
            });
            assert_eq!(waited.expect("a thread and descriptors"), 7);
        }
    }
}
