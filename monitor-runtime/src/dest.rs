//! Destinations of messages.

use refs::{AliasToken, Incarnation, MonitorRef, Name, NodeName, Pid, Serial, Target};

/// Whom a message is for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Dest {
    /// That very process.
    Pid(Pid),
    /// Whoever holds the name at the node when the message arrives there.
    Name(Name),
    /// The process that made the monitor, as long as the monitor's reference is an alias of it:
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias). The reference must carry its
    /// [token](crate::AliasToken), as the one that was returned by `monitor_with` does. A
    /// [`Down`](crate::Down) and [`Mailbox::monitors`](crate::Mailbox::monitors) name monitors
    /// without it. Messages to a reference that is no alias are dropped and counted
    /// (`messages_for_no_alias`).
    Alias(MonitorRef),
}

impl Dest {
    /// The node it is for.
    pub const fn node(&self) -> &NodeName {
        match self {
            Dest::Pid(pid) => &pid.node().name,
            Dest::Name(name) => &name.node,
            Dest::Alias(monitor) => &monitor.node().name,
        }
    }

    /// Who is meant, once the node is known.
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

/// Whom a message is for, on the node it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver<'a> {
    Pid(Incarnation, Serial),
    /// Not yet checked to be a registered name.
    Name(&'a str),
    /// None if the sender has no token.
    Alias(Incarnation, Serial, Option<AliasToken>),
}
