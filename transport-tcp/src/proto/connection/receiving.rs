//! The receiving half of a connection: frames for the user, pings to be answered, and the peer's
//! last word.

use peer_service::{EndKind, FrameBuf};
use thiserror::Error;

use super::{
    frame_decoder::{Beat, Broken, FrameDecoder},
    limits::Limits,
    sending::Phase,
};

/// How much is read of the bytes that had arrived when the session was ended from this side.
const LAST_BYTES: usize = 4 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Receiving {
    decoder: FrameDecoder,
    /// How the session ends once the frames before were handed over.
    last_word: Option<EndKind>,
    /// How much may still be read after the end.
    last_bytes: usize,
}

/// The bytes that have arrived, taken apart.
#[derive(Debug, Default)]
pub struct Taken {
    /// Whether frames were handed over.
    pub any: bool,
    /// The ping to be answered.
    pub ping: Option<u64>,
    /// The highest number of a pong.
    pub pong: Option<u64>,
    /// How the peer has broken the protocol.
    pub broken: Option<ProtocolError>,
}

/// The peer has sent something that a peer that keeps the rules never sends.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ProtocolError(Broken);

/// The consequence of the peer's last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// The peer has hung up, but this node is closing the session, and its own frames may not all
    /// be sent yet: the [upkeep](super::upkeep) ends the session.
    PeerDone,
    /// The session ends.
    End(EndKind),
}

impl Receiving {
    /// A connection of which those bytes have arrived behind the handshake.
    pub fn new(carried: Vec<u8>, limits: &Limits) -> Self {
        Receiving {
            decoder: FrameDecoder::new(carried, limits.max_frame_in, limits.cut_at),
            last_word: None,
            last_bytes: LAST_BYTES,
        }
    }

    /// Hands over frames that have arrived. After the last word there are none.
    #[inline]
    pub fn take(&mut self, frames: &mut FrameBuf) -> Taken {
        let mut taken = Taken::default();
        if self.last_word.is_some() {
            return taken;
        }
        let before = frames.len();
        let result = self.decoder.take(frames, |beat| match beat {
            Beat::Ping(number) => taken.ping = Some(number),
            Beat::Pong(number) => taken.pong = taken.pong.max(Some(number)),
        });
        match result {
            Ok(last_word) => self.last_word = last_word,
            Err(broken) => {
                self.last_word = Some(EndKind::Protocol);
                taken.broken = Some(ProtocolError(broken));
            }
        }
        taken.any = frames.len() > before;
        taken
    }

    /// The consequence of the peer's last word, once [`take`](Self::take) hands over nothing more.
    /// `None` if more may arrive. `phase` is called if the peer has said its last word: it may
    /// acquire a lock.
    #[inline]
    pub fn last_word(&self, phase: impl FnOnce() -> Phase) -> Option<LastWord> {
        let kind = self.last_word?;
        let is_closing = matches!(phase(), Phase::Closing(_)) && kind != EndKind::Protocol;
        Some(if is_closing { LastWord::PeerDone } else { LastWord::End(kind) })
    }

    /// Room for the next read; never empty. Call it when [`take`](Self::take) has handed over
    /// nothing.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.decoder.room()
    }

    /// That many bytes were read into the room; `has_ended` if the session had ended before.
    /// Returns whether they filled the room: there may be more.
    #[inline]
    pub fn filled(&mut self, bytes: usize, has_ended: bool) -> bool {
        if has_ended {
            self.last_bytes = self.last_bytes.saturating_sub(bytes);
        }
        self.decoder.filled(bytes)
    }

    /// Whether a session that has ended from this side still hands over what had arrived.
    pub fn reads_on(&self) -> bool {
        self.last_bytes > 0
    }

    /// Nothing more will arrive.
    pub fn hung_up(&mut self) {
        self.last_word = Some(EndKind::Closed);
    }
}
