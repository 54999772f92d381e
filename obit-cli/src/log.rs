//! The log of a node, on standard error. Writing it never holds up the program, whether or not it
//! is read.
//!
//! | what | where |
//! |---|---|
//! | levels, the subscriber, panics | here |
//! | the queue between the program and the writer: bounded, and lossy when it is full | `log/queue.rs` |
//! | the thread that writes, and the flush at exit | `log/writer.rs` |
//!
//! `tracing_appender::non_blocking` was not enough: on exit with a full queue it prints to standard
//! output, which belongs to the results of this command; it panics if its thread cannot be started;
//! it bounds lines, not bytes; and lines that could not be written are not counted.

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
    /// What does not work.
    Error,
    /// And what should be looked at.
    #[default]
    Warn,
    /// And what happens: sessions, what was started and what has ended.
    Info,
    /// And everything that may help to find a fault.
    Debug,
    /// And every step, those of the libraries included.
    Trace,
}

/// Starts logging to standard error. Called at most once. `once`: a dial that fails again as it did
/// before is not logged again.
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
    let told = once.then(Arc::default);
    let lines = move || Lines { told: told.clone() };
    // Without colors: it is read by journals as often as by people.
    let to = tracing_subscriber::fmt().with_writer(lines).with_ansi(false);
    // A report of an error of the log would go to the same standard error, and panic if that fails.
    let to = to.log_internal_errors(false);
    to.with_max_level(level).with_target(false).init();
}

/// Has panics told as lines of the log, or on standard error while there is no log.
pub(crate) fn show_panics() {
    panic::set_hook(Box::new(|panic| {
        if !thread::current().name().is_some_and(|name| limits::STARTERS.contains(&name)) {
            note(&panic_text(panic));
        }
    }));
}

/// Adds a line to the log, without its line break. Returns false if no log has been started: then
/// nothing is written. Never blocks.
pub(crate) fn line(text: &str) -> bool {
    writer::push(text)
}

/// A log that is read takes a few milliseconds; one that is not read must not keep the program from
/// its end.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Waits until the log is written, for at most a second: events that wait for the subscriber, and
/// lines that wait for the writer.
pub(crate) fn flush() {
    let end = Instant::now() + FLUSH_TIME;
    flush_events(FLUSH_TIME / 2);
    writer::flush(end.saturating_duration_since(Instant::now()));
}

/// The text of the standard library's own hook, which would write to standard error itself, and
/// block there.
fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let text = format!("thread '{}' {panic}", thread.name().unwrap_or("<unnamed>"));
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("{text}\nstack backtrace:\n{backtrace}"),
        _ => text,
    }
}

/// Takes the lines that `tracing-subscriber` formats.
struct Lines {
    /// The failures of dials that were logged, if each is logged once.
    told: Option<Arc<Mutex<BTreeSet<String>>>>,
}

/// Text between the time and the address that was dialed.
const FAILED: &str = " WARN dial failed ";
/// Maximum number of failures that are remembered.
const MAX_TOLD: usize = 256;

impl Lines {
    /// Whether the same failure was logged before.
    fn was_told(&self, line: &str) -> bool {
        let Some(told) = &self.told else { return false };
        let Some((_, failure)) = line.split_once(FAILED) else { return false };
        let mut told = told.lock();
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        !told.insert(failure.to_owned())
    }
}

impl Write for Lines {
    /// Gets each line whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !self.was_told(text) {
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
    fn a_dial_that_fails_as_before_is_told_once_where_that_is_wanted() {
        let line = |second: u32, failure: &str| {
            format!("00:00:0{second}Z  WARN dial failed peer=a failure={failure}")
        };
        let once = Lines { told: Some(Arc::default()) };
        let was_told = |line: String| once.was_told(&line);
        assert_eq!(
            [was_told(line(1, "x")), was_told(line(2, "x")), was_told(line(3, "y"))],
            [false, true, false]
        );
        assert!(
            !was_told("00:00:04Z  INFO other".to_owned()) && !was_told("00:00:05Z  INFO other".to_owned())
        );
        let always = Lines { told: None };
        assert!(!always.was_told(&line(1, "x")) && !always.was_told(&line(1, "x")));
    }
}
