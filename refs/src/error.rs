//! Why a text is not a reference, and where.

use thiserror::Error;

/// A text that is not what it should be: what was being read, what is wrong, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {kind} (at byte {at})")]
pub struct ParseError {
    /// What was being read: `"node name"`, `"registered name"`, `"address"`, `"pid"` and so on.
    pub what: &'static str,
    /// What is wrong with it.
    #[doc(alias = "badarg")]
    pub kind: ParseErrorKind,
    /// The offset, in bytes from the start of the text that was passed in, of the first offending byte.
    pub at: usize,
}

/// What is wrong with a text.
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
    /// A character that may not stand here.
    #[error("has a character that may not stand here: {0:?}")]
    BadCharacter(char),
    /// Something that must stand here is missing.
    #[error("lacks {0}")]
    Missing(&'static str),
    /// The number here is not a number, is zero where it may not be, or is out of range.
    #[error("has a number that is malformed or out of range")]
    BadNumber,
    /// A percent-escape that is incomplete, not hexadecimal, or does not decode to UTF-8.
    #[error("has a malformed percent-escape")]
    BadEscape,
    /// More text follows where the reference has ended.
    #[error("has trailing text")]
    Trailing,
}

impl ParseError {
    pub(crate) const fn new(what: &'static str, kind: ParseErrorKind, at: usize) -> Self {
        ParseError { what, kind, at }
    }

    /// The same error in a text in which this one's text starts at byte `offset`.
    pub(crate) const fn shifted(mut self, offset: usize) -> Self {
        self.at += offset;
        self
    }
}
