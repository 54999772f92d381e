//! Chunks: frames that are written to the socket together, and the reuse of their buffers.

use peer_service::Class;

/// Approximate size of a chunk, the unit of one write to the system.
pub(crate) const SIZE: usize = 64 * 1024;

/// Frames that are written together. The first `written` bytes were written.
#[derive(Debug, Default)]
pub struct Chunk {
    pub(crate) bytes: Vec<u8>,
    written: usize,
    pub(crate) messages: usize,
    pub(crate) signals: usize,
}

impl Chunk {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Chunk { bytes, ..Chunk::default() }
    }

    /// The bytes that are left to be written.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The chunk's share of the queue's length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.messages + self.signals
    }

    /// Reports that `bytes` bytes were written.
    pub fn advance(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// Counts `bytes` further bytes of that class.
    pub(crate) fn count(&mut self, class: Class, bytes: usize) {
        match class {
            Class::Message => self.messages += bytes,
            Class::Signal => self.signals += bytes,
        }
    }
}

/// Buffers of written chunks, kept for later ones.
#[derive(Default)]
pub(crate) struct Spares(pub(super) Vec<Vec<u8>>);

impl Spares {
    const MAX: usize = 2;

    /// An empty buffer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps a buffer for reuse, unless it is too large or there are enough.
    pub(crate) fn keep(&mut self, mut bytes: Vec<u8>) {
        if self.0.len() < Spares::MAX && bytes.capacity() <= 2 * SIZE {
            bytes.clear();
            self.0.push(bytes);
        }
    }
}
