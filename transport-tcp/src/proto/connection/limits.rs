//! The limits of one session.

use std::time::Duration;

use crate::config::Heartbeat;

/// The limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest frame we may send: the lower of both sides' limits.
    pub(crate) max_frame_out: usize,
    /// The same for what the session's user pushes, which is all of a frame or nearly.
    pub(crate) max_contents_out: usize,
    /// The longest frame we take.
    pub(crate) max_frame_in: usize,
    /// The longest body on the wire: what is longer travels in fragments. None if they are not
    /// agreed.
    pub(crate) cut_at: Option<usize>,
    pub(crate) max_message_queue: usize,
    pub(crate) max_signal_queue: usize,
    pub(crate) heartbeat: Heartbeat,
    /// How much longer the peer may take until it is heard of for the first time: as long as its
    /// own end of the handshake may take.
    pub(crate) head_start: Duration,
    /// For how long it is read again and again after something has come.
    pub(crate) spin: Option<Duration>,
}
