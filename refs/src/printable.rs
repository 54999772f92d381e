//! Text from other nodes, made safe to print.

use core::fmt::{self, Write};

/// A text of unknown origin, for a log or a terminal. Characters that could begin a line, control a
/// terminal, or reverse the order of letters are written as `\n` or `\u{1b}`.
///
/// These are the control characters (C0, DEL and C1), the separators of lines and paragraphs
/// (U+2028, U+2029), and the marks, embeddings, overrides and isolates of bidirectional text
/// (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069). All other characters are
/// unchanged, including the backslash: the output is for people, and cannot be read back.
///
/// ```
/// # use refs::Printable;
/// let forged = "done\n2026-01-01 ERROR \u{1b}[2J";
/// assert_eq!(Printable(forged).to_string(), r"done\n2026-01-01 ERROR \u{1b}[2J");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a str);

impl Printable<'_> {
    /// Whether a character is escaped.
    pub const fn escapes(c: char) -> bool {
        is_control(c)
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_control) {
            let (plain, control) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = control.chars();
            for escaped in characters.next().into_iter().flat_map(char::escape_default) {
                f.write_char(escaped)?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character changes the text around it instead of being a part of it.
pub(crate) const fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_others_write_begins_no_line_and_commands_no_terminal() {
        let shown = |text| Printable(text).to_string();
        assert_eq!(shown("a\nb\r\tc\0"), r"a\nb\r\tc\u{0}");
        assert_eq!(shown("\u{1b}]0;title\u{7}\u{7f}\u{9b}31m"), r"\u{1b}]0;title\u{7}\u{7f}\u{9b}31m");
        assert_eq!(shown("\u{2028}\u{2029}\u{202e}\u{2066}"), r"\u{2028}\u{2029}\u{202e}\u{2066}");
        assert_eq!(shown("Grüße, 世界, مرحبا 'x' \\ \"y\""), "Grüße, 世界, مرحبا 'x' \\ \"y\"");
        assert!(!(0..=0x10_ffff).filter_map(char::from_u32).any(|c| c.is_control() && !is_control(c)));
    }
}
