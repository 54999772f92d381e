//! Little-endian base-128 varints: the numbers of frames.
//!
//! Each byte has seven bits of the number, the lowest first; its highest bit is set if a further
//! byte follows. [`encode`] and [`append`] write the shortest form, which has at most [`MAX_LEN`]
//! bytes. [`decode`] also accepts a longer form of the same number, such as `80 00` for 0, within
//! the maximum length that its caller passes. Postcard writes a `u32` as the same bytes.

use alloc::vec::Vec;

use thiserror::Error;

/// Maximum number of bytes of an encoded number.
pub const MAX_LEN: usize = 5;

/// The bytes do not begin with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VarintError {
    /// The bytes end before the number does.
    #[error("the bytes end inside of a number")]
    Incomplete,
    /// The number goes on after the maximum number of bytes.
    #[error("a number of too many bytes")]
    TooLong,
    /// The number is greater than `u32::MAX`.
    #[error("a number of more than 32 bits")]
    TooLarge,
}

/// Writes `number` to the start of `bytes`, and returns the number of bytes written.
///
/// # Panics
///
/// If `bytes` is too short; [`MAX_LEN`] bytes are enough for any number.
#[inline]
pub fn encode(mut number: u32, bytes: &mut [u8]) -> usize {
    let mut len = 0;
    while number >= 0x80 {
        bytes[len] = number as u8 | 0x80;
        number >>= 7;
        len += 1;
    }
    bytes[len] = number as u8;
    len + 1
}

/// Appends `number` to `out`.
#[inline]
pub fn append(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads the number at the start of `bytes`, and returns it with the number of its bytes, at most
/// `max_len`. A `max_len` above [`MAX_LEN`] counts as [`MAX_LEN`]. Never panics.
///
/// # Errors
///
/// See [`VarintError`]. A number that has `max_len` bytes and still goes on is
/// [`VarintError::TooLong`] even if no further byte has arrived.
#[inline]
pub fn decode(bytes: &[u8], max_len: usize) -> Result<(u32, usize), VarintError> {
    let mut number = 0_u64;
    for at in 0..max_len.min(MAX_LEN) {
        let &byte = bytes.get(at).ok_or(VarintError::Incomplete)?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let number = u32::try_from(number).map_err(|_| VarintError::TooLarge)?;
            return Ok((number, at + 1));
        }
    }
    Err(VarintError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postcard_writes_them_and_read_back() {
        for number in (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit]).chain([u32::MAX]) {
            let (mut appended, mut encoded) = (Vec::new(), [0; MAX_LEN]);
            append(number, &mut appended);
            let len = encode(number, &mut encoded);
            assert_eq!(appended, postcard::to_allocvec(&number).unwrap());
            assert_eq!(appended, encoded[..len]);
            assert_eq!(decode(&appended, MAX_LEN), Ok((number, len)));
            assert_eq!(decode(&appended[..len - 1], MAX_LEN), Err(VarintError::Incomplete));
        }
    }

    #[test]
    fn a_longer_form_is_read_within_the_maximum_length() {
        assert_eq!(decode(&[0x80, 0x00, 7], MAX_LEN), Ok((0, 2)));
        assert_eq!(decode(&[0x81, 0x80, 0x80, 0x00], 4), Ok((1, 4)));
    }

    #[test]
    fn a_number_beyond_the_limits_is_refused() {
        assert_eq!(decode(&[0xff; 4], 4), Err(VarintError::TooLong));
        assert_eq!(decode(&[0xff; 3], 4), Err(VarintError::Incomplete));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x0f], MAX_LEN), Ok((u32::MAX, 5)));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x10], MAX_LEN), Err(VarintError::TooLarge));
        assert_eq!(decode(&[0x80; 6], usize::MAX), Err(VarintError::TooLong));
    }
}
