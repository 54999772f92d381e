//! The one error type of this program: a text for a person.

use std::fmt;

/// What went wrong, and where possible what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

/// The result of almost everything here.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Returns from the function with a [`Failure`] of this text.
macro_rules! fail {
    ($($text:tt)*) => { return Err($crate::failure::Failure(format!($($text)*))) };
}
pub(crate) use fail;

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// `what: the error`
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}

impl Failure {
    /// Says where it failed.
    pub(crate) fn within(self, what: &str) -> Failure {
        Failure(format!("{what}: {self}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
