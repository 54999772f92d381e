//! The meaning of a reference on one node.

use crate::{
    name::RegName,
    node::NodeId,
    pid::Pid,
    reference::{Reference, Target},
    serial::Serial,
};

/// Looks up the registered names of the local node.
pub trait WhereIs {
    /// The process that holds `name` now, if any.
    fn whereis(&self, name: &RegName) -> Option<Pid>;
}

/// The meaning of a target on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A process of the local node in its present incarnation, by its number. The process may have
    /// exited.
    Local(Serial),
    /// A name on the local node.
    LocalName(RegName),
    /// A process or name on another node.
    Remote,
    /// A process of another incarnation of the local node: it cannot exist any more.
    OtherIncarnation,
}

impl Target {
    /// The meaning of this target on the node `local`.
    pub fn resolve(&self, local: &NodeId) -> Resolution {
        match self {
            Target::Pid(pid) if pid.node() == local => Resolution::Local(pid.serial()),
            Target::Pid(pid) if pid.node().name == local.name => Resolution::OtherIncarnation,
            Target::Name(name) if name.node == local.name => Resolution::LocalName(name.name.clone()),
            Target::Pid(_) | Target::Name(_) => Resolution::Remote,
        }
    }

    /// Whether this belongs to the present incarnation of that node. A name always belongs to the
    /// present one.
    pub fn is_local(&self, local: &NodeId) -> bool {
        matches!(self.resolve(local), Resolution::Local(_) | Resolution::LocalName(_))
    }
}

impl Reference {
    /// Whether this belongs to the present incarnation of that node. A name always belongs to the
    /// present one.
    pub fn is_local(&self, local: &NodeId) -> bool {
        match self {
            Reference::Pid(pid) => pid.is_local(local),
            Reference::Name(name) => name.node == local.name,
            Reference::Monitor(monitor) => monitor.is_local(local),
        }
    }
}

/// Whether two targets refer to the same process, as far as `local` can know. Symmetric.
///
/// Equal targets do. A name of the local node is looked up in `names` and refers to its holder.
/// Names of other nodes cannot be looked up here, so each is the same only as itself.
pub fn same_target(a: &Target, b: &Target, local: &NodeId, names: &dyn WhereIs) -> bool {
    a == b || matches!((holder(a, local, names), holder(b, local, names)), (Some(a), Some(b)) if a == b)
}

fn holder(target: &Target, local: &NodeId, names: &dyn WhereIs) -> Option<Pid> {
    match target {
        Target::Pid(pid) => Some(pid.clone()),
        Target::Name(name) if name.node == local.name => names.whereis(&name.name),
        Target::Name(_) => None,
    }
}
