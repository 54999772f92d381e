//! What the node says of itself, on standard error.

use clap::ValueEnum;
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

/// Begins to write to standard error. Once a program.
pub(crate) fn start(level: Level) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Without colours: it is read by journals as often as by people.
    let to = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    to.with_max_level(level).with_target(false).init();
}
