//! Long frames in fragments: cutting at the sender and assembly at the receiver.
//!
//! A fragment is a frame whose body begins with three numbers of four bytes, big-endian: its
//! sequence, the length of the whole frame, and its offset in the whole. Sequences are numbered in
//! the order in which they begin, from 0. The fragments of one sequence are sent in order; those of
//! several may alternate.

use peer_service::Features;
use thiserror::Error;

use crate::proto::wire::{self, Kind};

/// The feature of nodes that support fragments.
pub(crate) const FRAGMENTS: Features = Features(1);
/// Maximum length of a frame's body between two nodes that support fragments: longer frames are
/// cut. A message of 64 KiB, a frequent size, fits with its address.
pub(crate) const LONGEST: usize = (64 + 1) * 1024;
/// Maximum length of a frame's body to or from a node that does not support fragments.
const LONGEST_UNCUT: usize = 1 << 20;
/// Maximum number of unfinished sequences on one session.
pub(crate) const MAX_OPEN: usize = 64;
/// Maximum total length of unfinished sequences.
pub(crate) const MAX_OPEN_BYTES: usize = (64 << 20) + (1 << 10);

const HEAD: usize = 12;

/// Whether both ends of a session support fragments.
pub(crate) const fn are_agreed(features: Features) -> bool {
    features.0 & FRAGMENTS.0 != 0
}

/// Maximum length of a frame to a node whose limit is `max_frame`.
pub(crate) fn longest(max_frame: usize, features: Features) -> usize {
    if are_agreed(features) { max_frame } else { max_frame.min(LONGEST_UNCUT) }
}

/// Appends the fragment of `whole` that begins at `offset`; returns the offset of the next one.
pub(crate) fn append(out: &mut Vec<u8>, sequence: u32, whole: &[u8], offset: usize) -> usize {
    let end = whole.len().min(offset + LONGEST - HEAD);
    let number = |at: usize| u32::try_from(at).expect("no frame has more than 64 MiB").to_be_bytes();
    let head = [sequence.to_be_bytes(), number(whole.len()), number(offset)];
    let write = &mut |out: &mut Vec<u8>| {
        head.iter().for_each(|number| out.extend_from_slice(number));
        out.extend_from_slice(&whole[offset..end]);
    };
    wire::append(out, Kind::Fragment, LONGEST, write).expect("head and piece are no longer than that");
    end
}

/// A violation of the protocol by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FragmentError {
    #[error("a fragment with nothing in it")]
    Empty,
    #[error("a frame of {0} bytes in fragments is longer than allowed")]
    TooLong(usize),
    #[error("more frames in fragments at once than allowed")]
    TooMany,
    #[error("a fragment of a sequence that has not begun, or is over")]
    Unknown,
    #[error("a fragment that does not go on where the one before it ended, or past the end")]
    Misplaced,
}

/// The frames of one session that have arrived in part.
///
/// Memory grows with the bytes that have arrived, never with announced lengths; those count for the
/// limits.
#[derive(Debug)]
pub(crate) struct Assembly {
    max_frame: usize,
    open: Vec<Partial>,
    /// Total announced length of the open sequences.
    announced: usize,
    /// The number of the next sequence.
    next: u32,
}

#[derive(Debug)]
struct Partial {
    sequence: u32,
    len: usize,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Accepts frames of at most `max_frame` bytes; no fragments at all if that is 0.
    pub(crate) const fn new(max_frame: usize) -> Self {
        Assembly { max_frame, open: Vec::new(), announced: 0, next: 0 }
    }

    /// Processes the body of a fragment. Returns the whole frame if it is the last one of its
    /// sequence.
    pub(crate) fn take(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, FragmentError> {
        let (head, piece) = body.split_first_chunk::<HEAD>().ok_or(FragmentError::Empty)?;
        if piece.is_empty() {
            return Err(FragmentError::Empty);
        }
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (sequence, len, offset) = (number(0), number(4) as usize, number(8) as usize);
        let at = match self.open.iter().position(|partial| partial.sequence == sequence) {
            Some(at) => at,
            None => self.begin(sequence, len)?,
        };
        let partial = &mut self.open[at];
        if len != partial.len || offset != partial.bytes.len() || piece.len() > len - offset {
            return Err(FragmentError::Misplaced);
        }
        partial.bytes.extend_from_slice(piece);
        if partial.bytes.len() < len {
            return Ok(None);
        }
        self.announced -= len;
        Ok(Some(self.open.swap_remove(at).bytes))
    }

    fn begin(&mut self, sequence: u32, len: usize) -> Result<usize, FragmentError> {
        if sequence != self.next {
            return Err(FragmentError::Unknown);
        }
        if len > self.max_frame {
            return Err(FragmentError::TooLong(len));
        }
        if self.open.len() == MAX_OPEN || self.announced + len > MAX_OPEN_BYTES {
            return Err(FragmentError::TooMany);
        }
        self.next = self.next.wrapping_add(1);
        self.announced += len;
        self.open.push(Partial { sequence, len, bytes: Vec::new() });
        Ok(self.open.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(sequence: u32, len: u32, offset: u32, piece: &[u8]) -> Vec<u8> {
        let mut body: Vec<u8> = [sequence, len, offset].iter().flat_map(|n| n.to_be_bytes()).collect();
        body.extend_from_slice(piece);
        body
    }

    /// The result of the last of these fragments; those before it are valid.
    fn after(fragments: &[Vec<u8>]) -> Result<Option<Vec<u8>>, FragmentError> {
        let mut assembly = Assembly::new(1000);
        let (last, before) = fragments.split_last().unwrap();
        for body in before {
            assembly.take(body).unwrap();
        }
        assembly.take(last)
    }

    #[test]
    fn a_cut_frame_is_assembled() {
        for len in [LONGEST + 1, 2 * (LONGEST - HEAD), 1 << 20] {
            let whole: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let (mut assembly, mut offset) = (Assembly::new(len), 0);
            while offset < len {
                let mut frame = Vec::new();
                let next = append(&mut frame, 0, &whole, offset);
                let Ok(wire::Parsed::Frame(parsed)) = wire::parse(&frame, LONGEST) else { panic!("a frame") };
                assert_eq!(parsed.kind, Kind::Fragment);
                let got = assembly.take(&frame[parsed.body]).unwrap();
                assert_eq!(got, (next == len).then(|| whole.clone()));
                offset = next;
            }
            assert_eq!((assembly.open.len(), assembly.announced), (0, 0));
        }
    }

    #[test]
    fn sequences_take_turns_and_each_stays_whole() {
        let mut assembly = Assembly::new(10);
        assert_eq!(assembly.take(&fragment(0, 4, 0, b"ab")), Ok(None));
        assert_eq!(assembly.take(&fragment(1, 3, 0, b"x")), Ok(None));
        assert_eq!(assembly.take(&fragment(0, 4, 2, b"cd")), Ok(Some(b"abcd".to_vec())));
        assert_eq!(assembly.take(&fragment(2, 1, 0, b"!")), Ok(Some(b"!".to_vec())));
        assert_eq!(assembly.take(&fragment(1, 3, 1, b"yz")), Ok(Some(b"xyz".to_vec())));
    }

    #[test]
    fn a_fragment_that_does_not_fit_its_sequence_is_an_error() {
        use FragmentError::{Empty, Misplaced, TooLong, Unknown};
        let begun = || fragment(0, 6, 0, b"abc");
        let over = || fragment(0, 3, 0, b"abc");
        let wrong = [
            (vec![vec![1; HEAD - 1]], Empty),
            (vec![fragment(0, 6, 0, b"")], Empty),
            (vec![begun(), fragment(0, 6, 3, b"")], Empty),
            (vec![fragment(0, 1001, 0, b"abc")], TooLong(1001)),
            (vec![fragment(0, u32::MAX, 0, b"abc")], TooLong(u32::MAX as usize)),
            // Of a sequence that has not begun, that was skipped, that is complete.
            (vec![fragment(1, 6, 0, b"abc")], Unknown),
            (vec![begun(), fragment(2, 6, 0, b"abc")], Unknown),
            (vec![over(), over()], Unknown),
            // A start in the middle; a gap; a repetition; an overlap.
            (vec![fragment(0, 6, 3, b"def")], Misplaced),
            (vec![begun(), fragment(0, 6, 4, b"ef")], Misplaced),
            (vec![begun(), begun()], Misplaced),
            (vec![begun(), fragment(0, 6, 2, b"cd")], Misplaced),
            // Longer, shorter than announced; another length than before.
            (vec![fragment(0, 2, 0, b"abc")], Misplaced),
            (vec![fragment(0, 0, 0, b"a")], Misplaced),
            (vec![begun(), fragment(0, 6, 3, b"defg")], Misplaced),
            (vec![begun(), fragment(0, 7, 3, b"def")], Misplaced),
            (vec![begun(), fragment(0, 6, u32::MAX, b"def")], Misplaced),
        ];
        for (fragments, expected) in wrong {
            assert_eq!(after(&fragments), Err(expected), "{fragments:?}");
        }
    }

    #[test]
    fn only_so_many_are_open_and_only_so_much_is_announced() {
        let mut assembly = Assembly::new(MAX_OPEN_BYTES);
        for sequence in 0..MAX_OPEN as u32 {
            assert_eq!(assembly.take(&fragment(sequence, 2, 0, b"x")), Ok(None));
        }
        assert_eq!(assembly.take(&fragment(MAX_OPEN as u32, 2, 0, b"x")), Err(FragmentError::TooMany));

        let mut assembly = Assembly::new(MAX_OPEN_BYTES);
        let all = MAX_OPEN_BYTES as u32;
        assert_eq!(assembly.take(&fragment(0, all, 0, b"x")), Ok(None));
        assert!(assembly.open[0].bytes.capacity() < 1000, "an announced length allocates nothing");
        assert_eq!(assembly.take(&fragment(1, 1, 0, b"x")), Err(FragmentError::TooMany));
    }

    proptest! {
        #[test]
        fn taking_is_total_and_never_holds_more_than_has_arrived(
            fragments in prop::collection::vec(
                (0..4u32, 0..8u32, 0..8u32, prop::collection::vec(any::<u8>(), 0..6)),
                0..20,
            ),
            garbage in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut assembly = Assembly::new(6);
            let mut arrived = 0;
            for (sequence, len, offset, piece) in fragments {
                arrived += piece.len();
                match assembly.take(&fragment(sequence, len, offset, &piece)) {
                    Ok(Some(whole)) => prop_assert_eq!(whole.len(), len as usize),
                    Ok(None) => {}
                    Err(_) => break,
                }
                let held: usize = assembly.open.iter().map(|partial| partial.bytes.len()).sum();
                prop_assert!(held <= arrived && held <= assembly.announced);
            }
            let _ = assembly.take(&garbage);
        }
    }
}
