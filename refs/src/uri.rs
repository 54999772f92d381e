//! The text form of references: `partisan:KIND:NODE:...`.
//!
//! | reference | text |
//! |---|---|
//! | pid | `partisan:pid:NODE:INCARNATION:SLOT.GENERATION` |
//! | name | `partisan:name:NODE:NAME` |
//! | monitor | `partisan:ref:NODE:INCARNATION:SLOT.GENERATION` |
//! | monitor that is an alias | `partisan:ref:NODE:INCARNATION:SLOT.GENERATION.TOKEN` |
//!
//! Incarnation and token are 16 hexadecimal digits in lower case; slot and generation are decimal,
//! without leading zeros. In NODE and NAME, bytes that would be misread are percent-escaped: `:`,
//! `%`, space, control and non-ASCII bytes. There is one spelling: an escape that is unnecessary or
//! in lower case is refused. A padded text ends in `:` and zeros.
//!
//! The scheme and the kinds are those of Partisan's `partisan_remote_ref`, whose option
//! `remote_ref_uri_padding` pads to 65 bytes; its pids have no incarnation.

use alloc::string::String;
use core::{
    fmt::{self, Write},
    str::FromStr,
};

use crate::{
    alias::AliasToken,
    error::{ParseError, ParseErrorKind},
    name::{Name, RegName},
    node::{Incarnation, NodeId, NodeName},
    pid::{MonitorRef, Pid},
    reference::{Reference, Target},
    serial::Serial,
};

const SCHEME: &str = "partisan";
const PADDED_LEN: usize = 65;

impl Reference {
    /// Maximum number of bytes of a URI. It is checked first.
    ///
    /// Every byte of a node and of a name may be escaped to three bytes.
    pub const MAX_URI_LEN: usize = 3 * (NodeName::MAX_LEN + RegName::MAX_LEN) + PADDED_LEN;

    /// The text form; `Display` writes the same.
    ///
    /// ```
    /// # use refs::Reference;
    /// let text = "partisan:name:b@[%3A%3A1]%3A7001:job runner".replace(' ', "%20");
    /// let reference = Reference::parse(&text)?;
    /// assert_eq!(reference.node().host(), "::1");
    /// assert_eq!(reference.to_uri(), text);
    /// # Ok::<(), refs::ParseError>(())
    /// ```
    pub fn to_uri(&self) -> String {
        let mut uri = String::new();
        write!(uri, "{self}").expect("a string takes any text");
        uri
    }

    /// The text form, padded to 65 bytes if it is shorter, so that references take the same space
    /// in a table or a key.
    pub fn to_padded_uri(&self) -> String {
        let mut uri = self.to_uri();
        if uri.len() < PADDED_LEN {
            uri.push(':');
            uri.extend(core::iter::repeat_n('0', PADDED_LEN - uri.len()));
        }
        uri
    }

    /// Reads the text form, padded or not. Never panics; bounded by [`Reference::MAX_URI_LEN`].
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which byte.
    #[doc(alias = "partisan_remote_ref")]
    pub fn parse(uri: &str) -> Result<Self, ParseError> {
        Parser::new("reference", uri)?.reference()
    }
}

struct Parser<'a> {
    what: &'static str,
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(what: &'static str, text: &'a str) -> Result<Self, ParseError> {
        match text.len() {
            0 => Err(ParseError::new(what, ParseErrorKind::Empty, 0)),
            1..=Reference::MAX_URI_LEN => Ok(Parser { what, text, at: 0 }),
            _ => {
                let kind = ParseErrorKind::TooLong(Reference::MAX_URI_LEN);
                Err(ParseError::new(what, kind, Reference::MAX_URI_LEN))
            }
        }
    }

    fn error(&self, kind: ParseErrorKind, at: usize) -> ParseError {
        ParseError::new(self.what, kind, at)
    }

    /// The next part, up to a colon or the end, and where it starts.
    fn part(&mut self, expected: &'static str) -> Result<(usize, &'a str), ParseError> {
        let start = self.at;
        let rest =
            self.text.get(start..).ok_or(self.error(ParseErrorKind::Missing(expected), self.text.len()))?;
        let part = rest.split(':').next().unwrap_or(rest);
        if part.is_empty() {
            return Err(self.error(ParseErrorKind::Missing(expected), start));
        }
        self.at = start + part.len() + 1;
        Ok((start, part))
    }

    fn reference(mut self) -> Result<Reference, ParseError> {
        const EXPECTED: &str = "'partisan:' at the start";
        let (at, scheme) = self.part(EXPECTED)?;
        if scheme != SCHEME {
            return Err(self.error(ParseErrorKind::Missing(EXPECTED), at));
        }
        let (at, kind) = self.part("a kind: 'pid', 'name' or 'ref'")?;
        let node: NodeName = self.unescaped("a node")?;
        let reference = match kind {
            "pid" => Pid::new(NodeId::new(node, self.incarnation()?), self.serial()?).into(),
            "ref" => {
                let node = NodeId::new(node, self.incarnation()?);
                let (serial, token) = self.aliased_serial()?;
                MonitorRef::new(node, serial).with_alias(token).into()
            }
            "name" => Name { name: self.unescaped("a registered name")?, node }.into(),
            _ => return Err(self.error(ParseErrorKind::Missing("a kind: 'pid', 'name' or 'ref'"), at)),
        };
        self.padding()?;
        Ok(reference)
    }

    fn incarnation(&mut self) -> Result<Incarnation, ParseError> {
        let (at, part) = self.part("an incarnation")?;
        part.parse().map_err(|error: ParseError| self.error(error.kind, at))
    }

    fn serial(&mut self) -> Result<Serial, ParseError> {
        let (at, part) = self.part("a slot and a generation")?;
        self.serial_of(part, at)
    }

    /// A serial, and after another `.` the token of an alias.
    fn aliased_serial(&mut self) -> Result<(Serial, Option<AliasToken>), ParseError> {
        let (at, part) = self.part("a slot and a generation")?;
        let Some((token_at, _)) = part.match_indices('.').nth(1) else {
            return Ok((self.serial_of(part, at)?, None));
        };
        let serial = self.serial_of(&part[..token_at], at)?;
        let token = part[token_at + 1..].parse();
        let token = token.map_err(|error: ParseError| self.error(error.kind, at + token_at + 1))?;
        Ok((serial, Some(token)))
    }

    fn serial_of(&self, part: &str, at: usize) -> Result<Serial, ParseError> {
        let missing = self.error(ParseErrorKind::Missing("a '.' and a generation"), at + part.len());
        let (slot, generation) = part.split_once('.').ok_or(missing)?;
        let number = |text: &str, at| decimal(text).ok_or(self.error(ParseErrorKind::BadNumber, at));
        Ok(Serial::new(number(slot, at)?, number(generation, at + slot.len() + 1)?))
    }

    /// The next part, unescaped and parsed.
    fn unescaped<T: FromStr<Err = ParseError>>(&mut self, expected: &'static str) -> Result<T, ParseError> {
        let (start, part) = self.part(expected)?;
        let plain = unescape(part).map_err(|at| self.error(ParseErrorKind::BadEscape, start + at))?;
        // The offset counts in the plain text: add the length of the escapes before it.
        plain.parse().map_err(|mut error: ParseError| {
            let escaped: usize =
                plain.bytes().take(error.at).map(|b| if is_escaped(b) { 3 } else { 1 }).sum();
            error.at = start + escaped;
            error
        })
    }

    /// Accepts nothing, or a colon and zeros up to the padded length.
    fn padding(&self) -> Result<(), ParseError> {
        let Some(padding) = self.text.get(self.at..) else { return Ok(()) };
        let is_padding = self.text.len() == PADDED_LEN && padding.bytes().all(|b| b == b'0');
        if is_padding { Ok(()) } else { Err(self.error(ParseErrorKind::Trailing, self.at - 1)) }
    }
}

/// A number in its only spelling: no sign, no leading zero.
fn decimal(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, b':' | b'%' | b' ') || byte.is_ascii_control() || !byte.is_ascii()
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if is_escaped(byte) {
                write!(f, "%{byte:02X}")?;
            } else {
                f.write_char(char::from(byte))?;
            }
        }
        Ok(())
    }
}

/// The inverse of [`Escaped`] for its only spelling, or the offset of the malformed part.
fn unescape(text: &str) -> Result<String, usize> {
    let mut plain = alloc::vec::Vec::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'%' {
            if is_escaped(byte) {
                return Err(at);
            }
            plain.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|(_, b)| upper_hex(b)).ok_or(at);
        let escaped = digit()? << 4 | digit()?;
        if !is_escaped(escaped) {
            return Err(at);
        }
        plain.push(escaped);
    }
    // A text that is not UTF-8 is malformed as a whole.
    String::from_utf8(plain).map_err(|_| 0)
}

const fn upper_hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn fmt_numbered(f: &mut fmt::Formatter<'_>, kind: &str, node: &NodeId, serial: Serial) -> fmt::Result {
    write!(f, "{SCHEME}:{kind}:{}:{}:{serial}", Escaped(node.name.as_str()), node.incarnation)
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_numbered(f, "pid", self.node(), self.serial())
    }
}

impl fmt::Display for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_numbered(f, "ref", self.node(), self.serial())?;
        self.alias().map_or(Ok(()), |token| write!(f, ".{token}"))
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Leaves out the token of an alias, which is a secret of those that may reply.
impl fmt::Debug for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_numbered(f, "ref", self.node(), self.serial())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Pid(pid) => fmt::Display::fmt(pid, f),
            Reference::Name(Name { name, node }) => {
                write!(f, "{SCHEME}:name:{}:{}", Escaped(node.as_str()), Escaped(name.as_str()))
            }
            Reference::Monitor(monitor) => fmt::Display::fmt(monitor, f),
        }
    }
}

/// Writes a pid as its URI, and a name as `name@node` unless that would look like a URI. `FromStr`
/// reads both.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name) if !name.name.as_str().starts_with(SCHEME) => fmt::Display::fmt(name, f),
            Target::Pid(_) | Target::Name(_) => fmt::Display::fmt(&Reference::from(self.clone()), f),
        }
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    fn from_str(uri: &str) -> Result<Self, ParseError> {
        Reference::parse(uri)
    }
}

impl FromStr for Pid {
    type Err = ParseError;

    fn from_str(uri: &str) -> Result<Self, ParseError> {
        match Parser::new("pid", uri)?.reference()? {
            Reference::Pid(pid) => Ok(pid),
            Reference::Name(_) | Reference::Monitor(_) => Err(other_kind("pid", "the kind 'pid'")),
        }
    }
}

impl FromStr for MonitorRef {
    type Err = ParseError;

    fn from_str(uri: &str) -> Result<Self, ParseError> {
        match Parser::new("monitor reference", uri)?.reference()? {
            Reference::Monitor(monitor) => Ok(monitor),
            Reference::Pid(_) | Reference::Name(_) => Err(other_kind("monitor reference", "the kind 'ref'")),
        }
    }
}

/// The error for a reference of another kind than requested.
const fn other_kind(what: &'static str, expected: &'static str) -> ParseError {
    ParseError::new(what, ParseErrorKind::Missing(expected), SCHEME.len() + 1)
}

/// Reads the URI of a pid or of a name, or `name@node`.
///
/// ```
/// # use refs::Target;
/// let target: Target = "worker@b@10.0.0.7:7001".parse()?;
/// assert_eq!(target.node().label(), "b");
/// assert_eq!(target, target.to_string().parse()?);
/// # Ok::<(), refs::ParseError>(())
/// ```
impl FromStr for Target {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if !text.starts_with("partisan:") {
            return text.parse().map(Target::Name);
        }
        match Parser::new("target", text)?.reference()? {
            Reference::Pid(pid) => Ok(Target::Pid(pid)),
            Reference::Name(name) => Ok(Target::Name(name)),
            Reference::Monitor(_) => Err(other_kind("target", "the kind 'pid' or 'name'")),
        }
    }
}
