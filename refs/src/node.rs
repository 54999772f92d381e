//! Nodes: names, incarnations, and both together.

use alloc::sync::Arc;
use core::{cmp::Ordering, fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{ParseError, ParseErrorKind};

/// The name of a node: `label@host` or `label@host:port`, at most 255 bytes.
///
/// The label is 1 to 63 characters out of `A-Z a-z 0-9 _ -`. The host is a host name, an IPv4
/// address, or an IPv6 address in brackets. A node keeps its name over restarts. Names are compared
/// byte by byte. A clone costs a reference count.
///
/// ```
/// # use refs::NodeName;
/// let name: NodeName = "billing@10.0.0.7:7001".parse()?;
/// assert_eq!((name.label(), name.host(), name.port()), ("billing", "10.0.0.7", Some(7001)));
/// assert_eq!("b@[::1]:9".parse::<NodeName>()?.host(), "::1");
/// assert!("no-host@".parse::<NodeName>().is_err());
/// # Ok::<(), refs::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "node")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Maximum number of bytes of a node name.
    pub const MAX_LEN: usize = 255;
    const MAX_LABEL: usize = 63;
    const WHAT: &'static str = "node name";

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn label(&self) -> &str {
        self.0.split_once('@').expect("a node name has an @: checked when it was parsed").0
    }

    /// The host: without the port, and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        host_and_port(self.after_at()).0
    }

    /// The port, if the name has one.
    pub fn port(&self) -> Option<u16> {
        host_and_port(self.after_at()).1.and_then(|port| port.parse().ok())
    }

    fn after_at(&self) -> &str {
        self.0.split_once('@').expect("a node name has an @: checked when it was parsed").1
    }

    fn check(text: &str) -> Result<(), ParseError> {
        let error = |kind, at| ParseError::new(Self::WHAT, kind, at);
        if text.is_empty() {
            return Err(error(ParseErrorKind::Empty, 0));
        }
        if text.len() > Self::MAX_LEN {
            return Err(error(ParseErrorKind::TooLong(Self::MAX_LEN), Self::MAX_LEN));
        }
        let at = text.find('@').ok_or(error(ParseErrorKind::Missing("an '@' and a host"), text.len()))?;
        Self::check_label(&text[..at])?;
        check_host_and_port(Self::WHAT, &text[at + 1..]).map_err(|e| e.shifted(at + 1))
    }

    fn check_label(label: &str) -> Result<(), ParseError> {
        let error = |kind, at| ParseError::new(Self::WHAT, kind, at);
        if label.is_empty() {
            return Err(error(ParseErrorKind::Missing("a label before the '@'"), 0));
        }
        if label.len() > Self::MAX_LABEL {
            return Err(error(ParseErrorKind::TooLong(Self::MAX_LABEL), Self::MAX_LABEL));
        }
        match label.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            Some((at, c)) => Err(error(ParseErrorKind::BadCharacter(c), at)),
            None => Ok(()),
        }
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`. Accepts any text: one that does not fit is
/// returned as the host.
pub(crate) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((v6, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (v6, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

/// Checks a text that [`host_and_port`] splits. Offsets count from the start of `text`.
pub(crate) fn check_host_and_port(what: &'static str, text: &str) -> Result<(), ParseError> {
    let error = |kind, at| ParseError::new(what, kind, at);
    let after_host = if let Some(inner) = text.strip_prefix('[') {
        let end = inner.find(']').ok_or(error(ParseErrorKind::Missing("a closing ']'"), text.len()))?;
        let v6 = &inner[..end];
        if v6.parse::<core::net::Ipv6Addr>().is_err() {
            return Err(error(ParseErrorKind::Missing("an IPv6 address between the brackets"), 1));
        }
        end + 2
    } else {
        let end = text.find(':').unwrap_or(text.len());
        if end == 0 {
            return Err(error(ParseErrorKind::Missing("a host"), 0));
        }
        let bad = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if let Some((at, c)) = text[..end].char_indices().find(|(_, c)| bad(c)) {
            return Err(error(ParseErrorKind::BadCharacter(c), at));
        }
        end
    };
    let rest = &text[after_host..];
    if rest.is_empty() {
        return Ok(());
    }
    let port = rest.strip_prefix(':').ok_or(error(ParseErrorKind::Trailing, after_host))?;
    parse_port(port).map(drop).ok_or(error(ParseErrorKind::BadNumber, after_host + 1))
}

/// A decimal port from 1 to 65535 in its only spelling: no sign, no leading zero.
fn parse_port(text: &str) -> Option<u16> {
    let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

impl FromStr for NodeName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::check(text)?;
        Ok(NodeName(Arc::from(text)))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::binary::parse_str(deserializer, "a node name")
    }
}

/// Identifies one run of a node: a random non-zero number, new with every start.
///
/// Two incarnations can be compared for equality only, because only the node itself knows which is
/// newer. An incarnation is a fencing token in the sense of "is it still the same incarnation?". So
/// it has no order:
///
/// ```compile_fail
/// # use refs::Incarnation;
/// # let (token, other) = (Incarnation::new(1).unwrap(), Incarnation::new(2).unwrap());
/// let newer = token < other; // cannot be known
/// ```
///
/// As text it is 16 hexadecimal digits in lower case. It is also a text in forms that people read,
/// such as JSON, where numbers are exact up to 2^53 only.
///
/// ```
/// # use refs::Incarnation;
/// let incarnation: Incarnation = "0000000000008c21".parse()?;
/// assert_eq!(incarnation.get(), 0x8c21);
/// assert_eq!(incarnation.to_string(), "0000000000008c21");
/// assert!("8c21".parse::<Incarnation>().is_err(), "there is one spelling");
/// # Ok::<(), refs::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "creation")]
pub struct Incarnation(NonZeroU64);

impl Incarnation {
    /// The incarnation with that number; `None` for zero. The number should come from a good source
    /// of randomness.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Incarnation(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for Incarnation {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |kind| ParseError::new("incarnation", kind, 0);
        match padded_hex(text).and_then(Incarnation::new) {
            Some(incarnation) => Ok(incarnation),
            None if text.is_empty() => Err(error(ParseErrorKind::Empty)),
            None => Err(error(ParseErrorKind::BadNumber)),
        }
    }
}

/// A number in its only spelling: 16 hexadecimal digits in lower case.
pub(crate) fn padded_hex(text: &str) -> Option<u64> {
    let one_spelling = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(text, 16).ok().filter(|_| one_spelling)
}

impl Serialize for Incarnation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            crate::binary::parse_str(deserializer, "an incarnation in hexadecimal digits")
        } else {
            NonZeroU64::deserialize(deserializer).map(Incarnation)
        }
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A node in one incarnation. As text `label@host:port#incarnation`.
///
/// The order of `NodeId`, and so that of [`Pid`](crate::Pid), is arbitrary, for use in maps. It
/// does not tell which of two incarnations is newer.
///
/// ```
/// # use refs::NodeId;
/// let id: NodeId = "billing@10.0.0.7:7001#0000000000008c21".parse()?;
/// assert_eq!((id.name.label(), id.incarnation.get()), ("billing", 0x8c21));
/// assert_eq!(id.to_string(), "billing@10.0.0.7:7001#0000000000008c21");
/// # Ok::<(), refs::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId {
    /// The name, which the node keeps over restarts.
    pub name: NodeName,
    /// The incarnation.
    pub incarnation: Incarnation,
}

impl NodeId {
    /// The node with that name in that incarnation.
    pub const fn new(name: NodeName, incarnation: Incarnation) -> Self {
        NodeId { name, incarnation }
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.name, self.incarnation.0).cmp(&(&other.name, other.incarnation.0))
    }
}

impl FromStr for NodeId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let missing = ParseErrorKind::Missing("a '#' and an incarnation");
        let (name, incarnation) =
            text.split_once('#').ok_or(ParseError::new("node and incarnation", missing, text.len()))?;
        let incarnation = incarnation.parse().map_err(|error: ParseError| error.shifted(name.len() + 1));
        Ok(NodeId { name: name.parse()?, incarnation: incarnation? })
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.incarnation)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
