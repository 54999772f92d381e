//! Numbers that identify things, each with a type of its own.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of a process or a monitor on its node: a slot of a table, and the generation of that
/// slot.
///
/// The node that owns the number made it. So a look-up is an array index, and a stale or forged
/// number is not found because its generation differs. On the wire, slot and generation are two
/// varints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(u64);

impl Serial {
    /// The serial of `slot` in its `generation`.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Serial((generation as u64) << 32 | slot as u64)
    }

    /// The slot of the table.
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Which use of the slot this is.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// `generation << 32 | slot`.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`Serial::to_u64`].
    pub const fn from_u64(number: u64) -> Self {
        Serial(number)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.slot(), self.generation()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (slot, generation) = <(u32, u32)>::deserialize(deserializer)?;
        Ok(Serial::new(slot, generation))
    }
}

/// One session, numbered by one node: the peer service numbers its sessions, and never uses a
/// number twice.
///
/// The two ends of a session number it independently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// One attempt to connect. The component that requests the attempt numbers it, and never uses a
/// number twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

impl fmt::Debug for DialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dial {}", self.0)
    }
}
