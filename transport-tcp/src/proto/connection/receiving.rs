//! The receiving half of a connection: frames for the user, pings to be answered, and the peer's
//! goodbye.

use peer_service::{EndKind, FrameBuf};
use thiserror::Error;

use super::{
    frame_decoder::{Beat, Broken, FrameDecoder},
    limits::Limits,
    sending::Phase,
};

/// Maximum number of bytes that are read after the local node has ended the session.
const LAST_BYTES: usize = 4 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Receiving {
    decoder: FrameDecoder,
    /// The end of the session, after all frames before it were returned.
    last_word: Option<EndKind>,
    /// Number of bytes that may still be read after the end.
    last_bytes: usize,
}

/// The result of decoding.
#[derive(Debug, Default)]
pub struct Taken {
    /// Whether there were frames.
    pub any: bool,
    /// The ping to be answered.
    pub ping: Option<u64>,
    /// The highest number of a received pong.
    pub pong: Option<u64>,
    /// The peer's violation of the protocol.
    pub broken: Option<ProtocolError>,
}

/// The peer has violated the protocol.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ProtocolError(Broken);

/// The consequence of the end of the peer's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// The peer has closed its side, but this node is closing the session, and its own frames may
    /// not all be sent yet: the [upkeep](super::upkeep) ends the session.
    PeerDone,
    /// The session ends.
    End(EndKind),
}

impl Receiving {
    /// The receiving half of a connection; `carried` are the bytes that arrived after the
    /// handshake.
    pub fn new(carried: Vec<u8>, limits: &Limits) -> Self {
        Receiving {
            decoder: FrameDecoder::new(carried, limits.max_frame_in, limits.cut_at),
            last_word: None,
            last_bytes: LAST_BYTES,
        }
    }

    /// Decodes received frames. After the goodbye it returns none.
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

    /// The consequence of the end of the peer's frames, once [`take`](Self::take) returns no more
    /// frames. `None` if more may arrive. `phase` is called only if the peer's frames have ended:
    /// it may acquire a lock.
    #[inline]
    pub fn last_word(&self, phase: impl FnOnce() -> Phase) -> Option<LastWord> {
        let kind = self.last_word?;
        let is_closing = matches!(phase(), Phase::Closing(_)) && kind != EndKind::Protocol;
        Some(if is_closing { LastWord::PeerDone } else { LastWord::End(kind) })
    }

    /// The space for the next read; never empty. Call it when [`take`](Self::take) has returned no
    /// frames.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.decoder.room()
    }

    /// Reports that `bytes` bytes were read into the space; `has_ended` if the session had ended
    /// before. Returns whether they filled the space: there may be more.
    #[inline]
    pub fn filled(&mut self, bytes: usize, has_ended: bool) -> bool {
        if has_ended {
            self.last_bytes = self.last_bytes.saturating_sub(bytes);
        }
        self.decoder.filled(bytes)
    }

    /// Whether a session that the local node has ended still returns frames that had arrived.
    pub fn reads_on(&self) -> bool {
        self.last_bytes > 0
    }

    /// The peer has closed the connection.
    pub fn hung_up(&mut self) {
        self.last_word = Some(EndKind::Closed);
    }
}
