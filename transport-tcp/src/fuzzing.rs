//! Entry points that take bytes, for the fuzzer and its tests. No other code may rely on them.
//!
//! Every function accepts any bytes, and panics where the crate breaks a promise.

mod handshake;
mod session;

pub use handshake::{acceptor, attachment, initiator};
pub use session::session;

use crate::proto::wire::{self, Frame, Kind, Parsed};

/// Parses frames at several limits.
pub fn frames(bytes: &[u8]) {
    for max_body in [0, 1, 1024, 64 << 10, 64 << 20] {
        let mut remaining = bytes;
        while let Some((_, body)) = next_frame(&mut remaining, max_body) {
            assert!(body.len() <= max_body);
        }
    }
}

/// Removes the first frame from `bytes`; `None` if it is incomplete or malformed.
fn next_frame<'a>(bytes: &mut &'a [u8], max_body: usize) -> Option<(Kind, &'a [u8])> {
    match wire::parse(bytes, max_body) {
        Ok(Parsed::Frame(Frame { kind, body })) => {
            let (frame, tail) = bytes.split_at(body.end);
            *bytes = tail;
            Some((kind, &frame[body]))
        }
        Ok(Parsed::Partial(frame_len)) => {
            if let Some(frame_len) = frame_len {
                assert!(bytes.len() < frame_len && frame_len <= max_body + wire::MAX_HEADER);
            }
            None
        }
        Err(_) => None,
    }
}
