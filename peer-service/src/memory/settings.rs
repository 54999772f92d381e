//! What all links of a network have in common, and the range of each of these settings.

use std::time::Duration;

use thiserror::Error;

/// What all links of a network have in common. A number of bytes has no upper limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// After how long a silence a session ends. 5 s by default, more than 0; with `Duration::MAX`
    /// silence ends none.
    pub timeout: Duration,
    /// How long a dial may take. 5 s by default; with 0 it fails unless it is answered at once,
    /// with `Duration::MAX` it waits without limit.
    pub setup_timeout: Duration,
    /// The most bytes of a frame. 16 MiB and 1 KiB by default, at least 1. A node of
    /// `monitor-runtime` needs 128 KiB.
    pub max_frame: usize,
    /// Once so many bytes of messages wait in one direction of a session, further ones are refused.
    /// 8 MiB by default, at least 1.
    pub max_messages: usize,
    /// The bytes that may wait in one direction of a session in all; beyond it the session is
    /// overloaded. One frame that is longer may wait alone. 64 MiB by default, at least 1.
    pub max_waiting: usize,
    /// The bytes that a receiver buffers while nobody reads; the last frame may exceed it. 1 MiB by
    /// default, at least 1.
    pub receive_buffer: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            timeout: Duration::from_secs(5),
            setup_timeout: Duration::from_secs(5),
            max_frame: (16 << 20) + (1 << 10),
            max_messages: 8 << 20,
            max_waiting: 64 << 20,
            receive_buffer: 1 << 20,
        }
    }
}

impl Settings {
    /// The defaults.
    pub fn new() -> Self {
        Settings::default()
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub const fn timeout(mut self, silence: Duration) -> Self {
        self.timeout = silence;
        self
    }

    /// Sets [`setup_timeout`](Self::setup_timeout).
    #[must_use]
    pub const fn setup_timeout(mut self, dial: Duration) -> Self {
        self.setup_timeout = dial;
        self
    }

    /// Sets [`max_frame`](Self::max_frame).
    #[must_use]
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets [`max_messages`](Self::max_messages).
    #[must_use]
    pub const fn max_messages(mut self, bytes: usize) -> Self {
        self.max_messages = bytes;
        self
    }

    /// Sets [`max_waiting`](Self::max_waiting).
    #[must_use]
    pub const fn max_waiting(mut self, bytes: usize) -> Self {
        self.max_waiting = bytes;
        self
    }

    /// Sets [`receive_buffer`](Self::receive_buffer).
    #[must_use]
    pub const fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`SettingsError`] with the first that is not.
    pub fn check(&self) -> Result<(), SettingsError> {
        let checks = [
            ("timeout", !self.timeout.is_zero()),
            ("max_frame", self.max_frame > 0),
            ("max_messages", self.max_messages > 0),
            ("max_waiting", self.max_waiting > 0),
            ("receive_buffer", self.receive_buffer > 0),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(SettingsError { field }),
            None => Ok(()),
        }
    }
}

/// A setting is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field}: is 0; more is needed")]
pub struct SettingsError {
    /// The field of [`Settings`].
    pub field: &'static str,
}
