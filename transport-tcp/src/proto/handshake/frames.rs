//! Reads the frames of a handshake from the bytes of a connection.

use super::HandshakeError;
use crate::proto::wire::{self, Kind, MAX_HEADER, Parsed};

/// Maximum length of a frame of a handshake, header and body.
pub(crate) const MAX_FRAME: usize = 1024;

const MAX_BODY: usize = MAX_FRAME - MAX_HEADER;

/// Received bytes that were not decoded yet: at most one frame of a handshake.
#[derive(Debug)]
pub struct HandshakeFrames {
    bytes: Box<[u8; MAX_FRAME]>,
    filled: usize,
}

impl HandshakeFrames {
    pub(crate) fn new() -> Self {
        HandshakeFrames { bytes: Box::new([0; MAX_FRAME]), filled: 0 }
    }

    /// The space for the next read; empty only if the peer has sent a frame too early.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Reports that `bytes` bytes were read into the space.
    pub fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Whether there are no received bytes that were not decoded.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The next frame. `None` if it has not arrived completely.
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, HandshakeError> {
        let arrived = &self.bytes[..self.filled];
        if is_tls(arrived) {
            return Err(HandshakeError::SpeaksTls);
        }
        let Parsed::Frame(frame) = wire::parse(arrived, MAX_BODY)? else { return Ok(None) };
        let body = arrived[frame.body.clone()].to_vec();
        self.bytes.copy_within(frame.body.end..self.filled, 0);
        self.filled -= frame.body.end;
        Ok(Some((frame.kind, body)))
    }

    /// The bytes that arrived after the handshake.
    pub fn into_rest(self) -> Vec<u8> {
        self.bytes[..self.filled].to_vec()
    }
}

/// Encodes a frame of a handshake.
pub(crate) fn encode(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + MAX_HEADER);
    wire::append(&mut frame, kind, MAX_BODY, &mut |out| out.extend_from_slice(body))
        .expect("no message of a handshake is longer than its frames may be");
    frame
}

/// Whether these bytes begin like a TLS record: a handshake or an alert, in some version 3.x. As a
/// frame they would be a pong, which is not allowed in a handshake.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 3, ..])
}
