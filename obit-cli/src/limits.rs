//! Limits of the system: checks that the libraries can start, and gives advice if they cannot.
//!
//! `async-io` starts a loop that waits for sockets and timers when it is first used. If there is no
//! thread or no descriptor for the loop, it panics on the thread that used it; in a destructor such
//! a panic aborts the program. So [`block_on`] starts the loop before any other use, and returns an
//! error on failure.

use std::{error::Error, fs::File, future::Future, io, sync::OnceLock, thread, time::Duration};

use rustix::io::Errno;

use crate::failure::{Failure, Result};

/// Number of descriptors of the loop that waits for sockets and timers: an epoll, a timer and an
/// event.
const DESCRIPTORS: usize = 3;

/// Runs a future to completion on this thread, with sockets and timers.
///
/// # Errors
/// The error names the missing resource, and the limit to raise.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    start_reactor()?;
    smol::block_on(future)
}

/// Starts a thread. The error has advice.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| Failure::new(format!("cannot start a thread: {}", explained(&error))))
}

/// The text of an error at the start of a thread or a process, with advice.
///
/// Only at such a start `EAGAIN` means a limit: elsewhere it means that a resource is not ready
/// yet.
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

/// The advice for an error that means a limit of the system in every operation.
pub(crate) fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match Errno::from_io_error(error.downcast_ref()?)? {
        Errno::MFILE => Some("raise the limit of open files (`ulimit -n`)"),
        Errno::NFILE => Some("raise the limit of open files of the whole system (`fs.file-max`)"),
        Errno::NOMEM => Some("free memory, or raise the limit of it (`ulimit -v`)"),
        _ => None,
    }
}

/// The name of the thread that starts the loop of `async-io`, and that of the thread of the loop. A
/// panic there is reported as a failure to start.
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
        return Err(Failure::new(format!("{NO_REACTOR}: cannot start a thread; {RAISE_PROCESSES}")));
    }
    STARTED.get_or_init(|| ());
    Ok(())
}

const NO_REACTOR: &str = "cannot wait for sockets and timers";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_means_a_limit_has_advice_and_another_has_none() {
        let text = |errno: Errno| explained(&errno.into());
        assert!(text(Errno::AGAIN).contains("ulimit -u") && text(Errno::MFILE).contains("ulimit -n"));
        assert!(text(Errno::NFILE).contains("fs.file-max") && text(Errno::NOMEM).contains("ulimit -v"));
        assert_eq!(text(Errno::NOENT), io::Error::from(Errno::NOENT).to_string());
        // A socket that is not ready is no limit.
        assert_eq!(advice(&io::Error::from(Errno::AGAIN)), None);
    }

    #[test]
    fn the_loop_starts_once_and_serves_futures() {
        for _ in 0..2 {
            let result = block_on(async {
                smol::Timer::after(Duration::from_nanos(1)).await;
                Ok(7)
            });
            assert_eq!(result.expect("a thread and descriptors"), 7);
        }
    }
}
