//! What can be done to this crate with bytes alone. For the fuzzer and its tests; nobody else may
//! rely on it.
//!
//! Every function takes any bytes, and panics where the crate breaks a promise.

mod handshake;
mod session;

pub use handshake::{acceptor, attachment, initiator};
pub use session::session;

use crate::proto::wire::{self, Frame, Kind, Parsed};

/// Frames, read at several limits.
pub fn frames(bytes: &[u8]) {
    for max_body in [0, 1, 1024, 64 << 10, 64 << 20] {
        let mut rest = bytes;
        while let Some((_, body)) = next_frame(&mut rest, max_body) {
            assert!(body.len() <= max_body);
        }
    }
}

/// Takes the first frame; none if it is cut short or no frame.
fn next_frame<'a>(bytes: &mut &'a [u8], max_body: usize) -> Option<(Kind, &'a [u8])> {
    match wire::parse(bytes, max_body) {
        Ok(Parsed::Frame(Frame { kind, body })) => {
            let (frame, rest) = bytes.split_at(body.end);
            *bytes = rest;
            Some((kind, &frame[body]))
        }
        Ok(Parsed::Partial(whole)) => {
            if let Some(whole) = whole {
                assert!(bytes.len() < whole && whole <= max_body + wire::MAX_HEADER);
            }
            None
        }
        Err(_) => None,
    }
}
