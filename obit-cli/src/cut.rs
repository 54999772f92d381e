//! Cuts long texts from other programs.

use std::fmt::{self, Display, Write};

/// Maximum length of a reason in the output for people, in bytes. `--json` has no such limit.
pub(crate) const MAX_REASON: usize = 1024;

/// Maximum length of the text of a failure, in bytes. A program that poses as a node may have
/// chosen the text.
pub(crate) const MAX_FAILURE: usize = 64 << 10;

/// The end of a text that was cut.
const MARK: &str = "… (cut)";

/// The text, or its beginning and a mark if it is longer than `max` bytes. The result has at most
/// `max` bytes, and the rest of the text is not formatted.
pub(crate) fn beginning(of: impl Display, max: usize) -> String {
    let mut text = Beginning { text: String::new(), max };
    if write!(text, "{of}").is_err() {
        let end = boundary(&text.text, max.saturating_sub(MARK.len()));
        text.text.truncate(end);
        text.text.push_str(MARK);
    }
    text.text
}

/// A reason in at most [`MAX_REASON`] bytes, with a mark at the end if this function or the node
/// has cut it.
pub(crate) fn shown_reason(reason: impl Display, was_cut: bool) -> String {
    let mark = if was_cut { MARK } else { "" };
    beginning(format_args!("{reason}{mark}"), MAX_REASON)
}

/// Keeps the first `max` bytes of the text that is written, and returns an error if there is more.
struct Beginning {
    text: String,
    max: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let left = self.max - self.text.len();
        if piece.len() <= left {
            self.text.push_str(piece);
            return Ok(());
        }
        self.text.push_str(&piece[..boundary(piece, left)]);
        Err(fmt::Error)
    }
}

/// The last boundary between characters that is not after `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_ends_with_a_mark() {
        assert_eq!(beginning("x".repeat(20), 20), "x".repeat(20));
        assert_eq!(beginning("x".repeat(21), 20), format!("{}… (cut)", "x".repeat(11)));
        let letters = "é".repeat(1000);
        for max in 10..40 {
            let cut = beginning(&letters, max);
            assert!(cut.len() <= max && cut.len() >= max - 1 && cut.ends_with(MARK), "{max}: {cut}");
        }
    }

    #[test]
    fn a_reason_that_the_node_has_cut_ends_with_one_mark() {
        assert_eq!(shown_reason("exit: oh", false), "exit: oh");
        assert_eq!(shown_reason("exit: oh", true), "exit: oh… (cut)");
        for len in [MAX_REASON - MARK.len(), MAX_REASON - MARK.len() + 1, MAX_REASON, MAX_REASON + 1] {
            let shown = shown_reason("x".repeat(len), true);
            assert!(shown.len() <= MAX_REASON, "{len}");
            assert!(shown.ends_with("xx… (cut)"), "{len}: {shown}");
        }
    }

    #[test]
    fn pieces_after_the_end_are_not_formatted() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("and so on ")?;
                }
            }
        }
        assert_eq!(beginning(Endless, 30).len(), 30);
    }
}
