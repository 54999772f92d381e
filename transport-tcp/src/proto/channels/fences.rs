//! Fences: a frame that comes after all frames of its order waits for marks on other channels. The
//! sender records on which channels, and the receiver holds the frame back until the marks have
//! arrived.

use std::collections::HashMap;

use peer_service::ChannelId;

use super::framing::Places;

/// The channels that each order has used, at the sender.
///
/// An order that has used only the default channel is not recorded. The size is bounded: at the
/// limit all records are discarded, and from then on an order without a record may have used any
/// channel, so that its last frame waits for more channels than necessary.
pub(crate) struct Used {
    by_order: HashMap<u64, Places>,
    unknown: Places,
    all: Places,
    last: u64,
}

impl Used {
    const MAX_ENTRIES: usize = 1 << 16;

    pub(crate) fn new(channels: usize) -> Self {
        let all = Places((0..channels).fold(0, |all, place| all | Places::one(place).0));
        Used { by_order: HashMap::new(), unknown: Places::one(0), all, last: 0 }
    }

    /// Records that the order uses that channel.
    pub(crate) fn note(&mut self, order: u64, place: usize) {
        let before = self.of(order);
        let now = before.and(Places::one(place));
        if now == before {
            return;
        }
        if self.by_order.len() >= Used::MAX_ENTRIES {
            self.by_order.clear();
            self.unknown = self.all;
        }
        self.by_order.insert(order, now);
    }

    /// The channels that the order may have used.
    pub(crate) fn of(&self, order: u64) -> Places {
        self.by_order.get(&order).copied().unwrap_or(self.unknown)
    }

    /// Returns a number for a frame that waits for marks.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// The frames that wait for marks, and the marks that wait for their frame, at the receiver.
#[derive(Default)]
pub(crate) struct Awaited {
    frames: HashMap<u64, Frame>,
    bytes: usize,
    /// Marks whose frames have not arrived yet.
    marks: HashMap<u64, Places>,
}

struct Frame {
    channel: ChannelId,
    missing: Places,
    contents: Vec<u8>,
}

/// The peer has exceeded the limits of waiting frames and marks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl Awaited {
    /// Maximum number of waiting frames, and of waiting marks; maximum total length of the frames
    /// in bytes.
    const MAX_ENTRIES: usize = 1 << 20;
    const MAX_BYTES: usize = 64 << 20;

    /// A frame that waits for marks with that number. Returns true if all of them have arrived.
    pub(crate) fn frame(
        &mut self,
        number: u64,
        on: Places,
        channel: ChannelId,
        contents: &[u8],
    ) -> Result<bool, TooMuch> {
        let missing = on.without(self.marks.remove(&number).unwrap_or_default());
        if missing == Places::default() {
            return Ok(true);
        }
        self.bytes += contents.len();
        if self.frames.len() >= Self::MAX_ENTRIES || self.bytes > Self::MAX_BYTES {
            return Err(TooMuch);
        }
        self.frames.insert(number, Frame { channel, missing, contents: contents.to_vec() });
        Ok(false)
    }

    /// A mark on that channel. Returns its frame if all marks have arrived.
    pub(crate) fn mark(
        &mut self,
        number: u64,
        place: usize,
    ) -> Result<Option<(ChannelId, Vec<u8>)>, TooMuch> {
        let Some(frame) = self.frames.get_mut(&number) else {
            let seen = self.marks.entry(number).or_default();
            *seen = seen.and(Places::one(place));
            return if self.marks.len() > Self::MAX_ENTRIES { Err(TooMuch) } else { Ok(None) };
        };
        frame.missing = frame.missing.without(Places::one(place));
        if frame.missing != Places::default() {
            return Ok(None);
        }
        let frame = self.frames.remove(&number).expect("it was just found");
        self.bytes -= frame.contents.len();
        Ok(Some((frame.channel, frame.contents)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: ChannelId = ChannelId::new(3).expect("a node has more");

    #[test]
    fn the_used_channels_of_an_order_are_recorded() {
        let mut used = Used::new(3);
        assert_eq!(used.of(1), Places(0b001), "the default channel costs nothing to remember");
        used.note(1, 0);
        assert_eq!(used.by_order.len(), 0);
        used.note(1, 2);
        assert_eq!((used.of(1), used.of(2)), (Places(0b101), Places(0b001)));
    }

    #[test]
    fn an_order_without_a_record_may_have_used_any_channel() {
        let mut used = Used::new(3);
        (0..=Used::MAX_ENTRIES as u64).for_each(|order| used.note(order, 1));
        assert_eq!(used.by_order.len(), 1);
        assert_eq!(used.of(5), Places(0b111));
    }

    #[test]
    fn a_frame_waits_for_its_marks_however_they_come() {
        let mut awaited = Awaited::default();
        assert_eq!(awaited.mark(1, 2), Ok(None));
        assert_eq!(awaited.frame(1, Places(0b110), ON, b"last"), Ok(false));
        assert_eq!(awaited.mark(2, 1), Ok(None), "of another frame");
        assert_eq!(awaited.mark(1, 2), Ok(None), "the same again");
        assert_eq!(awaited.mark(1, 1), Ok(Some((ON, b"last".to_vec()))));
        assert_eq!(awaited.frame(2, Places(0b010), ON, b"at once"), Ok(true));
        assert_eq!((awaited.bytes, awaited.frames.len(), awaited.marks.len()), (0, 0, 0));
    }

    #[test]
    fn a_peer_can_make_only_so_much_wait() {
        let mut awaited = Awaited::default();
        let megabyte = vec![0; 1 << 20];
        let frames = (0..64).map(|number| awaited.frame(number, Places(1), ON, &megabyte));
        assert!(frames.into_iter().all(|frame| frame == Ok(false)));
        assert_eq!(awaited.frame(64, Places(1), ON, b"x"), Err(TooMuch));

        let mut awaited = Awaited::default();
        assert!((0..Awaited::MAX_ENTRIES as u64).all(|number| awaited.mark(number, 0) == Ok(None)));
        assert_eq!(awaited.mark(u64::MAX, 0), Err(TooMuch));
    }
}
