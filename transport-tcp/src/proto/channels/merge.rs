//! Merges the frames of several connections into those of one session, and holds back frames that
//! wait for other channels. No socket: frames in, frames out.

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
    /// Frames whose marks have all arrived, in the order in which the last mark of each arrived.
    /// For frames of one order that is the order of the pushes: on every channel the mark of a
    /// later frame is behind the mark of an earlier one, or behind the earlier frame itself.
    released: VecDeque<(ChannelId, Vec<u8>)>,
}

impl Merge {
    /// `ids`: the local node's ids of the channels, by their places.
    pub(crate) fn new(ids: Vec<ChannelId>) -> Self {
        Merge { ids, awaited: Awaited::default(), released: VecDeque::new() }
    }

    /// Processes frames that arrived on one channel; those that wait for no mark are appended to
    /// `frames`, which holds frames of no other channel.
    ///
    /// # Errors
    /// The end of the session, because the peer violates the protocol; the frames appended before
    /// are valid.
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
                let channel = self.ids[place];
                if self.awaited.frame(number, on, channel, contents).map_err(too_much)? {
                    if self.released.is_empty() {
                        frames.push(contents);
                    } else {
                        // It must not pass the frames that were released before it.
                        self.released.push_back((channel, contents.to_vec()));
                    }
                }
            }
            Framed::Mark(number) => {
                self.released.extend(self.awaited.mark(number, place).map_err(too_much)?);
            }
        }
        Ok(())
    }

    /// Appends released frames of one channel. Returns whether there are any.
    pub(crate) fn take_released(&mut self, frames: &mut FrameBuf) -> bool {
        let Some(&(channel, _)) = self.released.front() else { return false };
        frames.channel = channel;
        while self.released.front().is_some_and(|(other, _)| *other == channel) {
            let (_, contents) = self.released.pop_front().expect("the loop has checked that there is one");
            frames.push(&contents);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::channels::framing::Places;

    const BULK: ChannelId = ChannelId::new(1).expect("a node has more");
    const OTHER: ChannelId = ChannelId::new(2).expect("a node has more");

    /// The frames of one read.
    fn raw<const N: usize>(frames: [Vec<u8>; N]) -> FrameBuf {
        let mut raw = FrameBuf::new();
        frames.iter().for_each(|frame| raw.push(frame));
        raw
    }

    fn fenced(number: u64, on: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        framing::fenced(&mut frame, number, Places(on));
        frame.push(number as u8);
        frame
    }

    fn mark(number: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        framing::mark(&mut frame, number);
        frame
    }

    fn plain(contents: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        framing::plain(&mut frame);
        frame.push(contents);
        frame
    }

    /// The frames that the user of the session receives after that read, in order.
    fn arrives(merge: &mut Merge, place: usize, raw: &FrameBuf) -> Vec<(ChannelId, u8)> {
        let mut arrived = Vec::new();
        let mut frames = FrameBuf::new();
        merge.take(place, raw, &mut frames).unwrap();
        loop {
            arrived.extend(frames.iter().map(|frame| (frames.channel, frame[0])));
            frames.clear();
            if !merge.take_released(&mut frames) {
                return arrived;
            }
        }
    }

    fn merge() -> Merge {
        Merge::new(vec![ChannelId::DEFAULT, BULK, OTHER])
    }

    #[test]
    fn fenced_frames_of_one_order_on_two_channels_arrive_in_their_order() {
        // The order has used the default channel and bulk; then it pushes 1 on bulk and 2 on the
        // default one.
        let bulk = raw([fenced(1, 0b01), mark(2)]);
        let default = raw([mark(1), fenced(2, 0b10), plain(9)]);

        let mut bulk_first = merge();
        assert_eq!(arrives(&mut bulk_first, 1, &bulk), []);
        let arrived = arrives(&mut bulk_first, 0, &default);
        let of_the_order: Vec<_> = arrived.iter().copied().filter(|(_, contents)| *contents != 9).collect();
        assert_eq!(of_the_order, [(BULK, 1), (ChannelId::DEFAULT, 2)]);
        assert_eq!(arrived.len(), 3);

        let mut default_first = merge();
        assert_eq!(arrives(&mut default_first, 0, &default), [(ChannelId::DEFAULT, 9)]);
        assert_eq!(arrives(&mut default_first, 1, &bulk), [(BULK, 1), (ChannelId::DEFAULT, 2)]);
    }

    #[test]
    fn fenced_frames_of_one_order_on_three_channels_arrive_in_their_order_however_they_are_read() {
        // Each waits for the other two channels.
        let reads = [
            raw([fenced(1, 0b110), mark(2), mark(3), fenced(4, 0b110)]),
            raw([mark(1), fenced(2, 0b101), mark(3), mark(4)]),
            raw([mark(1), mark(2), fenced(3, 0b011), mark(4)]),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut merge = merge();
            let arrived = order.map(|place| arrives(&mut merge, place, &reads[place])).concat();
            assert_eq!(
                arrived.iter().map(|(_, frame)| *frame).collect::<Vec<_>>(),
                [1, 2, 3, 4],
                "{order:?}"
            );
        }
    }
}
