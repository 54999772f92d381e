//! Frames on the wire: a varint length, a kind, a body. The length counts kind and body.

use std::ops::Range;

use refs::varint::{self, VarintError};
use thiserror::Error;

/// The kind of a frame. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A frame of the session's user.
    Data = 0,
    /// A part of a longer data frame: see [`fragment`](crate::proto::connection::fragment).
    Fragment = 1,
    /// A ping, which is answered with a pong; a number of eight bytes.
    Ping = 2,
    /// The answer to a ping, with its number.
    Pong = 3,
    /// The last frame of a session that is closed; contains the reason.
    Goodbye = 4,
    /// The first frame of a further connection of a session, and its answer: see
    /// [`attach`](crate::proto::handshake::attach).
    Attach = 5,
    /// The handshake, in its order.
    Hello = 16,
    Challenge = 17,
    Proof = 18,
    Verdict = 19,
    Answer = 20,
    /// Instead of a challenge or verdict: the handshake ends here.
    Reject = 21,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0 => Kind::Data,
            1 => Kind::Fragment,
            2 => Kind::Ping,
            3 => Kind::Pong,
            4 => Kind::Goodbye,
            5 => Kind::Attach,
            16 => Kind::Hello,
            17 => Kind::Challenge,
            18 => Kind::Proof,
            19 => Kind::Verdict,
            20 => Kind::Answer,
            21 => Kind::Reject,
            _ => return None,
        })
    }
}

/// Bytes that are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("a frame without a kind")]
    Empty,
    #[error("a frame of {0} bytes is longer than allowed")]
    TooLong(u32),
    #[error("a length that does not end")]
    Length,
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
}

/// Maximum number of bytes of a frame besides its body: four of length, one of kind.
pub(crate) const MAX_HEADER: usize = 5;

/// Number of varint bytes of the longest length. It limits the body that any configuration may
/// allow.
const MAX_LENGTH_BYTES: usize = 4;

/// A frame at the start of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// The body's position in the buffer; the next frame begins at its end.
    pub(crate) body: Range<usize>,
}

/// The result of parsing the start of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Frame(Frame),
    /// The frame is incomplete. If its length has arrived, the whole frame has that many bytes.
    Partial(Option<usize>),
}

/// Parses the frame at the start of `bytes`. Its body may have at most `max_body` bytes, which is
/// checked as soon as the length has arrived.
pub(crate) fn parse(bytes: &[u8], max_body: usize) -> Result<Parsed, WireError> {
    let (length, at) = match varint::decode(bytes, MAX_LENGTH_BYTES) {
        Ok(decoded) => decoded,
        Err(VarintError::Incomplete) => return Ok(Parsed::Partial(None)),
        Err(VarintError::TooLong | VarintError::TooLarge) => return Err(WireError::Length),
    };
    if length == 0 {
        return Err(WireError::Empty);
    }
    if length as usize > max_body + 1 {
        return Err(WireError::TooLong(length));
    }
    let end = at + length as usize;
    match bytes.get(at) {
        Some(&kind) => {
            let kind = Kind::from_byte(kind).ok_or(WireError::Kind(kind))?;
            if bytes.len() < end {
                return Ok(Parsed::Partial(Some(end)));
            }
            Ok(Parsed::Frame(Frame { kind, body: at + 1..end }))
        }
        None => Ok(Parsed::Partial(Some(end))),
    }
}

/// Appends a frame whose body `write` appends. If the body is longer than `max_body`, or `write`
/// panics, `out` is unchanged.
pub(crate) fn append(
    out: &mut Vec<u8>,
    kind: Kind,
    max_body: usize,
    write: &mut dyn FnMut(&mut Vec<u8>),
) -> Result<(), WireError> {
    let body = append_body(out, max_body, write)?;
    seal(out, kind, body);
    Ok(())
}

/// The placeholder before a body that is not [sealed](seal): space for the shortest header.
const UNSEALED: [u8; 2] = [0; 2];

/// The first half of [`append`]: appends the body and returns its length. It becomes a frame when
/// it is [sealed](seal).
pub(crate) fn append_body(
    out: &mut Vec<u8>,
    max_body: usize,
    write: &mut dyn FnMut(&mut Vec<u8>),
) -> Result<usize, WireError> {
    let start = out.len();
    let pending = Unfinished { out, start };
    pending.out.extend_from_slice(&UNSEALED);
    write(pending.out);
    let body = pending.out.len() - start - UNSEALED.len();
    if body > max_body {
        return Err(WireError::TooLong(u32::try_from(body + 1).unwrap_or(u32::MAX)));
    }
    std::mem::forget(pending);
    Ok(body)
}

/// The second half of [`append`]: makes the last `body` bytes a frame.
///
/// One byte is reserved for the length, which is enough for most frames; a longer body is moved
/// once.
pub(crate) fn seal(out: &mut Vec<u8>, kind: Kind, body: usize) {
    let end = out.len();
    let start = end - body - UNSEALED.len();
    let mut prefix = [0; MAX_LENGTH_BYTES];
    let prefix_len = varint::encode(body as u32 + 1, &mut prefix);
    if prefix_len > 1 {
        out.resize(end + prefix_len - 1, 0);
        out.copy_within(end - body..end, start + prefix_len + 1);
    }
    out[start..start + prefix_len].copy_from_slice(&prefix[..prefix_len]);
    out[start + prefix_len] = kind as u8;
}

/// On drop, removes an unfinished frame, so that a `write` that panics leaves no partial frame.
struct Unfinished<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, kind, usize::MAX - 1, &mut |out| out.extend_from_slice(body)).unwrap();
        out
    }

    #[test]
    fn frames_of_every_length_come_back_whole() {
        for len in [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, 2_097_151, 2_097_152] {
            let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let bytes = frame(Kind::Data, &body);
            assert!(bytes.len() <= len + MAX_HEADER);
            let Parsed::Frame(parsed) = parse(&bytes, len).unwrap() else { panic!("whole at {len}") };
            assert_eq!((parsed.kind, &bytes[parsed.body.clone()]), (Kind::Data, &body[..]));
            assert_eq!(parsed.body.end, bytes.len());
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_body_arrives() {
        let bytes = frame(Kind::Data, &[7; 1025]);
        assert_eq!(parse(&bytes[..2], 1024), Err(WireError::TooLong(1026)));
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xff], usize::MAX - 1), Err(WireError::Length));
        assert_eq!(parse(&[0], 10), Err(WireError::Empty));
        assert_eq!(parse(&[1, 99], 10), Err(WireError::Kind(99)));
    }

    #[test]
    fn a_refused_or_panicking_write_leaves_nothing_behind() {
        let mut out = frame(Kind::Data, b"before");
        let before = out.clone();
        assert!(append(&mut out, Kind::Data, 3, &mut |out| out.extend_from_slice(b"four")).is_err());
        assert_eq!(out, before);
        let torn = std::panic::AssertUnwindSafe(|| {
            append(&mut out, Kind::Data, 99, &mut |out| {
                out.push(1);
                panic!("in the middle")
            })
        });
        assert!(std::panic::catch_unwind(torn).is_err());
        assert_eq!(out, before);
    }

    proptest! {
        #[test]
        fn parsing_is_total_and_stays_inside_the_buffer(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            max in 0usize..100,
        ) {
            match parse(&bytes, max) {
                Ok(Parsed::Frame(Frame { body, .. })) => {
                    prop_assert!(body.end <= bytes.len() && body.len() <= max);
                }
                Ok(Parsed::Partial(Some(whole))) => {
                    prop_assert!(whole > bytes.len() && whole <= max + MAX_HEADER);
                }
                Ok(Parsed::Partial(None)) | Err(_) => {}
            }
        }
    }
}
