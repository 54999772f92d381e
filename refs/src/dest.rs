//! Destinations of messages.

use core::{fmt, str::FromStr};

use crate::{
    error::ParseError,
    name::Name,
    node::NodeName,
    pid::{MonitorRef, Pid},
    reference::{Reference, Target},
};

/// The receiver of a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dest {
    /// Exactly this process.
    Pid(Pid),
    /// The process that holds the name on the node when the message arrives there.
    Name(Name),
    /// The process that made the monitor, as long as the monitor's reference is an alias. Only a
    /// reference that contains its [token](crate::AliasToken) is an address: the one that the
    /// process got when it made the monitor. A message to any other monitor reference is dropped.
    Alias(MonitorRef),
}

impl Dest {
    /// The node of the receiver.
    pub const fn node(&self) -> &NodeName {
        match self {
            Dest::Pid(pid) => &pid.node().name,
            Dest::Name(name) => &name.node,
            Dest::Alias(monitor) => &monitor.node().name,
        }
    }
}

macro_rules! dest_from {
    ($($type:ty => |$value:ident| $dest:expr),* $(,)?) => {
        $(impl From<$type> for Dest {
            fn from($value: $type) -> Self {
                $dest
            }
        })*
    };
}
dest_from! {
    Pid => |pid| Dest::Pid(pid),
    &Pid => |pid| Dest::Pid(pid.clone()),
    Name => |name| Dest::Name(name),
    &Name => |name| Dest::Name(name.clone()),
    MonitorRef => |monitor| Dest::Alias(monitor),
    &MonitorRef => |monitor| Dest::Alias(monitor.clone()),
    Target => |target| match target {
        Target::Pid(pid) => Dest::Pid(pid),
        Target::Name(name) => Dest::Name(name),
    },
    &Target => |target| target.clone().into(),
}

/// The text that [`FromStr`] reads.
impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dest::Pid(pid) => pid.fmt(f),
            // As a target: a name that begins like a reference has the text of a reference.
            Dest::Name(name) => Target::from(name).fmt(f),
            Dest::Alias(monitor) => monitor.fmt(f),
        }
    }
}

/// Reads the text of a pid, of a name, or of a monitor reference that is an alias.
impl FromStr for Dest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if !text.starts_with("partisan:") {
            return text.parse().map(Dest::Name);
        }
        Ok(match text.parse()? {
            Reference::Pid(pid) => Dest::Pid(pid),
            Reference::Name(name) => Dest::Name(name),
            Reference::Monitor(monitor) => Dest::Alias(monitor),
        })
    }
}
