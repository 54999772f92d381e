//! The settings that all links of a network share, and their ranges.

use std::time::Duration;

use thiserror::Error;

/// The settings that all links of a network share. Each setter replaces the value of its setting;
/// getters have the prefix `get_`. A number of bytes has no upper limit.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) timeout: Duration,
    pub(super) setup_timeout: Duration,
    pub(super) max_frame: usize,
    pub(super) max_messages: usize,
    pub(super) max_waiting: usize,
    pub(super) receive_buffer: usize,
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

    /// Duration of silence after which a session ends. 5 s by default, more than 0; with
    /// `Duration::MAX` silence ends no session.
    #[must_use]
    pub const fn timeout(mut self, silence: Duration) -> Self {
        self.timeout = silence;
        self
    }

    /// Maximum duration of a dial. 5 s by default; with 0 it fails unless it is answered at once,
    /// with `Duration::MAX` it waits without limit.
    #[must_use]
    pub const fn setup_timeout(mut self, dial: Duration) -> Self {
        self.setup_timeout = dial;
        self
    }

    /// Maximum length of a frame in bytes. 16 MiB and 1 KiB by default, at least 1. A node of
    /// `monitor-runtime` needs 128 KiB.
    #[must_use]
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Soft limit, in bytes, of queued messages in one direction of a session: once this much is
    /// queued, further messages are refused. 8 MiB by default, at least 1.
    #[must_use]
    pub const fn max_messages(mut self, bytes: usize) -> Self {
        self.max_messages = bytes;
        self
    }

    /// Maximum number of bytes queued in one direction of a session; beyond it the session is
    /// overloaded. One longer frame may be queued alone. 64 MiB by default, at least 1.
    #[must_use]
    pub const fn max_waiting(mut self, bytes: usize) -> Self {
        self.max_waiting = bytes;
        self
    }

    /// Number of bytes that a receiver buffers until they are read; the last frame may exceed it. 1
    /// MiB by default, at least 1.
    #[must_use]
    pub const fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// The value of [`timeout`](Self::timeout).
    pub const fn get_timeout(&self) -> Duration {
        self.timeout
    }

    /// The value of [`setup_timeout`](Self::setup_timeout).
    pub const fn get_setup_timeout(&self) -> Duration {
        self.setup_timeout
    }

    /// The value of [`max_frame`](Self::max_frame).
    pub const fn get_max_frame(&self) -> usize {
        self.max_frame
    }

    /// The value of [`max_messages`](Self::max_messages).
    pub const fn get_max_messages(&self) -> usize {
        self.max_messages
    }

    /// The value of [`max_waiting`](Self::max_waiting).
    pub const fn get_max_waiting(&self) -> usize {
        self.max_waiting
    }

    /// The value of [`receive_buffer`](Self::receive_buffer).
    pub const fn get_receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Checks that every setting is in its range.
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
