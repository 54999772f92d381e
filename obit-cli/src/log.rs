//! The log of a node, on standard error. Logging never blocks the program, whether or not standard
//! error is read.
//!
//! | what | where |
//! |---|---|
//! | levels, the subscriber, panics | here |
//! | the queue between the program and the writer: bounded, and lossy when it is full | `log/queue.rs` |
//! | the thread that writes, and the flush at exit | `log/writer.rs` |
//!
//! `tracing_appender::non_blocking` was not enough: on exit with a full queue it prints to standard
//! output, which is for the results of this command; it panics if it cannot start its thread; it
//! bounds the number of lines, not of bytes; and it does not count lines that could not be written.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    collections::BTreeSet,
    io::{self, Write},
    panic::{self, PanicHookInfo},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use monitor_runtime::flush_events;
use parking_lot::Mutex;
use tracing_subscriber::filter::LevelFilter;

use crate::{limits, output::note};

mod queue;
mod writer;

/// How much a node logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// Also conditions that need attention.
    #[default]
    Warn,
    /// Also normal events: the start and the end of sessions and processes.
    Info,
    /// Also details that help to find a fault.
    Debug,
    /// Also every step, those of the libraries included.
    Trace,
}

/// Starts logging to standard error. Call it at most once. With `once`, a dial that fails in the
/// same way as before is not logged again.
pub(crate) fn start(level: Level, once: bool) {
    writer::start();
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let logged_dials = once.then(Arc::default);
    let lines = move || Lines { logged_dials: logged_dials.clone() };
    // Without colors, since the log often goes to a journal.
    let subscriber = tracing_subscriber::fmt().with_writer(lines).with_ansi(false);
    // An error of the log would be written to the same standard error, and panic if that fails.
    let subscriber = subscriber.log_internal_errors(false);
    subscriber.with_max_level(level).with_target(false).init();
}

/// Writes panics to the log, or to standard error before the log is started.
pub(crate) fn show_panics() {
    panic::set_hook(Box::new(|panic| {
        if !thread::current().name().is_some_and(|name| limits::STARTERS.contains(&name)) {
            note(&panic_text(panic));
        }
    }));
}

/// Adds a line, without its line break, to the log. Returns false and writes nothing if the log has
/// not been started. Never blocks.
pub(crate) fn line(text: &str) -> bool {
    writer::push(text)
}

/// Maximum time for the flush. A log with a reader is flushed within milliseconds; one without must
/// not keep the program from its end.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Waits until the log is written, for at most [`FLUSH_TIME`]: first the events queued for the
/// subscriber, then the lines queued for the writer.
pub(crate) fn flush() {
    let end = Instant::now() + FLUSH_TIME;
    flush_events(FLUSH_TIME / 2);
    writer::flush(end.saturating_duration_since(Instant::now()));
}

/// The text of a panic as the standard library's hook prints it. That hook would write to standard
/// error itself, and could block.
fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let text = format!("thread '{}' {panic}", thread.name().unwrap_or("<unnamed>"));
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("{text}\nstack backtrace:\n{backtrace}"),
        _ => text,
    }
}

/// The writer to which `tracing-subscriber` writes its lines.
struct Lines {
    /// The failures of dials that were logged, if each is logged only once.
    logged_dials: Option<Arc<Mutex<BTreeSet<String>>>>,
}

/// Text between the time and the address that was dialed.
const FAILED: &str = " WARN dial failed ";
/// Maximum number of failures in [`Lines::logged_dials`].
const MAX_LOGGED_DIALS: usize = 256;

impl Lines {
    /// Whether the same failure was logged before.
    fn was_logged(&self, line: &str) -> bool {
        let Some(logged) = &self.logged_dials else { return false };
        let Some((_, failure)) = line.split_once(FAILED) else { return false };
        let mut logged = logged.lock();
        if logged.len() >= MAX_LOGGED_DIALS {
            logged.clear();
        }
        !logged.insert(failure.to_owned())
    }
}

impl Write for Lines {
    /// `tracing-subscriber` writes each line in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !self.was_logged(text) {
            writer::push(text);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_that_fails_as_before_is_logged_once_with_that_option() {
        let line = |second: u32, failure: &str| {
            format!("00:00:0{second}Z  WARN dial failed peer=a failure={failure}")
        };
        let once = Lines { logged_dials: Some(Arc::default()) };
        let was_logged = |line: String| once.was_logged(&line);
        assert_eq!(
            [was_logged(line(1, "x")), was_logged(line(2, "x")), was_logged(line(3, "y"))],
            [false, true, false]
        );
        assert!(
            !was_logged("00:00:04Z  INFO other".to_owned())
                && !was_logged("00:00:05Z  INFO other".to_owned())
        );
        let always = Lines { logged_dials: None };
        assert!(!always.was_logged(&line(1, "x")) && !always.was_logged(&line(1, "x")));
    }
}
