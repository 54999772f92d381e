//! What may happen in a run, and how often.

use crate::world::NodeIx;

/// How often things may happen in one run. What is not bounded here happens only as often as this leaves room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) name: &'static str,
    /// `a` and `b`, or `c` as well. There are links between `b` and each other one.
    pub(crate) nodes: usize,
    /// The monitors. Each is made at any moment, or never; of equal ones the earlier first.
    pub(crate) monitors: &'static [Wish],
    /// The sessions of each pair, one after the other. Each may break.
    pub(crate) sessions: usize,
    /// The first session of each stands when the run begins.
    pub(crate) connected: bool,
    /// Where a process may exit.
    pub(crate) exits: &'static [NodeIx],
    /// How often a process takes the name, and the slot, of one that has exited.
    pub(crate) spawns: usize,
    /// The nodes that may start again, once each.
    pub(crate) restarts: &'static [NodeIx],
    /// The most steps that one input of a core does.
    pub(crate) batch: usize,
    /// Notices wait in the mailbox until they are received; otherwise each is received at once.
    pub(crate) mailboxes: bool,
    /// What was on its way when a session ended is still handed in afterwards, or not; otherwise it is lost.
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

/// What it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Aim {
    /// The first process of that life of the node.
    Pid(u64),
    /// A number that no process bears, in the node's present life.
    Missing,
    /// Whoever bears the name.
    Name,
}
