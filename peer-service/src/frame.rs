//! Frames: their metadata for pushing, and the buffer in which they arrive.

use refs::ChannelId;

/// The class of a frame, which decides what happens when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A monitor signal: never dropped while the session is open.
    Signal,
    /// A user message: refused when the queue is full.
    Message,
}

/// A set of a node's channels, which always includes the default one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channels(u8);

const _: () = assert!(ChannelId::LIMIT <= u8::BITS as usize);

impl Channels {
    /// The default channel alone.
    pub const DEFAULT: Channels = Channels(1);

    /// The set with that channel.
    #[must_use]
    pub const fn with(self, channel: ChannelId) -> Self {
        Channels(self.0 | 1 << channel.place())
    }

    /// Whether the set contains that channel.
    pub const fn has(self, channel: ChannelId) -> bool {
        self.0 >> channel.place() & 1 == 1
    }

    /// Number of channels.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Always false: the set contains the default channel.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// All channels of the set, the default one first.
    pub fn iter(self) -> impl Iterator<Item = ChannelId> {
        ChannelId::all().filter(move |&channel| self.has(channel))
    }
}

impl Default for Channels {
    fn default() -> Self {
        Channels::DEFAULT
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(ChannelId::place)).finish()
    }
}

/// Metadata of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameMeta {
    /// Signal or message.
    pub class: Class,
    /// Frames of equal `order` on one channel are never reordered. By convention the sending
    /// process.
    pub order: u64,
    /// The channel for the frame; the default one if the session does not have it.
    pub channel: ChannelId,
    /// The frame arrives after all frames of its order that were pushed before it, on whatever
    /// channel. Frames that are pushed later may overtake it.
    pub after_all: bool,
}

impl FrameMeta {
    /// A signal of order 0, on the default channel.
    pub const SIGNAL: FrameMeta = FrameMeta::signal(0);

    /// A signal of that sender, on the default channel.
    pub const fn signal(order: u64) -> FrameMeta {
        FrameMeta { class: Class::Signal, order, channel: ChannelId::DEFAULT, after_all: false }
    }

    /// A message of that sender, on the default channel.
    pub const fn message(order: u64) -> FrameMeta {
        FrameMeta { class: Class::Message, order, channel: ChannelId::DEFAULT, after_all: false }
    }

    /// The same on another channel.
    #[must_use]
    pub const fn on(self, channel: ChannelId) -> FrameMeta {
        FrameMeta { channel, ..self }
    }

    /// The same, [after all](FrameMeta::after_all) frames of its order.
    #[must_use]
    pub const fn after_all(self) -> FrameMeta {
        FrameMeta { after_all: true, ..self }
    }
}

/// Complete frames of one channel, one after the other in one buffer, which is reused.
#[derive(Clone, Debug, Default)]
pub struct FrameBuf {
    /// The channel on which the frames arrived.
    pub channel: ChannelId,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl FrameBuf {
    /// An empty buffer.
    pub fn new() -> Self {
        FrameBuf::default()
    }

    /// Empties the buffer; keeps its memory for the next use, up to a limit.
    pub fn clear(&mut self) {
        const KEEP: usize = 256 * 1024;
        self.bytes.clear();
        self.ends.clear();
        self.bytes.shrink_to(KEEP);
        self.ends.shrink_to(KEEP / size_of::<usize>());
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// The frames, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// The frame with that index, in order of arrival.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Total length of the frames in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }
}
