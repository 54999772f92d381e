//! Errors of parsing: what is wrong with a text, and where.

use thiserror::Error;

/// A text could not be parsed. Holds what was expected, what is wrong, and the offset.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {kind} (at byte {at})")]
pub struct ParseError {
    /// The kind of text that was expected: `"node name"`, `"registered name"`, `"address"`, `"pid"`
    /// and so on.
    pub what: &'static str,
    /// The fault.
    #[doc(alias = "badarg")]
    pub kind: ParseErrorKind,
    /// The offset of the first offending byte, counted from the start of the text that was passed
    /// in.
    pub at: usize,
}

/// The fault in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text, or one of its parts, is empty.
    #[error("is empty")]
    Empty,
    /// The text, or one of its parts, is longer than the number of bytes given here.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A node has more addresses than the number given here.
    #[error("has more than {0} addresses")]
    TooManyAddresses(usize),
    /// A character that is not allowed here.
    #[error("has a character that is not allowed here: {0:?}")]
    BadCharacter(char),
    /// Something that must stand here is missing.
    #[error("lacks {0}")]
    Missing(&'static str),
    /// The number is malformed, is zero where that is not allowed, or is out of range.
    #[error("has a number that is malformed or out of range")]
    BadNumber,
    /// A percent-escape that is incomplete, not hexadecimal, or does not decode to UTF-8.
    #[error("has a malformed percent-escape")]
    BadEscape,
    /// There is more text after the end of the reference.
    #[error("has trailing text")]
    Trailing,
}

impl ParseError {
    pub(crate) const fn new(what: &'static str, kind: ParseErrorKind, at: usize) -> Self {
        ParseError { what, kind, at }
    }

    /// The same error for a text that contains the parsed text at byte `offset`.
    pub(crate) const fn shifted(mut self, offset: usize) -> Self {
        self.at += offset;
        self
    }
}
