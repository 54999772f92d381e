//! The bounds of a run: which events may happen, and how often.

use crate::world::NodeIx;

/// Maximum number of events in one run. Events without a bound of their own happen only as often as
/// these allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) name: &'static str,
    /// `a` and `b`, or `c` as well. `b` can connect to each of the others.
    pub(crate) nodes: usize,
    /// The monitors. Each is made at any moment, or never; of equal ones the earlier first.
    pub(crate) monitors: &'static [Wish],
    /// The sessions of each pair, one after the other. Each may break.
    pub(crate) sessions: usize,
    /// The first session of each pair is up when the run begins.
    pub(crate) connected: bool,
    /// The nodes whose process may exit.
    pub(crate) exits: &'static [NodeIx],
    /// How often a process takes the name and the slot of a process that has exited.
    pub(crate) spawns: usize,
    /// The nodes that may restart, once each.
    pub(crate) restarts: &'static [NodeIx],
    /// Maximum number of steps in one input of a core.
    pub(crate) batch: usize,
    /// Whether notices wait in the mailbox until they are received. Otherwise each is received at
    /// once.
    pub(crate) mailboxes: bool,
    /// Whether signals that were on their way when a session ended may still be passed in
    /// afterwards. Otherwise they are lost.
    pub(crate) stale_signals: bool,
}

impl Bounds {
    /// Two nodes and one session, which may break.
    pub(crate) const FEW: Bounds = Bounds {
        name: "",
        nodes: 2,
        monitors: &[],
        sessions: 1,
        connected: false,
        exits: &[],
        spawns: 0,
        restarts: &[],
        batch: 256,
        mailboxes: false,
        stale_signals: false,
    };
}

/// A monitor that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    pub(crate) from: NodeIx,
    pub(crate) to: NodeIx,
    pub(crate) aim: Aim,
}

/// The target of a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Aim {
    /// The first process of that incarnation of the node.
    Pid(u64),
    /// A number that no process has, in the node's present incarnation.
    Missing,
    /// The process that holds the name.
    Name,
}
