//! The numbers by which the core and its caller name things to each other.

use core::fmt;

use refs::Serial;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Serial);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// A process of the own node: anything that can watch, be watched, or exit. Made by the caller of the core.
    ///
    /// The core keeps tables that are indexed by the slot: hand out low slots first, and use a slot again, with
    /// the next generation, when its process has exited. The same number must never name two processes.
    LocalPid
}

impl LocalPid {
    /// No process. Its generation is the last one: a slot that has come so far is not used any more.
    pub const NONE: LocalPid = LocalPid(Serial::from_u64(u64::MAX));
}

id! {
    /// A monitor made on the own node. Made by the core; never used twice.
    #[doc(alias = "monitor_ref")]
    MonitorId
}

/// Something the caller keeps until a node is connected, such as a message; the core only keeps its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
