//! Targets of monitors, and references in general.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    name::Name,
    node::NodeName,
    pid::{MonitorRef, Pid},
};

/// The target of a monitor: a process, or the process that holds a name on a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Exactly this process.
    Pid(Pid),
    /// The process that holds the name on the node when the request arrives there.
    Name(Name),
}

impl Target {
    /// The node of the target.
    pub const fn node(&self) -> &NodeName {
        match self {
            Target::Pid(pid) => &pid.node().name,
            Target::Name(name) => &name.node,
        }
    }
}

impl From<Pid> for Target {
    fn from(pid: Pid) -> Self {
        Target::Pid(pid)
    }
}

impl From<&Pid> for Target {
    fn from(pid: &Pid) -> Self {
        Target::Pid(pid.clone())
    }
}

impl From<Name> for Target {
    fn from(name: Name) -> Self {
        Target::Name(name)
    }
}

impl From<&Name> for Target {
    fn from(name: &Name) -> Self {
        Target::Name(name.clone())
    }
}

impl From<&Target> for Target {
    fn from(target: &Target) -> Self {
        target.clone()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Pid(pid) => fmt::Debug::fmt(pid, f),
            Target::Name(name) => fmt::Debug::fmt(name, f),
        }
    }
}

/// Any reference: [`Reference::parse`] reads it and [`Reference::to_uri`] writes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reference {
    /// A process.
    Pid(Pid),
    /// A name on a node.
    Name(Name),
    /// A monitor.
    Monitor(MonitorRef),
}

impl Reference {
    /// The node of the reference.
    pub const fn node(&self) -> &NodeName {
        match self {
            Reference::Pid(pid) => &pid.node().name,
            Reference::Name(name) => &name.node,
            Reference::Monitor(monitor) => &monitor.node().name,
        }
    }

    /// Whether this is a process.
    pub const fn is_pid(&self) -> bool {
        matches!(self, Reference::Pid(_))
    }

    /// Whether this is a name on a node.
    pub const fn is_name(&self) -> bool {
        matches!(self, Reference::Name(_))
    }

    /// Whether this is a monitor reference.
    pub const fn is_reference(&self) -> bool {
        matches!(self, Reference::Monitor(_))
    }
}

impl From<Target> for Reference {
    fn from(target: Target) -> Self {
        match target {
            Target::Pid(pid) => Reference::Pid(pid),
            Target::Name(name) => Reference::Name(name),
        }
    }
}

impl From<Pid> for Reference {
    fn from(pid: Pid) -> Self {
        Reference::Pid(pid)
    }
}

impl From<Name> for Reference {
    fn from(name: Name) -> Self {
        Reference::Name(name)
    }
}

impl From<MonitorRef> for Reference {
    fn from(monitor: MonitorRef) -> Self {
        Reference::Monitor(monitor)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Pid(pid) => fmt::Debug::fmt(pid, f),
            Reference::Name(name) => fmt::Debug::fmt(name, f),
            Reference::Monitor(monitor) => fmt::Debug::fmt(monitor, f),
        }
    }
}
