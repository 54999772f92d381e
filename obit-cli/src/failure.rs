//! Failures of a command: the text for the user, and the exit code.

use std::{error::Error, fmt, path::Path};

use crate::{cut, limits, output, redaction};

/// The failure of a command, with advice where possible.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// `None` for a failure without an exit code of its own.
    code: Option<u8>,
    /// Whether the failure is not printed, because its reader is gone.
    quiet: bool,
}

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitCode(pub(crate) u8);

impl ExitCode {
    pub(crate) const SUCCESS: Self = ExitCode(0);
    pub(crate) const FAILURE: Self = ExitCode(1);
}

/// The result of a command, and of most functions in it.
pub(crate) type Result<T = ExitCode> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure { text: text.into(), code: None, quiet: false }
    }

    /// The reader of standard output has exited. The failure is not printed, and its exit code is
    /// that of a program that SIGPIPE has ended.
    pub(crate) fn unread() -> Self {
        Failure {
            text: "the reader of standard output has exited".to_owned(),
            code: Some(128 + 13),
            quiet: true,
        }
    }

    /// Writes the failure to standard error, unless it is quiet. May block.
    pub(crate) fn note(&self) {
        if !self.quiet {
            output::note(&cut::beginning(format_args!("error: {self}"), cut::MAX_FAILURE));
        }
    }

    /// Replaces the path in the text by the name of the flag or argument, if the path may be a
    /// secret.
    pub(crate) fn without_path(self, flag: &str, path: &Path) -> Self {
        match redaction::path_may_be_secret(path) {
            true => {
                Failure { text: format!("{flag}: {}", redaction::without_path(&self.text, path)), ..self }
            }
            false => self,
        }
    }

    /// Replaces the value in the text by the name of the flag, if the value may be a secret.
    pub(crate) fn without_value(self, flag: &str, value: &str) -> Self {
        match redaction::may_be_secret(value) {
            true => {
                Failure { text: format!("{flag}: {}", redaction::without_value(&self.text, value)), ..self }
            }
            false => self,
        }
    }

    /// Sets the exit code, unless the failure has one.
    pub(crate) fn or_code(self, code: u8) -> Self {
        Failure { code: self.code.or(Some(code)), ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code.map_or(ExitCode::FAILURE, ExitCode)
    }
}

/// The text of the error and of its sources, with advice if one of them is a limit of the system.
pub(crate) fn full_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut advice = limits::advice(error);
    let mut source = error.source();
    while let Some(cause) = source {
        advice = advice.or_else(|| limits::advice(cause));
        let cause_text = cause.to_string();
        // A transparent error repeats the text of its source.
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

/// Adds to an error the action that failed.
pub(crate) trait Context<T> {
    /// The text becomes `what: error`.
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
