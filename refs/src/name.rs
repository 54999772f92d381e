//! Registered names.

use alloc::sync::Arc;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::{ParseError, ParseErrorKind},
    node::NodeName,
    printable::is_control,
};

/// A name under which a process is registered on its node: 1 to 255 bytes of UTF-8, without `@` and
/// without the characters that [`Printable`](crate::Printable) escapes, so that no name can forge
/// log lines or control a terminal.
///
/// ```
/// # use refs::RegName;
/// assert!("job runner/3".parse::<RegName>().is_ok());
/// assert!("job@host".parse::<RegName>().is_err());
/// assert!("job\nroot".parse::<RegName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "registered_name")]
pub struct RegName(Arc<str>);

impl RegName {
    /// Maximum number of bytes of a registered name.
    pub const MAX_LEN: usize = 255;
    const WHAT: &'static str = "registered name";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name on that node.
    pub fn at(self, node: NodeName) -> Name {
        Name { name: self, node }
    }
}

impl FromStr for RegName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |kind, at| ParseError::new(Self::WHAT, kind, at);
        if text.is_empty() {
            return Err(error(ParseErrorKind::Empty, 0));
        }
        if text.len() > Self::MAX_LEN {
            return Err(error(ParseErrorKind::TooLong(Self::MAX_LEN), Self::MAX_LEN));
        }
        // The fast path: nearly all names are plain, and every message to a name is checked here.
        if text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'@') {
            return Ok(RegName(Arc::from(text)));
        }
        match text.char_indices().find(|&(_, c)| c == '@' || is_control(c)) {
            Some((at, c)) => Err(error(ParseErrorKind::BadCharacter(c), at)),
            None => Ok(RegName(Arc::from(text))),
        }
    }
}

impl fmt::Display for RegName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for RegName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::binary::parse_str(deserializer, "a registered name")
    }
}

/// A registered name on a node. It refers to the process that holds the name there when the request
/// arrives.
///
/// As text `name@label@host[:port]`. It is split at the first `@`, because a registered name
/// contains none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The registered name.
    pub name: RegName,
    /// The node that resolves it.
    pub node: NodeName,
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let missing = ParseError::new("name", ParseErrorKind::Missing("an '@' and a node"), text.len());
        let (name, node) = text.split_once('@').ok_or(missing)?;
        let offset = name.len() + 1;
        Ok(Name { name: name.parse()?, node: node.parse().map_err(|e: ParseError| e.shifted(offset))? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.node)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
