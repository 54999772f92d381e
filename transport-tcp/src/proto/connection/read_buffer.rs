//! The bytes of one connection that were read and not decoded yet.

use std::ops::Range;

use crate::proto::wire::{self, Frame, Kind, MAX_HEADER, Parsed, WireError};

/// A buffer between the socket and the frames.
///
/// It grows while reads fill it and while a frame does not fit, but never beyond the length of such
/// a frame, and never before bytes have arrived; it shrinks again when few bytes arrive.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    max_body: usize,
    /// Length of the frame at the start, if it has not arrived completely.
    wanted: usize,
    /// Whether the last read has filled the space.
    full: bool,
    small_reads: u32,
}

/// Size of the buffer of an idle session.
const SMALLEST: usize = 4 * 1024;
/// Maximum size to which reads that fill the buffer make it grow.
const LARGEST: usize = 256 * 1024;
/// Number of reads of less than an eighth of the buffer, after which it shrinks.
const SHRINK_AFTER: u32 = 32;

impl ReadBuffer {
    /// Starts with the bytes that arrived after the handshake.
    pub(crate) fn new(mut bytes: Vec<u8>, max_body: usize) -> Self {
        let end = bytes.len();
        bytes.resize(SMALLEST.max(end), 0);
        ReadBuffer { bytes, start: 0, end, max_body, wanted: 0, full: false, small_reads: 0 }
    }

    /// The next complete frame; read its body with [`body`](Self::body) before any other call.
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Range<usize>)>, WireError> {
        match wire::parse(&self.bytes[self.start..self.end], self.max_body)? {
            Parsed::Frame(Frame { kind, body }) => {
                let body = self.start + body.start..self.start + body.end;
                self.start = body.end;
                Ok(Some((kind, body)))
            }
            Parsed::Partial(wanted) => {
                self.wanted = wanted.unwrap_or(MAX_HEADER);
                Ok(None)
            }
        }
    }

    pub(crate) fn body(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The space for the next read; never empty. Call it when [`next`](Self::next) has returned no
    /// frame.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = self.wanted.max(LARGEST);
        if (self.full || self.end == self.bytes.len()) && self.bytes.len() < limit {
            self.bytes.resize((2 * self.bytes.len()).min(limit), 0);
        } else if self.end == 0 && self.small_reads >= SHRINK_AFTER && self.bytes.len() > SMALLEST {
            self.bytes = vec![0; SMALLEST];
            self.small_reads = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Reports that `bytes` bytes were read into the space. Returns true if they filled it: there
    /// may be more.
    pub(crate) fn filled(&mut self, bytes: usize) -> bool {
        let room = self.bytes.len() - self.end;
        self.end += bytes;
        if bytes < self.bytes.len() / 8 {
            self.small_reads = self.small_reads.saturating_add(1);
        } else {
            self.small_reads = 0;
        }
        self.full = bytes == room;
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(buffer: &mut ReadBuffer, mut bytes: &[u8], at_once: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            while let Some((_, range)) = buffer.next().unwrap() {
                frames.push(buffer.body(range).to_vec());
            }
            if bytes.is_empty() {
                return frames;
            }
            let room = buffer.room();
            let some = room.len().min(at_once).min(bytes.len());
            room[..some].copy_from_slice(&bytes[..some]);
            buffer.filled(some);
            bytes = &bytes[some..];
        }
    }

    fn wire_of(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for body in bodies {
            wire::append(&mut out, Kind::Data, 1 << 20, &mut |out| out.extend_from_slice(body)).unwrap();
        }
        out
    }

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let bodies: Vec<Vec<u8>> = [0, 1, 5000, 300_000, 2, 1 << 20].map(|len| vec![len as u8; len]).into();
        let bytes = wire_of(&bodies);
        for at_once in [997, 65_536, usize::MAX] {
            for carried in [0, 1, 3000] {
                let mut buffer = ReadBuffer::new(bytes[..carried].to_vec(), 1 << 20);
                assert_eq!(feed(&mut buffer, &bytes[carried..], at_once), bodies);
            }
        }
    }

    #[test]
    fn the_buffer_follows_what_arrives_not_what_is_announced() {
        let bytes = wire_of(&[vec![1; 1 << 20]]);
        let mut buffer = ReadBuffer::new(Vec::new(), 1 << 20);
        feed(&mut buffer, &bytes[..10], 10);
        assert_eq!(buffer.bytes.len(), SMALLEST);
        feed(&mut buffer, &bytes[10..20_000], 100_000);
        assert!(buffer.bytes.len() <= 40_000);
    }

    #[test]
    fn an_idle_buffer_is_small_again() {
        let mut buffer = ReadBuffer::new(Vec::new(), 1 << 20);
        feed(&mut buffer, &wire_of(&[vec![1; 1 << 20]]), usize::MAX);
        assert!(buffer.bytes.len() > LARGEST);
        for _ in 0..=SHRINK_AFTER {
            feed(&mut buffer, &wire_of(&[vec![1]]), usize::MAX);
        }
        assert_eq!(buffer.bytes.len(), SMALLEST);
    }

    #[test]
    fn a_frame_that_is_too_long_is_an_error_at_its_length() {
        let bytes = wire_of(&[vec![1; 2000]]);
        let mut buffer = ReadBuffer::new(bytes[..2].to_vec(), 1999);
        assert_eq!(buffer.next(), Err(WireError::TooLong(2001)));
    }
}
