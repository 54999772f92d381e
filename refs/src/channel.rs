//! Channels: the independent streams of one session.

use alloc::{borrow::ToOwned, sync::Arc};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{ParseError, ParseErrorKind};

/// A channel of the local node, by its position in the node's configuration. Peers do not use this
/// number: two nodes agree on a channel by its [`ChannelName`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u8);

impl ChannelId {
    /// The channel that every session has.
    pub const DEFAULT: ChannelId = ChannelId(0);
    /// Maximum number of channels of a node, including the default one.
    pub const LIMIT: usize = 8;

    /// The channel at that position, where 0 is the default one; `None` from [`ChannelId::LIMIT`]
    /// on.
    pub const fn new(place: usize) -> Option<Self> {
        if place < Self::LIMIT { Some(ChannelId(place as u8)) } else { None }
    }

    /// The position among the channels of the node, less than [`ChannelId::LIMIT`].
    pub const fn place(self) -> usize {
        self.0 as usize
    }

    /// All possible channels, the default one first.
    pub fn all() -> impl Iterator<Item = ChannelId> {
        (0..Self::LIMIT).filter_map(ChannelId::new)
    }
}

/// The name of a channel: 1 to 32 bytes of `A-Z a-z 0-9 _ -`.
///
/// ```
/// # use refs::ChannelName;
/// assert!("bulk".parse::<ChannelName>().is_ok());
/// assert!("in bulk".parse::<ChannelName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Maximum number of bytes of the name of a channel.
    pub const MAX_LEN: usize = 32;
    const WHAT: &'static str = "channel name";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |kind, at| ParseError::new(Self::WHAT, kind, at);
        if text.is_empty() {
            return Err(error(ParseErrorKind::Empty, 0));
        }
        if text.len() > Self::MAX_LEN {
            return Err(error(ParseErrorKind::TooLong(Self::MAX_LEN), Self::MAX_LEN));
        }
        let bad = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
        match text.char_indices().find(|&(_, c)| bad(c)) {
            Some((at, c)) => Err(error(ParseErrorKind::BadCharacter(c), at)),
            None => Ok(ChannelName(text.to_owned().into())),
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for ChannelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChannelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::binary::parse_str(deserializer, "a channel name")
    }
}
