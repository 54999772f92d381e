//! The frames of several connections as those of one session: what must wait for other channels waits here. No socket:
//! frames in, frames out.

use std::collections::VecDeque;

use peer_service::{ChannelId, EndKind, FrameBuf};

use super::{
    fences::{Awaited, TooMuch},
    framing::{self, Framed},
};

/// See the [module](self).
pub(crate) struct Merge {
    /// By place.
    ids: Vec<ChannelId>,
    awaited: Awaited,
    /// Frames that have waited for other channels and need not wait any more.
    released: VecDeque<(ChannelId, Vec<u8>)>,
}

impl Merge {
    /// `ids`: what the own node calls the channels, by their places.
    pub(crate) fn new(ids: Vec<ChannelId>) -> Self {
        Merge { ids, awaited: Awaited::default(), released: VecDeque::new() }
    }

    /// Takes frames that came on one channel; those that wait for nothing are handed over to `frames`, which holds
    /// nothing of another channel.
    ///
    /// # Errors
    /// How the session ends, because the peer breaks the rules; what was handed over before counts.
    pub(crate) fn take(
        &mut self,
        place: usize,
        raw: &FrameBuf,
        frames: &mut FrameBuf,
    ) -> Result<(), EndKind> {
        frames.channel = self.ids[place];
        raw.iter().try_for_each(|frame| self.take_one(place, frame, frames))
    }

    fn take_one(&mut self, place: usize, frame: &[u8], frames: &mut FrameBuf) -> Result<(), EndKind> {
        let too_much = |TooMuch| EndKind::Overloaded;
        match framing::read(frame).ok_or(EndKind::Protocol)? {
            Framed::Plain(contents) => frames.push(contents),
            Framed::Fenced(number, on, contents) => {
                if self.awaited.frame(number, on, self.ids[place], contents).map_err(too_much)? {
                    frames.push(contents);
                }
            }
            Framed::Mark(number) => {
                self.released.extend(self.awaited.mark(number, place).map_err(too_much)?);
            }
        }
        Ok(())
    }

    /// Hands frames of one channel over that need not wait any more. Whether there are any.
    pub(crate) fn hand_released_over(&mut self, frames: &mut FrameBuf) -> bool {
        let Some(&(channel, _)) = self.released.front() else { return false };
        frames.channel = channel;
        while self.released.front().is_some_and(|(other, _)| *other == channel) {
            let (_, contents) = self.released.pop_front().expect("there is one in front");
            frames.push(&contents);
        }
        true
    }
}
