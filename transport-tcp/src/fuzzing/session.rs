//! A session with an authenticated peer that follows no rule.
//!
//! The first byte says how many connections the session has, and whether fragments are agreed. The
//! following bytes are pieces of input, as reads would return them: the connection, a length of two
//! bytes, and that many bytes.

use peer_service::{ChannelId, EndKind, FrameBuf};

use crate::proto::{channels::Merge, connection::frame_decoder::FrameDecoder};

/// Low, so that a fuzzer reaches it.
const MAX_FRAME: usize = 4096;
const CUT_AT: usize = 1024;

/// Feeds the input of a session to its end: decoding, assembly and merging.
pub fn session(bytes: &[u8]) {
    let Some((&first, input)) = bytes.split_first() else { return };
    let channels = usize::from(first & 7) + 1;
    let mut session = Session::new(channels, first & 8 != 0);
    let mut arrived = 0;
    for (place, piece) in Pieces(input) {
        arrived += piece.len();
        let ended = session.arrives(usize::from(place) % channels, piece).is_err();
        assert!(session.handed_over <= arrived, "more was handed over than has arrived");
        if ended {
            return;
        }
    }
}

/// The session with the state of its connections' readers and of its user.
struct Session {
    connections: Vec<FrameDecoder>,
    /// `None` if there is one connection: then nothing precedes the contents of a frame.
    merge: Option<Merge>,
    handed_over: usize,
}

impl Session {
    fn new(channels: usize, fragments: bool) -> Self {
        let decoder = |_| FrameDecoder::new(Vec::new(), MAX_FRAME, fragments.then_some(CUT_AT));
        let ids = ChannelId::all().take(channels).collect();
        Session {
            connections: (0..channels).map(decoder).collect(),
            merge: (channels > 1).then(|| Merge::new(ids)),
            handed_over: 0,
        }
    }

    /// Feeds the bytes of one read of a connection. An error is the end of the session.
    fn arrives(&mut self, place: usize, mut piece: &[u8]) -> Result<(), EndKind> {
        while !piece.is_empty() {
            let room = self.connections[place].room();
            let (now, later) = piece.split_at(room.len().min(piece.len()));
            room[..now.len()].copy_from_slice(now);
            self.connections[place].filled(now.len());
            piece = later;
            self.take(place)?;
        }
        Ok(())
    }

    /// Takes everything that has arrived on that connection, a part at a time.
    fn take(&mut self, place: usize) -> Result<(), EndKind> {
        while self.take_part(place)? {}
        Ok(())
    }

    /// Returns whether there may be more.
    fn take_part(&mut self, place: usize) -> Result<bool, EndKind> {
        let mut raw = FrameBuf::new();
        let taken = self.connections[place].take(&mut raw, |_| {});
        if let Some(merge) = &mut self.merge {
            let mut frames = FrameBuf::new();
            let merged = merge.take(place, &raw, &mut frames);
            self.hand_over(&frames);
            merged?;
            self.take_released();
        } else {
            self.hand_over(&raw);
        }
        match taken {
            Ok(None) => Ok(!raw.is_empty()),
            Ok(Some(last_word)) => Err(last_word),
            Err(_) => Err(EndKind::Protocol),
        }
    }

    fn take_released(&mut self) {
        let mut frames = FrameBuf::new();
        while self.merge.as_mut().is_some_and(|merge| merge.take_released(&mut frames)) {
            self.hand_over(&frames);
            frames.clear();
        }
    }

    fn hand_over(&mut self, frames: &FrameBuf) {
        assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME));
        self.handed_over += frames.byte_len();
    }
}

/// The input, split into reads.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([place, low, high], rest) = self.0.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (piece, rest) = rest.split_at(len);
        self.0 = rest;
        Some((*place, piece))
    }
}
