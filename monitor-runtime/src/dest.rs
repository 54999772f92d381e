//! Destinations of messages.

use refs::{AliasToken, Incarnation, MonitorRef, Name, NodeName, Pid, Serial, Target};

/// The destination of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Dest {
    /// The process with this pid.
    Pid(Pid),
    /// The process that holds the name when the message arrives at its node.
    Name(Name),
    /// The process that made the monitor, while the monitor's reference is an alias:
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias). The reference must carry its
    /// [token](crate::AliasToken): use the one that `monitor_with` returned. The references in a
    /// [`Down`](crate::Down) and from [`Mailbox::monitors`](crate::Mailbox::monitors) have no
    /// token. Messages to a reference that is no alias are dropped and counted
    /// (`messages_for_no_alias`).
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

    /// The receiver on its node.
    pub(crate) fn receiver(&self) -> Receiver<'_> {
        match self {
            Dest::Pid(pid) => Receiver::Pid(pid.incarnation(), pid.serial()),
            Dest::Name(name) => Receiver::Name(name.name.as_str()),
            Dest::Alias(monitor) => {
                Receiver::Alias(monitor.node().incarnation, monitor.serial(), monitor.alias())
            }
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

/// The receiver of a message, on the receiver's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver<'a> {
    Pid(Incarnation, Serial),
    /// The text was not checked to be a registered name yet.
    Name(&'a str),
    /// The token is `None` if the reference has none.
    Alias(Incarnation, Serial, Option<AliasToken>),
}
