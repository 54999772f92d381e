//! The node events in one mailbox: which of them wait, which are left out, and where some are
//! missing.
//!
//! Two rules bound them. For each node and subscription at most two wait. For all of them together
//! there is a limit of its own; beyond it the subscription has a *gap*, which lasts until the
//! receiver has reached it and begins anew with a list of the nodes that are up.

use std::{collections::BTreeMap, mem};

use monitor_core::{NodeNotice, NodesOptions};
use refs::NodeName;

/// See the [module](self). Events are known by the numbers of their entries in the queue.
#[derive(Debug, Default)]
pub(super) struct NodeEvents {
    alternations: BTreeMap<(NodeName, NodesOptions), Alternation>,
    gaps: BTreeMap<NodesOptions, Gap>,
    last_gap: u64,
    /// How many events of `monitor_nodes` wait.
    waiting: usize,
}

/// The events of one node and subscription: at most two wait.
///
/// What is left out to keep it so is always a down and the up after it. So every message still lies
/// between the up and the down that the process sees, and the next thing it sees of that node is a
/// down, marked as `missed`.
#[derive(Debug, Default)]
struct Alternation {
    first: Option<u64>,
    second: Option<u64>,
    missed: bool,
}

/// Where events of a subscription are missing.
#[derive(Debug)]
struct Gap {
    id: GapId,
    missed: u64,
}

/// Tells one gap from a later one of the same options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GapId(u64);

/// What is to be done about an event that has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// It waits; `missed` as in [`NodeDown::missed`](crate::NodeDown::missed).
    Keep { missed: bool },
    /// It waits in the place of these two.
    Replace(u64, u64),
    /// It is left out, and so is this one.
    LeaveOut(u64),
    /// It is the first that is missing in a new gap, which begins here.
    BeginGap(GapId),
    /// It is missing in a gap that has begun before.
    InGap,
}

impl NodeEvents {
    /// An event that will be entry `number` if it waits; at most `limit` of them do.
    pub(super) fn push(&mut self, notice: &NodeNotice, number: u64, limit: usize) -> Placement {
        let Some(key) = key(notice) else {
            // One notice for each call of `monitor_node`: the process itself bounds them.
            return Placement::Keep { missed: false };
        };
        if let Some(gap) = self.gaps.get_mut(&key.1) {
            gap.missed += 1;
            return Placement::InGap;
        }
        let alternation = self.alternations.get_mut(&key);
        match (alternation, notice) {
            // Down, up, and now a down: the first two are left out.
            (Some(Alternation { first: Some(first), second: Some(second), .. }), NodeNotice::Down(..)) => {
                let placement = Placement::Replace(*first, *second);
                let only = Alternation { first: Some(number), second: None, missed: false };
                self.alternations.insert(key, only);
                self.waiting -= 1;
                placement
            }
            // Up, down, and now an up: the last two are left out.
            (Some(Alternation { first: Some(_), second, missed }), _) if second.is_some() => {
                *missed = true;
                self.waiting -= 1;
                Placement::LeaveOut(second.take().expect("it was looked at"))
            }
            _ if self.waiting >= limit => self.begin_gap(key.1),
            _ => {
                self.waiting += 1;
                let alternation = self.alternations.entry(key).or_default();
                let place = if alternation.first.is_none() {
                    &mut alternation.first
                } else {
                    &mut alternation.second
                };
                *place = Some(number);
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

    /// The event leaves the queue for its receiver.
    pub(super) fn leaves(&mut self, notice: &NodeNotice, number: u64) {
        let Some(key) = key(notice) else { return };
        self.waiting -= 1;
        let Some(alternation) = self.alternations.get_mut(&key) else { return };
        if alternation.first == Some(number) {
            alternation.first = alternation.second.take();
        }
        if alternation.first.is_none() && !alternation.missed {
            self.alternations.remove(&key);
        }
    }

    /// The receiver has reached the gap, and begins anew. Returns how many events are missing; none
    /// if the subscription ended before.
    pub(super) fn end_gap(&mut self, options: NodesOptions, id: GapId) -> Option<u64> {
        let gap = self.gaps.get(&options).filter(|gap| gap.id == id)?;
        let missed = gap.missed;
        self.begin_anew(options);
        Some(missed)
    }

    /// A subscription is over, or begins anew: what waits of it stays, what comes is of another
    /// stream.
    pub(super) fn begin_anew(&mut self, options: NodesOptions) {
        self.gaps.remove(&options);
        self.alternations.retain(|(_, of), _| *of != options);
    }

    /// An event has another place in the queue.
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

/// The node and the subscription of an event that alternates.
fn key(notice: &NodeNotice) -> Option<(NodeName, NodesOptions)> {
    match notice {
        NodeNotice::Up(options, event) | NodeNotice::Down(options, event) => {
            Some((event.name.clone(), *options))
        }
        NodeNotice::MonitoredDown(_) => None,
    }
}
