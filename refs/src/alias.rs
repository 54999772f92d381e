//! The unguessable part of an alias.

use core::{fmt, hint::black_box, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::{ParseError, ParseErrorKind},
    node::padded_hex,
};

/// Proves that a sender was given an alias: 64 bits that only the node of the alias can compute.
///
/// The number of a monitor can be guessed, its token cannot. The node computes the token from the
/// number and from a key that is random for each start of the node, so it stores nothing for each
/// alias. A process that has the reference can pass it on.
///
/// The comparison of two tokens takes constant time. `Debug` does not print the bits. As text the
/// token is 16 hexadecimal digits in lower case.
#[derive(Clone, Copy)]
pub struct AliasToken(NonZeroU64);

impl AliasToken {
    /// The token with these bits; `None` for zero.
    pub const fn new(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(AliasToken(bits)),
            None => None,
        }
    }

    /// The bits.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl PartialEq for AliasToken {
    fn eq(&self, other: &Self) -> bool {
        // Constant time: all bits are combined into one number before the comparison.
        black_box(self.get() ^ other.get()) == 0
    }
}

impl Eq for AliasToken {}

impl fmt::Display for AliasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for AliasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AliasToken(..)")
    }
}

impl FromStr for AliasToken {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        padded_hex(text).and_then(AliasToken::new).ok_or(ParseError::new(
            "alias token",
            ParseErrorKind::BadNumber,
            0,
        ))
    }
}

impl Serialize for AliasToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for AliasToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            crate::binary::parse_str(deserializer, "an alias token in hexadecimal digits")
        } else {
            NonZeroU64::deserialize(deserializer).map(AliasToken)
        }
    }
}
