//! The head of a frame, before its contents.

/// Number of bytes before the contents of a frame that waits for no mark.
pub(crate) const OVERHEAD: usize = 1;

const PLAIN: u8 = 0;
const FENCED: u8 = 1;
const MARK: u8 = 2;

/// A set of channels, by their places in the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(pub(crate) u8);

impl Places {
    pub(crate) const fn one(place: usize) -> Self {
        Places(1 << place)
    }

    pub(crate) const fn and(self, other: Places) -> Self {
        Places(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Places) -> Self {
        Places(self.0 & !other.0)
    }

    pub(crate) const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

/// A decoded frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed<'a> {
    /// Contents that wait for no mark.
    Plain(&'a [u8]),
    /// Contents that wait for the marks with that number on these channels.
    Fenced(u64, Places, &'a [u8]),
    /// The frame with that number need not wait for this channel any more.
    Mark(u64),
}

pub(crate) fn plain(out: &mut Vec<u8>) {
    out.push(PLAIN);
}

pub(crate) fn fenced(out: &mut Vec<u8>, number: u64, on: Places) {
    out.push(FENCED);
    out.extend_from_slice(&number.to_le_bytes());
    out.push(on.0);
}

pub(crate) fn mark(out: &mut Vec<u8>, number: u64) {
    out.push(MARK);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Decodes a frame. Total.
pub(crate) fn read(frame: &[u8]) -> Option<Framed<'_>> {
    let (&kind, rest) = frame.split_first()?;
    match kind {
        PLAIN => Some(Framed::Plain(rest)),
        FENCED => {
            let (number, rest) = rest.split_first_chunk()?;
            let (&on, contents) = rest.split_first()?;
            Some(Framed::Fenced(u64::from_le_bytes(*number), Places(on), contents))
        }
        MARK => {
            let number = <[u8; 8]>::try_from(rest).ok()?;
            Some(Framed::Mark(u64::from_le_bytes(number)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_frames_are_decoded() {
        let mut bytes = Vec::new();
        plain(&mut bytes);
        assert_eq!(bytes.len(), OVERHEAD);
        bytes.extend_from_slice(b"contents");
        assert_eq!(read(&bytes), Some(Framed::Plain(b"contents")));

        let mut bytes = Vec::new();
        fenced(&mut bytes, u64::MAX - 1, Places(5));
        bytes.extend_from_slice(b"contents");
        assert_eq!(read(&bytes), Some(Framed::Fenced(u64::MAX - 1, Places(5), b"contents")));

        let mut bytes = Vec::new();
        mark(&mut bytes, 7);
        assert_eq!(read(&bytes), Some(Framed::Mark(7)));
        bytes.push(0);
        assert_eq!(read(&bytes), None, "a mark has no contents");
    }

    #[test]
    fn incomplete_or_unknown_bytes_are_not_a_frame() {
        let mut whole = Vec::new();
        fenced(&mut whole, 1, Places(1));
        (0..whole.len()).for_each(|len| assert_eq!(read(&whole[..len]), None));
        (3..=u8::MAX).for_each(|kind| assert_eq!(read(&[kind; 20]), None));
    }
}
