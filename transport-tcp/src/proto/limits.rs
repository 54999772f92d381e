//! The limits of one session.

use std::time::Duration;

use crate::{
    config::{Heartbeat, TcpConfig},
    proto::channels,
    proto::{connection::fragment, handshake::Negotiated},
};

/// The limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest frame we may send: the lower of both sides' limits.
    pub(crate) max_frame_out: usize,
    /// The same for what the session's user pushes, which is all of a frame or nearly.
    pub(crate) max_contents_out: usize,
    /// The longest frame we take.
    pub(crate) max_frame_in: usize,
    /// The longest body on the wire: what is longer travels in fragments. None if they are not agreed.
    pub(crate) cut_at: Option<usize>,
    pub(crate) max_message_queue: usize,
    pub(crate) max_signal_queue: usize,
    pub(crate) heartbeat: Heartbeat,
    /// How much longer the peer may take until it is heard of for the first time: as long as its own end of the
    /// handshake may take.
    pub(crate) head_start: Duration,
    /// For how long it is read again and again after something has come.
    pub(crate) spin: Option<Duration>,
}

/// As long as a question and its answer take with a wake at either end.
const SPIN: Duration = Duration::from_micros(100);

impl Limits {
    /// The limits of a session between a node of that configuration and that peer.
    pub fn between(config: &TcpConfig, negotiated: &Negotiated) -> Self {
        let cut_at = fragment::are_agreed(negotiated.features).then_some(fragment::LONGEST);
        let max_frame_in = fragment::longest(config.max_frame, negotiated.features);
        let max_frame_out = max_frame_in.min(negotiated.max_frame as usize);
        let overhead = if negotiated.channels.is_empty() { 0 } else { channels::OVERHEAD };
        Limits {
            max_frame_out: max_frame_out + overhead,
            max_frame_in: max_frame_in + overhead,
            max_contents_out: max_frame_out,
            cut_at,
            max_message_queue: config.max_message_queue,
            max_signal_queue: config.max_signal_queue,
            heartbeat: config.heartbeat,
            head_start: config.setup_timeout,
            spin: config.low_latency.then_some(SPIN),
        }
    }
}
