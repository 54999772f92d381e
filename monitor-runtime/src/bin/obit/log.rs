//! What the node says of itself, on standard error.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::Arc,
};

use clap::ValueEnum;
use parking_lot::Mutex;
use serde::Deserialize;
use tracing_subscriber::filter::LevelFilter;

/// How much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
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
}

/// Begins to write to standard error. Once a program. `once`: a dial that fails again as it did before is not told again.
pub(crate) fn start(level: Level, once: bool) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let told = once.then(Arc::default);
    let lines = move || Lines { told: told.clone() };
    // Without colours: it is read by journals as often as by people.
    let to = tracing_subscriber::fmt().with_writer(lines).with_ansi(false);
    // What cannot be written is lost. To say so on the same standard error would be a panic.
    let to = to.log_internal_errors(false);
    to.with_max_level(level).with_target(false).init();
}

/// Lines for standard error.
struct Lines {
    /// What was told of dials that have failed, if that is told once.
    told: Option<Arc<Mutex<BTreeSet<String>>>>,
}

/// What stands between the time and what was dialled.
const FAILED: &str = " WARN dial failed ";
/// How many failures are remembered.
const MAX_TOLD: usize = 256;

impl Lines {
    /// Whether the same was told before.
    fn was_told(&self, line: &[u8]) -> bool {
        let Some(told) = &self.told else { return false };
        let line = String::from_utf8_lossy(line);
        let Some((_, failure)) = line.split_once(FAILED) else { return false };
        let mut told = told.lock();
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        !told.insert(failure.to_owned())
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.was_told(line) { Ok(line.len()) } else { io::stderr().write(line) }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_that_fails_as_before_is_told_once_where_that_is_wanted() {
        let line = |second: u32, failure: &str| {
            format!("00:00:0{second}Z  WARN dial failed peer=a failure={failure}\n")
        };
        let once = Lines { told: Some(Arc::default()) };
        let was_told = |line: String| once.was_told(line.as_bytes());
        assert_eq!(
            [was_told(line(1, "x")), was_told(line(2, "x")), was_told(line(3, "y"))],
            [false, true, false]
        );
        assert!(
            !was_told("00:00:04Z  INFO other\n".to_owned())
                && !was_told("00:00:05Z  INFO other\n".to_owned())
        );
        let always = Lines { told: None };
        assert!(!always.was_told(line(1, "x").as_bytes()) && !always.was_told(line(1, "x").as_bytes()));
    }
}
