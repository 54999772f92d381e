//! Who a reference means, seen from one node.

use crate::{
    name::RegName,
    node::NodeId,
    pid::Pid,
    reference::{Reference, Target},
    serial::Serial,
};

/// Who holds a registered name on the local node, now.
pub trait WhereIs {
    /// The process that holds `name`, if any.
    fn whereis(&self, name: &RegName) -> Option<Pid>;
}

/// What a target is from the point of view of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A process of the local node in its present life, by its number there. Whether it lives is not said.
    Local(Serial),
    /// A name at the local node.
    LocalName(RegName),
    /// Something on another node.
    Remote,
    /// A process of the local node's name in another life: nobody can be there.
    OtherIncarnation,
}

impl Target {
    /// What this target is, seen from `local`.
    pub fn resolve(&self, local: &NodeId) -> Resolution {
        match self {
            Target::Pid(pid) if pid.node() == local => Resolution::Local(pid.serial()),
            Target::Pid(pid) if pid.node().name == local.name => Resolution::OtherIncarnation,
            Target::Name(name) if name.node == local.name => Resolution::LocalName(name.name.clone()),
            Target::Pid(_) | Target::Name(_) => Resolution::Remote,
        }
    }

    /// Whether it belongs to that node in its present incarnation; a name always belongs to the present one.
    pub fn is_local(&self, local: &NodeId) -> bool {
        matches!(self.resolve(local), Resolution::Local(_) | Resolution::LocalName(_))
    }
}

impl Reference {
    /// Whether it belongs to that node in its present incarnation; a name always belongs to the present one.
    pub fn is_local(&self, local: &NodeId) -> bool {
        match self {
            Reference::Pid(pid) => pid.is_local(local),
            Reference::Name(name) => name.node == local.name,
            Reference::Monitor(monitor) => monitor.is_local(local),
        }
    }
}

/// Whether two targets mean the same process, as far as `local` can know. Symmetric.
///
/// Equal targets do. A name of the local node is looked up in `names` and means its holder; names of other
/// nodes cannot be looked up from here, so they equal only themselves.
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
