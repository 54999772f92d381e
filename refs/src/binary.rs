//! The binary form: postcard, bounded by the limits of the parts, strict about trailing bytes.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, Visitor},
};
use thiserror::Error;

/// The bytes are not the binary form of the requested type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// The bytes end early, or a part is outside its limits.
    #[error("malformed: cut short, or a part is out of its limits")]
    Malformed,
    /// This number of bytes is left after the end of the value.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

/// The binary form of a reference, a node or a session end: that of postcard.
///
/// # Panics
/// Never for a type of this crate, nor for a type that is derived from such types. A type whose own
/// `Serialize` fails, or that does not give its length, has no binary form: that panics.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value)
        .expect("every type of this crate has a binary form, and memory is the only limit")
}

/// Reads the binary form. Allocates nothing before the limits of the parts are checked; never
/// panics.
///
/// # Errors
/// [`BinaryError`] if the bytes are malformed, or continue after the value.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BinaryError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| BinaryError::Malformed)?;
    if rest.is_empty() { Ok(value) } else { Err(BinaryError::Trailing(rest.len())) }
}

/// Deserializes a borrowed string and parses it, so that an invalid name never becomes a value.
pub(crate) fn parse_str<'de, T, D>(deserializer: D, expecting: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    struct Parse<T>(&'static str, PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parse<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Parse(expecting, PhantomData))
}

/// Addresses and specs are written as their text.
macro_rules! as_text {
    ($type:ty, $what:literal) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parse_str(deserializer, $what)
            }
        }
    };
}
as_text!(crate::Address, "an address");
as_text!(crate::NodeSpec, "a node and its addresses");
