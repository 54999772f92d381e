//! Processes and monitors, as the whole cluster identifies them.

use core::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    alias::AliasToken,
    node::{Incarnation, NodeId},
    serial::Serial,
};

/// One process of one incarnation of a node. Never used twice.
///
/// It has one text form, `partisan:pid:NODE:INCARNATION:SLOT.GENERATION`: `Display` and `Debug`
/// write it, `FromStr` reads it, and formats that people read, such as JSON, contain it as a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid {
    node: NodeId,
    serial: Serial,
}

impl Pid {
    /// The process with that number on that node.
    pub const fn new(node: NodeId, serial: Serial) -> Self {
        Pid { node, serial }
    }

    /// The node of the process, with its incarnation.
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    /// The number of the process on its node.
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// The incarnation of the node: a fencing token. Two pids with the same node name and different
    /// incarnations belong to different runs of the node; only the node itself knows which run is
    /// the later.
    ///
    /// So compare incarnations, and never order them. A service that grants a lease keeps the
    /// holder's pid and refuses every other pid, however late its messages arrive. Store the whole
    /// `Pid`, because processes of one node share its incarnation. Grant a pid at most once: a
    /// process that has lost the lease exits, and a new process applies; or store a term beside the
    /// pid.
    ///
    /// ```
    /// # use refs::{Incarnation, NodeId, Pid, Serial};
    /// # let name: refs::NodeName = "a@h:1".parse().expect("a name");
    /// # let incarnation = |number| Incarnation::new(number).expect("not zero");
    /// # let node = |number| NodeId::new(name.clone(), incarnation(number));
    /// # let holder = Pid::new(node(7), Serial::new(0, 1));
    /// # let successor = Pid::new(node(8), Serial::new(0, 1));
    /// let mut granted_to = holder.clone();
    /// assert_eq!(holder, granted_to);
    /// // The holder's node is reported as down, and another incarnation of it takes over.
    /// granted_to = successor;
    /// // A late write of the old incarnation is refused, although the process has the same number.
    /// assert_ne!(holder, granted_to);
    /// assert_ne!(holder.incarnation(), granted_to.incarnation());
    /// ```
    #[doc(alias = "creation")]
    pub const fn incarnation(&self) -> Incarnation {
        self.node.incarnation
    }

    /// Whether the process belongs to exactly this incarnation of this node, dead or alive.
    pub fn is_local(&self, local: &NodeId) -> bool {
        self.node == *local
    }
}

/// One monitor, made by one watcher. Never used twice.
///
/// The reference of a monitor that is an alias contains an [`AliasToken`], in all its forms. Only a
/// reference with the token is an address for messages. Two references of one monitor are equal,
/// with the token or without, because they identify the same monitor.
///
/// It has one text form, `partisan:ref:NODE:INCARNATION:SLOT.GENERATION`, with `.TOKEN` after it if
/// the reference is an alias: `Display` writes it, `FromStr` reads it, and formats that people
/// read, such as JSON, contain it as a text. `Debug` leaves the token out.
#[derive(Clone)]
pub struct MonitorRef {
    node: NodeId,
    serial: Serial,
    alias: Option<AliasToken>,
}

impl MonitorRef {
    /// The monitor with that number, made on that node; not an alias.
    pub const fn new(node: NodeId, serial: Serial) -> Self {
        MonitorRef { node, serial, alias: None }
    }

    /// The same monitor as an alias with this token; not an alias if it is `None`.
    #[must_use]
    pub const fn with_alias(mut self, token: Option<AliasToken>) -> Self {
        self.alias = token;
        self
    }

    /// The token, if the reference is an alias.
    pub const fn alias(&self) -> Option<AliasToken> {
        self.alias
    }

    /// The watcher's node, which made the reference.
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    /// The number of the monitor on its node.
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// Whether the monitor was made on exactly this incarnation of this node.
    pub fn is_local(&self, local: &NodeId) -> bool {
        self.node == *local
    }
}

impl MonitorRef {
    /// The identity of the monitor. The token is a permission, and no part of it.
    const fn identity(&self) -> (&NodeId, Serial) {
        (&self.node, self.serial)
    }
}

impl PartialEq for MonitorRef {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for MonitorRef {}

impl PartialOrd for MonitorRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MonitorRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for MonitorRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

macro_rules! numbered {
    ($type:ident as $expecting:literal, fields $fields:ident { $($field:ident: $field_type:ty),+ }) => {
        /// The fields of the binary form.
        #[derive(Serialize, Deserialize)]
        struct $fields {
            $($field: $field_type),+
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    return serializer.collect_str(self);
                }
                $fields { $($field: self.$field.clone()),+ }.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    return crate::binary::parse_str(deserializer, $expecting);
                }
                $fields::deserialize(deserializer).map(|$fields { $($field),+ }| $type { $($field),+ })
            }
        }
    };
}
numbered!(Pid as "a pid", fields PidFields { node: NodeId, serial: Serial });
numbered!(MonitorRef as "a monitor reference", fields MonitorFields {
    node: NodeId,
    serial: Serial,
    alias: Option<AliasToken>
});
