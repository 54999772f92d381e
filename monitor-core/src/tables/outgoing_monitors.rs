//! The monitors that local watchers have made: one row each, from the call until the `Down` is
//! taken.

use refs::{RegName, Serial};

use super::{
    keys::{OutgoingIndex, TargetNodeIndex, WaiterIndex},
    storage::{Key, Linked, List, ListLinks, Lists, Slab, linked},
};
use crate::{
    ids::{LocalPid, MonitorId},
    reason::{DownReason, ExitReason, ReasonBytes, ReasonText},
};

/// The table. Each row is in the list of its watcher and, while it is bound, in the list of its
/// target (a local process) or of its session.
#[derive(Clone, Debug, Hash)]
pub(crate) struct OutgoingMonitors {
    rows: Slab<OutgoingIndex, OutgoingMonitor>,
    by_watcher: Lists<OutgoingByWatcher>,
    bound: Lists<BoundMonitors>,
    fired: usize,
}

/// One monitor. 64 bytes in every state: the row also holds the `Down` until the watcher receives
/// it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct OutgoingMonitor {
    pub(crate) watcher: LocalPid,
    pub(crate) tag: u64,
    pub(crate) target: RowTarget,
    pub(crate) state: MonitorState,
    by_watcher: ListLinks<OutgoingIndex>,
    /// The node of the target.
    pub(crate) target_node: TargetNodeIndex,
    generation: u32,
}

const _: () =
    assert!(size_of::<OutgoingMonitor>() == 64 && size_of::<Slab<OutgoingIndex, OutgoingMonitor>>() <= 48);

/// The target within its node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowTarget {
    Pid(Serial),
    Name(RegName),
}

/// The state of a monitor.
#[derive(Clone, Debug, Hash)]
pub(crate) enum MonitorState {
    /// In no list but that of its watcher.
    Loose,
    /// Waits for a session.
    Waiting(WaiterIndex),
    /// Bound to a local process.
    Local(ListLinks<OutgoingIndex>),
    /// Bound to a session.
    Remote(ListLinks<OutgoingIndex>),
    /// The monitor has ended, and its notice was not taken yet.
    Fired(DownReason),
    /// The same for a panic whose text was cut. (Two states, so that a row does not grow.)
    FiredCutPanic(ReasonText),
    /// The same for a reason of the process's own that was cut.
    FiredCutOther(ReasonBytes),
}

impl MonitorState {
    pub(crate) const fn is_fired(&self) -> bool {
        use MonitorState::{Fired, FiredCutOther, FiredCutPanic};
        matches!(self, Fired(_) | FiredCutPanic(_) | FiredCutOther(_))
    }

    /// Why the monitor has ended, and whether the reason was cut; `None` unless a notice waits to
    /// be taken.
    pub(crate) fn fired(&self) -> Option<(DownReason, bool)> {
        Some(match self {
            MonitorState::Fired(reason) => (reason.clone(), false),
            MonitorState::FiredCutPanic(text) => (DownReason::Exit(ExitReason::Panicked(text.clone())), true),
            MonitorState::FiredCutOther(bytes) => (DownReason::Exit(ExitReason::Other(bytes.clone())), true),
            MonitorState::Loose
            | MonitorState::Waiting(_)
            | MonitorState::Local(_)
            | MonitorState::Remote(_) => return None,
        })
    }

    /// Number of bytes that the reason of the notice takes outside of the row.
    pub(crate) fn reason_len(&self) -> usize {
        match self {
            MonitorState::Fired(DownReason::Exit(reason)) => reason.len(),
            MonitorState::FiredCutPanic(text) => text.len(),
            MonitorState::FiredCutOther(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

linked! {
    /// The monitors that one process has made.
    OutgoingByWatcher: OutgoingIndex => OutgoingMonitor.by_watcher
}

/// The monitors that are bound to one local process or to one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BoundMonitors;

impl Linked for BoundMonitors {
    type Key = OutgoingIndex;
    type Row = OutgoingMonitor;

    fn links(row: &OutgoingMonitor) -> &ListLinks<OutgoingIndex> {
        match &row.state {
            MonitorState::Local(links) | MonitorState::Remote(links) => links,
            _ => unreachable!("only bound rows are in a list"),
        }
    }

    fn links_mut(row: &mut OutgoingMonitor) -> &mut ListLinks<OutgoingIndex> {
        match &mut row.state {
            MonitorState::Local(links) | MonitorState::Remote(links) => links,
            _ => unreachable!("only bound rows are in a list"),
        }
    }
}

impl OutgoingMonitors {
    pub(crate) const fn new() -> Self {
        OutgoingMonitors { rows: Slab::new(), by_watcher: Lists::new(), bound: Lists::new(), fired: 0 }
    }

    /// Number of monitors that wait or are bound.
    pub(crate) const fn active(&self) -> usize {
        self.rows.len() - self.fired
    }

    /// Number of monitors whose notice was not taken yet.
    pub(crate) const fn fired(&self) -> usize {
        self.fired
    }

    /// Records a monitor in the list of its watcher, which is made if there is none.
    pub(crate) fn insert(
        &mut self,
        watcher: LocalPid,
        of_watcher: &mut Option<List<OutgoingByWatcher>>,
        target: RowTarget,
        target_node: TargetNodeIndex,
        tag: u64,
    ) -> OutgoingIndex {
        let of_watcher = *of_watcher.get_or_insert_with(|| self.by_watcher.create());
        let at = self.rows.insert(|generation| OutgoingMonitor {
            watcher,
            tag,
            target,
            state: MonitorState::Loose,
            by_watcher: ListLinks::LOOSE,
            target_node,
            generation,
        });
        self.by_watcher.push_back(of_watcher, &mut self.rows, at);
        at
    }

    pub(crate) fn row(&self, at: OutgoingIndex) -> &OutgoingMonitor {
        &self.rows[at]
    }

    pub(crate) fn id(&self, at: OutgoingIndex) -> MonitorId {
        MonitorId(Serial::new(at.index(), self.rows[at].generation))
    }

    /// The row of a monitor; `None` if its notice was taken, if it was demonitored, or if the
    /// number was never given out.
    pub(crate) fn find(&self, id: MonitorId) -> Option<OutgoingIndex> {
        let at = OutgoingIndex::new(id.0.slot());
        self.rows.get(at).filter(|row| row.generation == id.0.generation()).map(|_| at)
    }

    pub(crate) fn set_target_node(&mut self, at: OutgoingIndex, target_node: TargetNodeIndex) {
        self.rows[at].target_node = target_node;
    }

    pub(crate) fn wait(&mut self, at: OutgoingIndex, waiter: WaiterIndex) {
        self.rows[at].state = MonitorState::Waiting(waiter);
    }

    /// Binds the monitor to a local process by the list of its local watchers.
    pub(crate) fn bind_local(&mut self, at: OutgoingIndex, watchers: &mut Option<List<BoundMonitors>>) {
        let list = *watchers.get_or_insert_with(|| self.bound.create());
        self.rows[at].state = MonitorState::Local(ListLinks::LOOSE);
        self.bound.push_back(list, &mut self.rows, at);
    }

    /// Binds the monitor to a session by its list.
    pub(crate) fn bind_remote(&mut self, at: OutgoingIndex, session: List<BoundMonitors>) {
        self.rows[at].state = MonitorState::Remote(ListLinks::LOOSE);
        self.bound.push_back(session, &mut self.rows, at);
    }

    /// Unbinds the monitor from its process or session.
    pub(crate) fn unbind(&mut self, at: OutgoingIndex) {
        self.leave_bound_list(at);
        self.rows[at].state = MonitorState::Loose;
    }

    fn leave_bound_list(&mut self, at: OutgoingIndex) {
        if matches!(self.rows[at].state, MonitorState::Local(_) | MonitorState::Remote(_)) {
            self.bound.remove(&mut self.rows, at);
        }
    }

    /// Ends the monitor. Its notice, in `fired`, stays in the row until it is taken.
    pub(crate) fn fire(&mut self, at: OutgoingIndex, fired: MonitorState) {
        self.leave_bound_list(at);
        self.rows[at].state = fired;
        self.fired += 1;
    }

    /// Takes the reason out of a monitor that has fired, and whether it was cut. The caller removes
    /// the row next.
    pub(crate) fn take_reason(&mut self, at: OutgoingIndex) -> Option<(DownReason, bool)> {
        let state = &mut self.rows[at].state;
        if !state.is_fired() {
            return None;
        }
        self.fired -= 1;
        Some(match core::mem::replace(state, MonitorState::Loose) {
            MonitorState::FiredCutPanic(text) => (DownReason::Exit(ExitReason::Panicked(text)), true),
            MonitorState::FiredCutOther(bytes) => (DownReason::Exit(ExitReason::Other(bytes)), true),
            MonitorState::Fired(reason) => (reason, false),
            _ => unreachable!("it has fired"),
        })
    }

    /// Removes the row. Its number is never used again.
    pub(crate) fn remove(&mut self, at: OutgoingIndex) {
        let OutgoingMonitor { state, generation, .. } = &self.rows[at];
        let next = generation.checked_add(1);
        match state {
            MonitorState::Local(_) | MonitorState::Remote(_) => {
                self.bound.remove(&mut self.rows, at);
            }
            MonitorState::Loose | MonitorState::Waiting(_) => {}
            MonitorState::Fired(_) | MonitorState::FiredCutPanic(_) | MonitorState::FiredCutOther(_) => {
                self.fired -= 1;
            }
        }
        self.by_watcher.remove(&mut self.rows, at);
        self.rows.discard(at, next);
    }

    pub(crate) fn create_bound_list(&mut self) -> List<BoundMonitors> {
        self.bound.create()
    }

    pub(crate) fn first_bound(&self, list: List<BoundMonitors>) -> Option<OutgoingIndex> {
        self.bound.first(list)
    }

    pub(crate) fn destroy_bound_list(&mut self, list: List<BoundMonitors>) {
        self.bound.destroy(list);
    }

    pub(crate) fn first_of_watcher(&self, list: List<OutgoingByWatcher>) -> Option<OutgoingIndex> {
        self.by_watcher.first(list)
    }

    pub(crate) fn destroy_watcher_list(&mut self, list: List<OutgoingByWatcher>) {
        self.by_watcher.destroy(list);
    }

    /// The monitors of a watcher, oldest first.
    pub(crate) fn of_watcher(
        &self,
        list: Option<List<OutgoingByWatcher>>,
    ) -> impl Iterator<Item = OutgoingIndex> {
        self.by_watcher.iter(&self.rows, list)
    }

    /// The monitors that are bound to a local process or to a session, oldest first.
    pub(crate) fn bound(&self, list: Option<List<BoundMonitors>>) -> impl Iterator<Item = OutgoingIndex> {
        self.bound.iter(&self.rows, list)
    }
}
