//! Why a process exited, and why a monitor ended.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{error::Error, fmt, time::Duration};

use refs::{Printable, SessionEnd};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a process exited. 16 bytes; a clone costs at most a reference count.
///
/// Its [`Display`](fmt::Display) is for people: a peer may have chosen the text, so [`Printable`]
/// escapes it. The unchanged text is in [`Panicked`](ExitReason::Panicked) and
/// [`Other`](ExitReason::Other).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExitReason {
    /// The process was done.
    #[doc(alias = "normal")]
    Normal,
    /// The process was asked to stop, and did.
    #[doc(alias = "shutdown")]
    Shutdown,
    /// The process was killed.
    #[doc(alias = "killed")]
    Killed,
    /// The process panicked with this text.
    #[doc(alias = "crash")]
    Panicked(ReasonText),
    /// A custom reason: bytes whose meaning watcher and target have agreed on.
    Other(ReasonBytes),
}

impl ExitReason {
    /// Maximum number of bytes of a text or a custom reason: 64 KiB.
    pub const MAX_LEN: usize = 64 * 1024;

    /// Makes a custom reason. Bytes beyond [`ExitReason::MAX_LEN`] are cut off; a text is not
    /// cut within a character.
    pub fn other(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        if bytes.len() > Self::MAX_LEN {
            bytes.truncate(floor_text_boundary(&bytes, Self::MAX_LEN));
        }
        ExitReason::Other(ReasonBytes(Arc::new(bytes.into_boxed_slice())))
    }

    /// Makes the reason of a panic with that text, which is cut at a character boundary if it is
    /// longer than [`ExitReason::MAX_LEN`].
    pub fn panicked(text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(floor_char_boundary(&text, Self::MAX_LEN));
        ExitReason::Panicked(ReasonText(Arc::new(text.into_boxed_str())))
    }
}

impl ExitReason {
    /// Returns the same kind of reason with at most the first `max` bytes of its text or bytes, or
    /// `None` if it has no more than that. A text is not cut within a character, neither that of a
    /// panic nor one in the bytes of [`Other`](ExitReason::Other).
    ///
    /// O(`max`). The copy shares no memory with the whole reason.
    #[must_use]
    pub fn cut(&self, max: usize) -> Option<Self> {
        match self {
            ExitReason::Panicked(text) if text.len() > max => Some(ExitReason::Panicked(ReasonText(
                Arc::new(text[..floor_char_boundary(text, max)].into()),
            ))),
            ExitReason::Other(bytes) if bytes.len() > max => {
                let end = floor_text_boundary(bytes, max);
                Some(ExitReason::Other(ReasonBytes(Arc::new(bytes[..end].into()))))
            }
            _ => None,
        }
    }

    /// Whether the process ended because it was done: [`ExitReason::Normal`] only.
    pub const fn is_normal(&self) -> bool {
        matches!(self, ExitReason::Normal)
    }

    /// Number of bytes in the text of a panic, or in a custom reason.
    pub(crate) fn len(&self) -> usize {
        match self {
            ExitReason::Panicked(text) => text.len(),
            ExitReason::Other(bytes) => bytes.len(),
            ExitReason::Normal | ExitReason::Shutdown | ExitReason::Killed => 0,
        }
    }
}

/// The last character boundary at `at` or before it. (The method of `str` needs a later Rust than
/// `rust-version`.)
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

/// The offset at which the first `at` bytes end: less than `at` if they are a text up to there
/// whose last character would be cut.
fn floor_text_boundary(bytes: &[u8], at: usize) -> usize {
    match core::str::from_utf8(&bytes[..at]) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => at,
    }
}

/// Any error is a reason, and so is a text: errors of `std`, `anyhow::Error`,
/// `Box<dyn Error + Send + Sync>`, `&str` and `String`. The operator `?` in a process uses this.
///
/// The reason is [`ExitReason::other`] with the text of the error and those of its causes. The text
/// of a cause is left out if the text before it contains it.
///
/// For this reason `ExitReason` itself does not implement [`Error`].
///
/// ```
/// # use monitor_core::ExitReason;
/// fn parse(text: &str) -> Result<u8, ExitReason> {
///     if text.is_empty() {
///         return Err("the text is empty".into());
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse(""), Err(ExitReason::other("the text is empty")));
/// assert_eq!(parse("x"), Err(ExitReason::other("invalid digit found in string")));
/// ```
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for ExitReason {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause.filter(|_| text.len() < Self::MAX_LEN) {
            let cause_text = error.to_string();
            if !text.contains(&cause_text) {
                text = text + ": " + &cause_text;
            }
            cause = error.source();
        }
        ExitReason::other(text)
    }
}

// `ReasonText` and `ReasonBytes` are one pointer wide, so that a reason fits in the row of its
// monitor.

/// The text of a panic, at most [`ExitReason::MAX_LEN`] bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ReasonText(Arc<Box<str>>);

impl ReasonText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The bytes of a custom reason, at most [`ExitReason::MAX_LEN`].
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ReasonBytes(Arc<Box<[u8]>>);

impl ReasonBytes {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const LEN: usize> PartialEq<[u8; LEN]> for ReasonBytes {
    fn eq(&self, other: &[u8; LEN]) -> bool {
        self.as_bytes() == other
    }
}

impl<const LEN: usize> PartialEq<&[u8; LEN]> for ReasonBytes {
    fn eq(&self, other: &&[u8; LEN]) -> bool {
        self.as_bytes() == *other
    }
}

macro_rules! dereferences {
    ($($name:ident: $target:ty),*) => {$(
        impl core::ops::Deref for $name {
            type Target = $target;
            fn deref(&self) -> &$target {
                &self.0
            }
        }

        impl AsRef<$target> for $name {
            fn as_ref(&self) -> &$target {
                self
            }
        }

        impl PartialEq<$target> for $name {
            fn eq(&self, other: &$target) -> bool {
                **self == *other
            }
        }

        impl PartialEq<&$target> for $name {
            fn eq(&self, other: &&$target) -> bool {
                **self == **other
            }
        }

        impl PartialEq<$name> for $target {
            fn eq(&self, other: &$name) -> bool {
                *self == **other
            }
        }
    )*};
}
dereferences!(ReasonText: str, ReasonBytes: [u8]);

/// For people: see [`Printable`]. A `ReasonText` dereferences to the unchanged text.
impl fmt::Display for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(self).fmt(f)
    }
}

/// For people: the bytes as text, escaped by [`Printable`]; or their number if they are no text.
impl fmt::Display for ReasonBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(self) {
            Ok(text) => Printable(text).fmt(f),
            Err(_) => write!(f, "a reason of {} bytes", self.len()),
        }
    }
}

impl fmt::Debug for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for ReasonBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("normal"),
            ExitReason::Shutdown => f.write_str("shutdown"),
            ExitReason::Killed => f.write_str("killed"),
            ExitReason::Panicked(text) => write!(f, "panicked: {text}"),
            ExitReason::Other(bytes) => bytes.fmt(f),
        }
    }
}

impl fmt::Debug for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("Normal"),
            ExitReason::Shutdown => f.write_str("Shutdown"),
            ExitReason::Killed => f.write_str("Killed"),
            ExitReason::Panicked(text) => write!(f, "Panicked({text:?})"),
            ExitReason::Other(bytes) => write!(f, "Other({bytes:?})"),
        }
    }
}

/// Why a monitor ended. 16 bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum DownReason {
    /// The process exited, for this reason.
    Exit(ExitReason),
    /// The node that holds the name reported: no such process in this incarnation when the request
    /// arrived.
    #[doc(alias = "noproc")]
    NoProc,
    /// The connection to the node ended or could not be made. The process may still be alive.
    #[doc(alias = "noconnection")]
    NoConnection(SessionEnd),
}

impl DownReason {
    /// Whether the process is known to have ended because it was done: `Exit(Normal)` only.
    pub const fn is_normal(&self) -> bool {
        matches!(self, DownReason::Exit(reason) if reason.is_normal())
    }

    /// Whether the process is known to have ended: `true` for `Exit` and `NoProc`, never for
    /// `NoConnection`.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, DownReason::Exit(_) | DownReason::NoProc)
    }

    /// Why the process exited, if that is known.
    pub const fn exit(&self) -> Option<&ExitReason> {
        match self {
            DownReason::Exit(reason) => Some(reason),
            DownReason::NoProc | DownReason::NoConnection(_) => None,
        }
    }

    /// How the connection ended, or why it could not be made, if no more is known.
    pub const fn session_end(&self) -> Option<SessionEnd> {
        match self {
            DownReason::NoConnection(end) => Some(*end),
            DownReason::Exit(_) | DownReason::NoProc => None,
        }
    }

    /// How long the node had sent nothing, if its silence is the evidence.
    pub fn silent_for(&self) -> Option<Duration> {
        self.session_end()?.silent_for()
    }
}

impl PartialEq<ExitReason> for DownReason {
    fn eq(&self, other: &ExitReason) -> bool {
        self.exit() == Some(other)
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::Exit(reason) => write!(f, "exit: {reason}"),
            DownReason::NoProc => f.write_str("no such process"),
            DownReason::NoConnection(end) => write!(f, "no connection: {end}"),
        }
    }
}

impl fmt::Debug for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::Exit(reason) => write!(f, "Exit({reason:?})"),
            DownReason::NoProc => f.write_str("NoProc"),
            DownReason::NoConnection(end) => write!(f, "NoConnection({end:?})"),
        }
    }
}

// Deserialized from borrowed bytes, so that the limit is checked before memory is allocated.

impl Serialize for ReasonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Serialize for ReasonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(self) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(self),
        }
    }
}

struct Limited;

impl Limited {
    fn check<E: de::Error>(len: usize) -> Result<(), E> {
        if len > ExitReason::MAX_LEN { Err(E::invalid_length(len, &Limited)) } else { Ok(()) }
    }
}

impl de::Expected for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} bytes", ExitReason::MAX_LEN)
    }
}

impl<'de> Deserialize<'de> for ReasonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ReasonText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                de::Expected::fmt(&Limited, f)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ReasonText, E> {
                Limited::check(text.len())?;
                Ok(ReasonText(Arc::new(text.into())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl<'de> Deserialize<'de> for ReasonBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ReasonBytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                de::Expected::fmt(&Limited, f)
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<ReasonBytes, E> {
                Limited::check(bytes.len())?;
                Ok(ReasonBytes(Arc::new(bytes.into())))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

const _: () = assert!(size_of::<ExitReason>() == 16 && size_of::<DownReason>() == 16);
