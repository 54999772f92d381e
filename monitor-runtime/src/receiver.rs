//! The receiver of a message, on its node.

use refs::{AliasToken, Dest, Incarnation, Serial};

/// The receiver of a message, as the receiving node looks it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver<'a> {
    Pid(Incarnation, Serial),
    /// Not yet checked to be a registered name.
    Name(&'a str),
    /// None if the sender has no token.
    Alias(Incarnation, Serial, Option<AliasToken>),
}

impl<'a> Receiver<'a> {
    /// The receiver at the node of the destination.
    pub(crate) fn of(dest: &'a Dest) -> Self {
        match dest {
            Dest::Pid(pid) => Receiver::Pid(pid.incarnation(), pid.serial()),
            Dest::Name(name) => Receiver::Name(name.name.as_str()),
            Dest::Alias(monitor) => {
                Receiver::Alias(monitor.node().incarnation, monitor.serial(), monitor.alias())
            }
        }
    }
}
