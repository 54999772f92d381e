//! The monitors that local watchers have made: one row each, from the call until the `Down` is taken.

use refs::{RegName, Serial};

use super::{
    list::{Linked, List, ListLinks, Lists, linked},
    slab::Slab,
};
use crate::{
    ids::{LocalPid, MonitorId},
    reason::{Bytes, DownReason, ExitReason, Text},
};

/// The table. Each row is in the list of its watcher, and while it is bound in the list of its target
/// (a local process) or of its session.
#[derive(Clone, Debug, Hash)]
pub(crate) struct OutgoingMonitors {
    rows: Slab<Row>,
    owned: Lists<Owned>,
    bound: Lists<Bound>,
    fired: usize,
}

/// One monitor. Sixty-four bytes, whatever its state: a `Down` that waits to be received lives here.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Row {
    pub(crate) watcher: LocalPid,
    pub(crate) tag: u64,
    pub(crate) target: RowTarget,
    pub(crate) state: MonitorState,
    owned: ListLinks,
    /// Index in [`TargetNodes`](super::TargetNodes): the node of the target.
    pub(crate) target_node: u32,
    generation: u32,
}

const _: () = assert!(size_of::<Row>() == 64 && size_of::<Slab<Row>>() <= 48);

/// The target within its node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowTarget {
    Pid(Serial),
    Name(RegName),
}

/// What has become of a monitor.
#[derive(Clone, Debug, Hash)]
pub(crate) enum MonitorState {
    /// Just made.
    Loose,
    /// Waits for a session, in this place of [`Waiters`](super::Waiters).
    Waiting(u32),
    /// Bound to a local process.
    Local(ListLinks),
    /// Bound to a session.
    Remote(ListLinks),
    /// Over; the notice was not taken yet.
    Fired(DownReason),
    /// The same, of a panic of which the text was cut. (Two states, so that a row does not grow.)
    FiredCutPanic(Text),
    /// The same, of a reason of the process's own that was cut.
    FiredCutOther(Bytes),
}

impl MonitorState {
    pub(crate) const fn is_fired(&self) -> bool {
        matches!(
            self,
            MonitorState::Fired(_) | MonitorState::FiredCutPanic(_) | MonitorState::FiredCutOther(_)
        )
    }

    /// Why the monitor is over, and whether the reason was cut, if the notice waits to be taken.
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

    /// How many bytes the reason of the notice takes beside the row.
    pub(crate) fn reason_len(&self) -> usize {
        match self {
            MonitorState::Fired(DownReason::Exit(reason)) => reason.len(),
            MonitorState::FiredCutPanic(text) => text.len(),
            MonitorState::FiredCutOther(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

linked!(Owned, owned);

#[derive(Clone, Debug, Hash)]
struct Bound;

impl Linked for Bound {
    type Row = Row;
    fn links(row: &Row) -> &ListLinks {
        match &row.state {
            MonitorState::Local(links) | MonitorState::Remote(links) => links,
            _ => unreachable!("only bound rows are in a list"),
        }
    }
    fn links_mut(row: &mut Row) -> &mut ListLinks {
        match &mut row.state {
            MonitorState::Local(links) | MonitorState::Remote(links) => links,
            _ => unreachable!("only bound rows are in a list"),
        }
    }
}

impl OutgoingMonitors {
    pub(crate) const fn new() -> Self {
        OutgoingMonitors { rows: Slab::new(), owned: Lists::new(), bound: Lists::new(), fired: 0 }
    }

    /// Monitors that wait or are bound.
    pub(crate) const fn active(&self) -> usize {
        self.rows.len() - self.fired
    }

    /// Monitors whose notice was not taken yet.
    pub(crate) const fn fired(&self) -> usize {
        self.fired
    }

    /// Records a monitor in the list of its watcher, which is made if there is none.
    pub(crate) fn insert(
        &mut self,
        watcher: LocalPid,
        owner: &mut Option<List>,
        target: RowTarget,
        target_node: u32,
        tag: u64,
    ) -> u32 {
        let owner = *owner.get_or_insert_with(|| self.owned.create());
        let at = self.rows.insert(|_, generation| Row {
            watcher,
            tag,
            target,
            state: MonitorState::Loose,
            owned: ListLinks::LOOSE,
            target_node,
            generation,
        });
        self.owned.push_back(owner, &mut self.rows, at);
        at
    }

    pub(crate) fn row(&self, at: u32) -> &Row {
        &self.rows[at]
    }

    pub(crate) fn id(&self, at: u32) -> MonitorId {
        MonitorId(Serial::new(at, self.rows[at].generation))
    }

    /// The row of that monitor; none if it is over, or if the number was never given out.
    pub(crate) fn find(&self, id: MonitorId) -> Option<u32> {
        let at = id.0.slot();
        self.rows.get(at).filter(|row| row.generation == id.0.generation()).map(|_| at)
    }

    /// Its target's node is to be found there from now on.
    pub(crate) fn set_target_node(&mut self, at: u32, target_node: u32) {
        self.rows[at].target_node = target_node;
    }

    pub(crate) fn wait(&mut self, at: u32, place: u32) {
        self.rows[at].state = MonitorState::Waiting(place);
    }

    /// Binds the monitor to a local process by the list of those that watch it.
    pub(crate) fn bind_local(&mut self, at: u32, watchers: &mut Option<List>) {
        let list = *watchers.get_or_insert_with(|| self.bound.create());
        self.rows[at].state = MonitorState::Local(ListLinks::LOOSE);
        self.bound.push_back(list, &mut self.rows, at);
    }

    /// Binds the monitor to a session by its list.
    pub(crate) fn bind_remote(&mut self, at: u32, session: List) {
        self.rows[at].state = MonitorState::Remote(ListLinks::LOOSE);
        self.bound.push_back(session, &mut self.rows, at);
    }

    /// Takes the monitor off whatever it is bound to.
    pub(crate) fn unbind(&mut self, at: u32) {
        self.leave_list(at);
        self.rows[at].state = MonitorState::Loose;
    }

    fn leave_list(&mut self, at: u32) {
        if matches!(self.rows[at].state, MonitorState::Local(_) | MonitorState::Remote(_)) {
            self.bound.remove(&mut self.rows, at);
        }
    }

    /// The monitor is over; its notice, in `fired`, waits to be taken.
    pub(crate) fn fire(&mut self, at: u32, fired: MonitorState) {
        self.leave_list(at);
        self.rows[at].state = fired;
        self.fired += 1;
    }

    /// Removes the row. Its number is never used again.
    pub(crate) fn remove(&mut self, at: u32) -> Row {
        let Row { state, generation, .. } = &self.rows[at];
        let next = generation.checked_add(1);
        match state {
            MonitorState::Local(_) | MonitorState::Remote(_) => self.bound.remove(&mut self.rows, at),
            MonitorState::Loose | MonitorState::Waiting(_) => {}
            MonitorState::Fired(_) | MonitorState::FiredCutPanic(_) | MonitorState::FiredCutOther(_) => {
                self.fired -= 1
            }
        }
        self.owned.remove(&mut self.rows, at);
        self.rows.remove(at, next)
    }

    pub(crate) fn bound_list(&mut self) -> List {
        self.bound.create()
    }

    pub(crate) fn first_bound(&self, list: List) -> Option<u32> {
        self.bound.first(list)
    }

    pub(crate) fn destroy_bound(&mut self, list: List) {
        self.bound.destroy(list);
    }

    pub(crate) fn first_owned(&self, list: List) -> Option<u32> {
        self.owned.first(list)
    }

    pub(crate) fn destroy_owned(&mut self, list: List) {
        self.owned.destroy(list);
    }

    /// The monitors of a watcher, oldest first.
    pub(crate) fn owned(&self, list: Option<List>) -> impl Iterator<Item = u32> {
        let first = list.and_then(|list| self.owned.first(list));
        core::iter::successors(first, |&at| self.owned.next(&self.rows, at))
    }

    /// The monitors in the list of a local process or of a session, oldest first.
    pub(crate) fn bound(&self, list: Option<List>) -> impl Iterator<Item = u32> {
        let first = list.and_then(|list| self.bound.first(list));
        core::iter::successors(first, |&at| self.bound.next(&self.rows, at))
    }
}
