//! What a user is told when a command cannot do its work.

use std::{error::Error, fmt, path::Path};

use crate::{cut, limits, output, redaction};

/// What went wrong, and where possible what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// None: any failure that has no code of its own.
    code: Option<u8>,
    /// Whether nobody is there to be told.
    quiet: bool,
}

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitCode(pub(crate) u8);

impl ExitCode {
    pub(crate) const SUCCESS: Self = ExitCode(0);
    pub(crate) const FAILURE: Self = ExitCode(1);
}

/// The result of a command, and of almost everything in it.
pub(crate) type Result<T = ExitCode> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure { text: text.into(), code: None, quiet: false }
    }

    /// Whoever read what this program writes has gone: nothing is said of it, and the exit code is
    /// what a shell makes of SIGPIPE.
    pub(crate) fn unread() -> Self {
        Failure { text: "nobody reads this any more".to_owned(), code: Some(128 + 13), quiet: true }
    }

    /// Writes it to standard error, unless that would be of no use. May block.
    pub(crate) fn note(&self) {
        if !self.quiet {
            output::note(&cut::beginning(format_args!("error: {self}"), cut::MAX_FAILURE));
        }
    }

    /// The same failure without the path that it may quote, if that may be a secret. Then it names
    /// the flag or argument instead.
    pub(crate) fn without_path(self, flag: &str, path: &Path) -> Self {
        match redaction::path_may_be_secret(path) {
            true => {
                Failure { text: format!("{flag}: {}", redaction::without_path(&self.text, path)), ..self }
            }
            false => self,
        }
    }

    /// The same failure without the value that it may quote, if that may be a secret. Then it names
    /// the flag instead.
    pub(crate) fn without_value(self, flag: &str, value: &str) -> Self {
        match redaction::may_be_secret(value) {
            true => {
                Failure { text: format!("{flag}: {}", redaction::without_value(&self.text, value)), ..self }
            }
            false => self,
        }
    }

    /// The same failure, with that exit code unless it has one.
    pub(crate) fn or_code(self, code: u8) -> Self {
        Failure { code: self.code.or(Some(code)), ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code.map_or(ExitCode::FAILURE, ExitCode)
    }
}

/// The error with its causes, some of which are only named as a source, and what to do if the cause
/// is a limit of the system.
pub(crate) fn full_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut advice = limits::advice(error);
    let mut source = error.source();
    while let Some(cause) = source {
        advice = advice.or_else(|| limits::advice(cause));
        let cause_text = cause.to_string();
        // A transparent error repeats what it wraps.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    match advice {
        Some(advice) => format!("{text}; {advice}"),
        None => text,
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::new(full_text(&error))
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// `what: the error`
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Error + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{}: {}", what(), full_text(&error))))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
