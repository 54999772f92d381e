//! Decodes the bytes of one connection: frames for the session's user; pings, pongs and the goodbye
//! for the connection itself. No socket: bytes in, frames out.

use peer_service::{EndKind, FrameBuf};
use thiserror::Error;

use crate::{
    proto::connection::goodbye::goodbye_kind,
    proto::{
        connection::{
            fragment::{Assembly, FragmentError},
            read_buffer::ReadBuffer,
        },
        wire::{Kind, WireError},
    },
};

/// Number of bytes, and of frames, after which one call of `take` stops.
const MAX_BYTES: usize = 16 * 1024;
const MAX_FRAMES: usize = 512;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    buffer: ReadBuffer,
    /// The frames that have arrived in part.
    assembly: Assembly,
}

/// A received ping or pong, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Ping(u64),
    Pong(u64),
}

/// A violation of the protocol by the peer.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    #[error("a frame out of place: {0:?}")]
    Misplaced(Kind),
}

impl FrameDecoder {
    /// `carried`: the bytes that arrived after the handshake. Frames have at most `max_frame`
    /// bytes, and on the wire at most `cut_at` if fragments are agreed.
    pub(crate) fn new(carried: Vec<u8>, max_frame: usize, cut_at: Option<usize>) -> Self {
        FrameDecoder {
            buffer: ReadBuffer::new(carried, cut_at.map_or(max_frame, |at| at.min(max_frame))),
            // If fragments are not agreed, the limit of 0 refuses any.
            assembly: Assembly::new(cut_at.map_or(0, |_| max_frame)),
        }
    }

    /// As [`ReadBuffer::room`]: call it when [`take`](Self::take) has returned no frame.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// As [`ReadBuffer::filled`].
    pub(crate) fn filled(&mut self, bytes: usize) -> bool {
        self.buffer.filled(bytes)
    }

    /// Decodes complete frames, up to the goodbye, whose kind it returns. After a goodbye or an
    /// error, further bytes are ignored. One call decodes a limited amount, so that frames on
    /// another channel are not delayed by a flood: more may be left if `frames` has grown.
    pub(crate) fn take(
        &mut self,
        frames: &mut FrameBuf,
        mut beat: impl FnMut(Beat),
    ) -> Result<Option<EndKind>, Broken> {
        let (bytes, count) = (frames.byte_len() + MAX_BYTES, frames.len() + MAX_FRAMES);
        while frames.byte_len() < bytes && frames.len() < count {
            let Some((kind, range)) = self.buffer.next()? else { break };
            let body = self.buffer.body(range);
            match (kind, <[u8; 8]>::try_from(body)) {
                (Kind::Data, _) => frames.push(body),
                (Kind::Fragment, _) => {
                    if let Some(frame) = self.assembly.take(body)? {
                        frames.push(&frame);
                    }
                }
                (Kind::Ping, Ok(number)) => beat(Beat::Ping(u64::from_be_bytes(number))),
                (Kind::Pong, Ok(number)) => beat(Beat::Pong(u64::from_be_bytes(number))),
                (Kind::Goodbye, _) => return Ok(Some(goodbye_kind(body))),
                _ => return Err(Broken::Misplaced(kind)),
            }
        }
        Ok(None)
    }
}
