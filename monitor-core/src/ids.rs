//! The numbers that the core and its caller exchange.

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
    /// A process of the local node: anything that can watch, be watched, or exit. The caller of the
    /// core makes these numbers.
    ///
    /// The core has tables that are indexed by the slot. So
    /// use low slots first. Reuse a slot, with the next generation, after the exit of its process
    /// was reported. Two processes must never have the same number, in all the time that the node
    /// keeps its incarnation.
    LocalPid
}

impl LocalPid {
    /// No process. Its generation is the last one; a slot that has reached that generation is not
    /// used any more.
    pub const NONE: LocalPid = LocalPid(Serial::from_u64(u64::MAX));
}

id! {
    /// A monitor made on the local node. The core makes these numbers, and never uses one twice.
    /// With the node it forms the [`MonitorRef`](refs::MonitorRef): see
    /// [`Core::reference`](crate::Core::reference).
    #[doc(alias = "monitor_ref")]
    MonitorId
}

/// Something that the caller keeps until a node is connected, such as a message. The core keeps
/// only its place in the order.
///
/// The caller makes these numbers. A number may be used again after its
/// [`Forward`](crate::Effect::Forward) or [`Discard`](crate::Effect::Discard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
