//! Errors of parsing: what is wrong with a text, and where.

use alloc::{boxed::Box, string::String};
use core::{convert::Infallible, fmt};

use thiserror::Error;

use crate::printable::Printable;

/// Maximum number of bytes of a text that an error contains on each side of the fault.
const CONTEXT: usize = 48;

/// A text could not be parsed. Holds what was expected, what is wrong, the offset, and the text
/// itself if it was passed where a value or its text is accepted ([`IntoRef`](crate::IntoRef)).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The text that [`ParseError::of_text`] keeps.
    text: Option<Box<str>>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at byte {}", self.what, self.kind, self.at)?;
        if let Some(text) = &self.text {
            write!(f, " of \"{}\"", Printable(text))?;
        }
        f.write_str(")")
    }
}

impl core::error::Error for ParseError {}

impl From<Infallible> for ParseError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
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
    /// An error that does not contain the text.
    pub const fn new(what: &'static str, kind: ParseErrorKind, at: usize) -> Self {
        ParseError { what, kind, at, text: None }
    }

    /// The same error for a text that contains the parsed text at byte `offset`.
    pub(crate) const fn shifted(mut self, offset: usize) -> Self {
        self.at += offset;
        self
    }

    /// The same error, which shows the text that was parsed: the part around the fault if the text
    /// is long.
    pub(crate) fn of_text(mut self, text: &str) -> Self {
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i));
        let start = boundary(self.at.saturating_sub(CONTEXT)).unwrap_or(0);
        let end = boundary(self.at.saturating_add(CONTEXT)).unwrap_or(text.len());
        let mut shown = String::new();
        if start > 0 {
            shown += "...";
        }
        shown += &text[start..end];
        if end < text.len() {
            shown += "...";
        }
        self.text = Some(shown.into_boxed_str());
        self
    }
}
