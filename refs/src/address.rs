//! The addresses of nodes.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::{fmt, str::FromStr};

use crate::{
    error::{ParseError, ParseErrorKind},
    node::{NodeName, check_host_and_port, host_and_port},
};

/// A network address: `host:port`, at most 255 bytes; an IPv6 host is in brackets.
///
/// The host may be a name, which the dialing node resolves. A clone costs a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    const WHAT: &'static str = "address";

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        host_and_port(&self.0).0
    }

    /// The port.
    pub fn port(&self) -> u16 {
        let port = host_and_port(&self.0).1.and_then(|port| port.parse().ok());
        port.expect("an address has a port: checked when it was parsed")
    }
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |kind, at| ParseError::new(Self::WHAT, kind, at);
        if text.is_empty() {
            return Err(error(ParseErrorKind::Empty, 0));
        }
        if text.len() > NodeName::MAX_LEN {
            return Err(error(ParseErrorKind::TooLong(NodeName::MAX_LEN), NodeName::MAX_LEN));
        }
        check_host_and_port(Self::WHAT, text)?;
        match host_and_port(text).1 {
            Some(_) => Ok(Address(Arc::from(text))),
            None => Err(error(ParseErrorKind::Missing("a port"), text.len())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node to connect to: its name, and addresses to try in order.
///
/// Without addresses, the address book of the peer service and then the name's own `host:port` are
/// used. As text: `name` or `name=host:port,host:port`.
///
/// ```
/// # use refs::NodeSpec;
/// let spec: NodeSpec = "db@rack7=10.0.0.9:7001,10.1.0.9:7001".parse()?;
/// assert_eq!(spec.name().as_str(), "db@rack7");
/// assert_eq!(spec.addresses()[1].port(), 7001);
/// # Ok::<(), refs::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSpec {
    name: NodeName,
    addresses: Vec<Address>,
}

impl NodeSpec {
    /// Maximum number of addresses of one node.
    pub const MAX_ADDRESSES: usize = 16;

    /// A node without addresses of its own.
    pub const fn new(name: NodeName) -> Self {
        NodeSpec { name, addresses: Vec::new() }
    }

    /// Adds an address, to be tried after the present ones.
    ///
    /// # Errors
    /// [`ParseErrorKind::TooManyAddresses`] beyond [`Self::MAX_ADDRESSES`]. The offset is the one
    /// of the same error in a text: where the address would begin.
    pub fn at(mut self, address: Address) -> Result<Self, ParseError> {
        if self.addresses.len() == Self::MAX_ADDRESSES {
            return Err(Self::too_many(self.to_string().len() + 1));
        }
        self.addresses.push(address);
        Ok(self)
    }

    /// The node's name.
    pub const fn name(&self) -> &NodeName {
        &self.name
    }

    /// The addresses to try, in order; empty if only the name is known.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    const fn too_many(at: usize) -> ParseError {
        ParseError::new("node", ParseErrorKind::TooManyAddresses(Self::MAX_ADDRESSES), at)
    }
}

impl From<NodeName> for NodeSpec {
    fn from(name: NodeName) -> Self {
        NodeSpec::new(name)
    }
}

impl From<&NodeName> for NodeSpec {
    fn from(name: &NodeName) -> Self {
        NodeSpec::new(name.clone())
    }
}

impl From<&NodeSpec> for NodeSpec {
    fn from(spec: &NodeSpec) -> Self {
        spec.clone()
    }
}

impl FromStr for NodeSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, addresses) = text.split_once('=').unwrap_or((text, ""));
        let mut spec = NodeSpec::new(name.parse()?);
        let mut offset = name.len() + 1;
        for address in addresses.split(',').filter(|_| text.len() > name.len()) {
            if spec.addresses.len() == Self::MAX_ADDRESSES {
                return Err(Self::too_many(offset));
            }
            spec.addresses.push(address.parse().map_err(|e: ParseError| e.shifted(offset))?);
            offset += address.len() + 1;
        }
        Ok(spec)
    }
}

impl fmt::Display for NodeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for (i, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if i == 0 { '=' } else { ',' })?;
        }
        Ok(())
    }
}
