//! The limits of one session.

use std::time::Duration;

use crate::config::Heartbeat;

/// The limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum length of a sent frame: the lower of both sides' limits.
    pub(crate) max_frame_out: usize,
    /// The same for the contents that the session's user pushes, without the overhead of channels.
    pub(crate) max_contents_out: usize,
    /// Maximum length of a received frame.
    pub(crate) max_frame_in: usize,
    /// Maximum length of a body on the wire: a longer frame is sent in fragments. `None` if
    /// fragments are not agreed.
    pub(crate) cut_at: Option<usize>,
    pub(crate) max_message_queue: usize,
    pub(crate) max_signal_queue: usize,
    pub(crate) heartbeat: Heartbeat,
    /// Additional time for the first bytes of the peer: the maximum duration of the peer's part of
    /// the handshake.
    pub(crate) head_start: Duration,
    /// Duration of the probe of an old session.
    pub(crate) probe_timeout: Duration,
    /// Maximum time that a closed session waits until the peer closes its side.
    pub(crate) linger: Duration,
    /// Time for which the connection is polled after an arrival.
    pub(crate) spin: Option<Duration>,
}
