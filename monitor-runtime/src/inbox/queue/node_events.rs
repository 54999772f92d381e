//! The node events of one mailbox: decides which events are queued, which are left out, and where
//! events are missing.
//!
//! Two rules bound their number. For each node and subscription at most two events are queued. A
//! second limit bounds the events of all nodes; beyond it the subscription has a *gap*. The gap
//! lasts until the receiver reaches it and restarts with a list of the nodes that are up.

use std::{collections::BTreeMap, mem};

use monitor_core::{NodeNotice, NodesOptions};
use refs::NodeName;

/// See the [module](self). An event is identified by the number of its entry in the queue.
#[derive(Debug, Default)]
pub(super) struct NodeEvents {
    alternations: BTreeMap<(NodeName, NodesOptions), Alternation>,
    gaps: BTreeMap<NodesOptions, Gap>,
    last_gap: u64,
    /// Number of queued events of `monitor_nodes`.
    queued: usize,
}

/// The queued events of one node and subscription: at most two.
///
/// The left-out events are always a down and the up after it. So every message still lies between
/// the up and the down that the process sees, and the next event of that node is a down, marked as
/// `missed`.
#[derive(Debug, Default)]
struct Alternation {
    first: Option<u64>,
    second: Option<u64>,
    missed: bool,
}

/// A place where events of a subscription are missing.
#[derive(Debug)]
struct Gap {
    id: GapId,
    missed: u64,
}

/// Distinguishes a gap from a later gap with the same options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GapId(u64);

/// The action for a new event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Queue it; `missed` as in [`NodeDown::missed`](crate::NodeDown::missed).
    Keep { missed: bool },
    /// Queue it and remove these two.
    Replace(u64, u64),
    /// Leave it out, and remove this one.
    LeaveOut(u64),
    /// Leave it out; it is the first missing event of a new gap.
    BeginGap(GapId),
    /// Leave it out; it is missing in a gap that began earlier.
    InGap,
}

impl NodeEvents {
    /// Decides about a new event, which becomes entry `number` if it is queued. At most `limit`
    /// events are queued.
    pub(super) fn push(&mut self, notice: &NodeNotice, number: u64, limit: usize) -> Placement {
        let Some(key) = key(notice) else {
            // There is one notice for each call of `monitor_node`, so the process itself bounds
            // their number.
            return Placement::Keep { missed: false };
        };
        if let Some(gap) = self.gaps.get_mut(&key.1) {
            gap.missed += 1;
            return Placement::InGap;
        }
        let alternation = self.alternations.get_mut(&key);
        match (alternation, notice) {
            // Down, up, and now a down: leave out the first two.
            (Some(Alternation { first: Some(first), second: Some(second), .. }), NodeNotice::Down(..)) => {
                let placement = Placement::Replace(*first, *second);
                let only = Alternation { first: Some(number), second: None, missed: false };
                self.alternations.insert(key, only);
                self.queued -= 1;
                placement
            }
            // Up, down, and now an up: leave out the last two.
            (Some(Alternation { first: Some(_), second, missed }), _) if second.is_some() => {
                *missed = true;
                self.queued -= 1;
                Placement::LeaveOut(second.take().expect("the guard has checked it"))
            }
            _ if self.queued >= limit => self.begin_gap(key.1),
            _ => {
                self.queued += 1;
                let alternation = self.alternations.entry(key).or_default();
                let slot = if alternation.first.is_none() {
                    &mut alternation.first
                } else {
                    &mut alternation.second
                };
                *slot = Some(number);
                Placement::Keep { missed: mem::take(&mut alternation.missed) }
            }
        }
    }

    fn begin_gap(&mut self, options: NodesOptions) -> Placement {
        self.last_gap += 1;
        let id = GapId(self.last_gap);
        self.gaps.insert(options, Gap { id, missed: 1 });
        Placement::BeginGap(id)
    }

    /// Records that the receiver has popped an event.
    pub(super) fn pop(&mut self, notice: &NodeNotice, number: u64) {
        let Some(key) = key(notice) else { return };
        self.queued -= 1;
        let Some(alternation) = self.alternations.get_mut(&key) else { return };
        if alternation.first == Some(number) {
            alternation.first = alternation.second.take();
        }
        if alternation.first.is_none() && !alternation.missed {
            self.alternations.remove(&key);
        }
    }

    /// Ends a gap that the receiver has reached, and restarts the subscription. Returns the number
    /// of missing events, or `None` if the subscription has ended.
    pub(super) fn end_gap(&mut self, options: NodesOptions, id: GapId) -> Option<u64> {
        let gap = self.gaps.get(&options).filter(|gap| gap.id == id)?;
        let missed = gap.missed;
        self.restart(options);
        Some(missed)
    }

    /// Ends or restarts a subscription. Its queued events stay; later events are independent of
    /// them.
    pub(super) fn restart(&mut self, options: NodesOptions) {
        self.gaps.remove(&options);
        self.alternations.retain(|(_, other), _| *other != options);
    }

    /// Changes the number of the entry of an event.
    pub(super) fn renumber(&mut self, notice: &NodeNotice, from: u64, to: u64) {
        let Some(alternation) = key(notice).and_then(|key| self.alternations.get_mut(&key)) else { return };
        for number in [&mut alternation.first, &mut alternation.second] {
            if *number == Some(from) {
                *number = Some(to);
                return;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.alternations.len()
    }
}

/// Returns the node and the subscription of an event of `monitor_nodes`.
fn key(notice: &NodeNotice) -> Option<(NodeName, NodesOptions)> {
    match notice {
        NodeNotice::Up(options, event) | NodeNotice::Down(options, event) => {
            Some((event.name.clone(), *options))
        }
        NodeNotice::MonitoredDown(_) => None,
    }
}
