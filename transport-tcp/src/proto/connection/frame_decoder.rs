//! The bytes of one connection, taken apart: frames for the session's user, beats and the peer's
//! last word for the connection itself. No socket: bytes in, frames out.

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

/// So many bytes, or frames, are enough at once.
const ENOUGH: usize = 16 * 1024;
const MANY: usize = 512;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    buffer: ReadBuffer,
    /// The frames that have arrived in part.
    assembly: Assembly,
}

/// A sign of life that has arrived, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Ping(u64),
    Pong(u64),
}

/// An error of the peer: one that keeps the rules never sends it.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    #[error("a frame that does not belong here: {0:?}")]
    Misplaced(Kind),
}

impl FrameDecoder {
    /// `carried`: what came behind the handshake. Frames have at most `max_frame` bytes, and on the
    /// wire at most `cut_at` if fragments are agreed on.
    pub(crate) fn new(carried: Vec<u8>, max_frame: usize, cut_at: Option<usize>) -> Self {
        FrameDecoder {
            buffer: ReadBuffer::new(carried, cut_at.map_or(max_frame, |at| at.min(max_frame))),
            // If none are agreed, any is too long.
            assembly: Assembly::new(cut_at.map_or(0, |_| max_frame)),
        }
    }

    /// As [`ReadBuffer::room`]: call it when [`take`](Self::take) has found no frame to hand over.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// As [`ReadBuffer::filled`].
    pub(crate) fn filled(&mut self, bytes: usize) -> bool {
        self.buffer.filled(bytes)
    }

    /// Takes whole frames, up to the peer's last word: returns that, if it was said. After it, and
    /// after an error, nothing counts any more. Of a flood it takes a part, so that what has come
    /// on another channel has its turn: more may be left if `frames` has grown.
    pub(crate) fn take(
        &mut self,
        frames: &mut FrameBuf,
        mut beat: impl FnMut(Beat),
    ) -> Result<Option<EndKind>, Broken> {
        let (bytes, count) = (frames.byte_len() + ENOUGH, frames.len() + MANY);
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
