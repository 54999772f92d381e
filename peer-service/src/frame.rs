//! Frames: what is said of one when it is pushed, and the buffer in which they arrive.

/// What kind of frame it is, which decides what happens when too much waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A monitor signal: never dropped while the session lives.
    Signal,
    /// A user message: refused when too much waits.
    Message,
}

/// A channel of a session. Channel 0 always exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u16);

/// What the sender says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    /// Signal or message.
    pub class: Class,
    /// Frames of equal `order` are never reordered, whatever channel they take. By convention the sending process.
    pub order: u64,
    /// The channel to take, if the session has it; else channel 0.
    pub channel: ChannelId,
}

impl FrameMeta {
    /// A signal of order 0, on channel 0.
    pub const SIGNAL: FrameMeta = FrameMeta::signal(0);

    /// A signal that speaks for that sender, on channel 0.
    pub const fn signal(order: u64) -> FrameMeta {
        FrameMeta { class: Class::Signal, order, channel: ChannelId(0) }
    }

    /// A message of that sender, on channel 0.
    pub const fn message(order: u64) -> FrameMeta {
        FrameMeta { class: Class::Message, order, channel: ChannelId(0) }
    }
}

/// Whole frames, one after the other in one buffer that is used again and again.
#[derive(Clone, Debug, Default)]
pub struct FrameBuf {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl FrameBuf {
    /// An empty buffer.
    pub fn new() -> Self {
        FrameBuf::default()
    }

    /// Empties the buffer; its memory stays for the next use, up to a limit.
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

    /// The frame of that index, in order of arrival.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all frames together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }
}
