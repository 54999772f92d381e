//! Keeps secrets out of errors that quote values of the user.
//!
//! A user may put a secret into the wrong variable, or after the wrong flag. Errors end up in
//! journals and tickets, which other people read. So an error names the flag and the expected
//! value, and shows the actual value only if it cannot be the secret of a cluster.

use std::{
    ffi::OsStr,
    path::{Component, Path},
};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use monitor_runtime::Secret;

/// Maximum length of a value in an error, in bytes: one less than the shortest secret. So a shown
/// value has no run of 32 hexadecimal or base64 digits either.
const MAX_SHOWN: usize = Secret::MIN_LEN - 1;

/// Minimum length of a run of digits that counts as a key: 256 bits in base64.
const KEY_DIGITS: usize = 43;

/// Whether a value may be the secret of a cluster.
pub(crate) fn may_be_secret(value: &str) -> bool {
    value.len() > MAX_SHOWN
}

/// Whether a value has the form of a key: one long run of hexadecimal or base64 digits, as `obit
/// keygen` writes it.
pub(crate) fn is_key(value: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    let value = value.trim();
    value.len() >= KEY_DIGITS
        && value.bytes().all(is_digit)
        && value.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// Whether a path may be a secret. A long path is not one if its directory exists, and its file
/// name is short or has an extension.
pub(crate) fn path_may_be_secret(path: &Path) -> bool {
    let long = |part: &OsStr| part.len() > MAX_SHOWN;
    if !long(path.as_os_str()) {
        return false;
    }
    let Some(name) = path.file_name() else { return true };
    if long(name) && !has_extension(Path::new(name)) {
        return true;
    }
    match path.parent().filter(|parent| parent.components().any(|part| part != Component::RootDir)) {
        Some(parent) => !parent.is_dir(),
        None => !has_extension(path),
    }
}

/// Whether the path has an extension, as `cluster.toml`.
fn has_extension(path: &Path) -> bool {
    const MAX_LEN: usize = 8;
    let extension = path.extension().and_then(OsStr::to_str);
    extension
        .is_some_and(|text| text.len() <= MAX_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The text in place of a value.
fn placeholder(value: &str) -> String {
    format!("a value of {} characters, not shown because it may be a secret", value.chars().count())
}

/// Replaces the path in the text by a placeholder, if the path may be a secret.
pub(crate) fn without_path(text: &str, path: &Path) -> String {
    match path_may_be_secret(path) {
        true => without(text, &path.display().to_string()),
        false => text.to_owned(),
    }
}

/// Replaces the value in the text by a placeholder, if the value may be a secret.
pub(crate) fn without_value(text: &str, value: &str) -> String {
    match may_be_secret(value) {
        true => without(text, value),
        false => text.to_owned(),
    }
}

fn without(text: &str, value: &str) -> String {
    text.replace(value, &placeholder(value))
}

/// Replaces the values that may be secrets in an error of the command line.
pub(crate) fn redact(error: &mut clap::Error) {
    let is_word_of_user = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
    let replaced: Vec<_> = error
        .context()
        .filter(|(kind, _)| match kind {
            ContextKind::InvalidValue | ContextKind::InvalidSubcommand => true,
            // In other errors this is the name of a flag.
            ContextKind::InvalidArg => is_word_of_user,
            _ => false,
        })
        .filter_map(|(kind, value)| Some((kind, redacted(value)?)))
        .collect();
    if replaced.is_empty() {
        return;
    }
    for (kind, value) in replaced {
        error.insert(kind, value);
    }
    // The suggestion quotes the same word.
    error.remove(ContextKind::Suggested);
}

/// The replacement of a value; `None` if it can be shown.
fn redacted(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => may_be_secret(text).then(|| ContextValue::String(placeholder(text))),
        ContextValue::Strings(texts) if texts.iter().any(|text| may_be_secret(text)) => {
            let shown = |text: &String| if may_be_secret(text) { placeholder(text) } else { text.clone() };
            Some(ContextValue::Strings(texts.iter().map(shown).collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "5ec4e7b1a2c3d4e5f60718293a4b5c6d7e8f9012a3b4c5d6e7f8091a2b3c4d5e";
    const BASE64: &str = "Zm9v/YmFyQ+UxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm8=";
    const WORDS: &str = "a secret of several words. All of it";

    #[test]
    fn a_value_is_shown_only_if_it_is_shorter_than_any_secret() {
        for secret in [HEX, BASE64, WORDS, &HEX[..Secret::MIN_LEN]] {
            assert!(may_be_secret(secret), "{secret}");
            let text = without_value(&format!("no node {secret} runs here"), secret);
            assert_eq!(
                text,
                format!(
                    "no node a value of {} characters, not shown because it may be a secret runs here",
                    secret.len()
                )
            );
        }
        assert_eq!(without_value("no node a@h runs here", "a@h"), "no node a@h runs here");
        assert!(!may_be_secret(&HEX[..MAX_SHOWN]));
    }

    #[test]
    fn a_path_is_shown_only_if_it_looks_like_one() {
        let slashes = format!("/{BASE64}");
        let in_directory = std::env::temp_dir().join(HEX);
        for secret in [HEX, BASE64, WORDS, &slashes, in_directory.to_str().unwrap()] {
            assert!(path_may_be_secret(Path::new(secret)), "{secret}");
        }
        let there = std::env::temp_dir().join("a-directory-that-is-not-there.d");
        for path in ["a.sock", "/run/obit/a.sock", "the-configuration-of-the-first-cluster.toml"] {
            assert!(!path_may_be_secret(Path::new(path)), "{path}");
        }
        assert!(!path_may_be_secret(&there));
    }

    #[test]
    fn only_one_long_run_of_digits_is_a_key() {
        assert!([HEX, BASE64, &format!("{HEX}\n")].iter().all(|key| is_key(key)));
        for other in [WORDS, "blue", "7c9e6679742540de944be07fc1f90ae7", &"c".repeat(64)] {
            assert!(!is_key(other), "{other}");
        }
    }
}
