//! The limits of a session, from the configuration of the local node and the negotiation with its
//! peer.

use std::time::Duration;

use crate::{
    config::TcpConfig,
    proto::channels,
    proto::{
        connection::{fragment, limits::Limits},
        handshake::Negotiated,
    },
};

/// The duration of a request and its reply with a wake at either end.
const SPIN: Duration = Duration::from_micros(100);

impl Limits {
    /// The limits of a session between a node with that configuration and that peer.
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
            heartbeat: config.get_heartbeat(),
            head_start: config.get_setup_timeout(),
            probe_timeout: config.probe_timeout(),
            linger: config.linger(),
            spin: config.low_latency.then_some(SPIN),
        }
    }
}
