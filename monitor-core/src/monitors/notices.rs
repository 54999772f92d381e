//! The notices of monitors that have fired.

use refs::MonitorRef;

use super::Core;
use crate::{
    config::CoreConfig,
    effect::{Down, DownSource, Elapsed},
    ids::{LocalPid, MonitorId},
    reason::{DownReason, ExitReason},
    tables::{MonitorState, OutgoingIndex},
};

impl Core {
    /// Takes the notice of a monitor that has fired, and removes the monitor. O(1).
    ///
    /// To be called when the watcher receives [`Notice::Down`](crate::Notice::Down). Until then the
    /// core keeps the `Down`, and its reason counts for
    /// [`CoreLimits::max_reason_bytes`](crate::CoreLimits::max_reason_bytes). Returns `None` if the
    /// notice was flushed or already taken, or if the watcher has exited. Has no effects.
    pub fn take(&mut self, id: MonitorId) -> Option<Down> {
        let at = self.find_fired(id)?;
        // Moved out, not cloned, because every `Down` passes here.
        let (reason, reason_was_cut) = self.outgoing_monitors.take_reason(at)?;
        if let Some(exit) = reason.exit() {
            self.processes.remove_unread(self.outgoing_monitors.row(at).watcher, exit.len());
        }
        let down = self.notice(at, reason, reason_was_cut);
        self.forget(at);
        Some(down)
    }

    /// The notice that [`take`](Core::take) will return; the monitor stays. O(1).
    pub fn fired(&self, id: MonitorId) -> Option<Down> {
        let at = self.find_fired(id)?;
        let (reason, reason_was_cut) = self.outgoing_monitors.row(at).state.fired()?;
        Some(self.notice(at, reason, reason_was_cut))
    }

    fn notice(&self, at: OutgoingIndex, reason: DownReason, reason_was_cut: bool) -> Down {
        let row = self.outgoing_monitors.row(at);
        let incarnation = match DownSource::of(&reason) {
            DownSource::NoSession => None,
            DownSource::SessionEnd | DownSource::TargetNode => {
                self.target_nodes.get(row.target_node).session_incarnation
            }
        };
        Down {
            monitor: self.reference(self.outgoing_monitors.id(at)),
            target: self.target(at),
            reason,
            tag: row.tag,
            incarnation,
            reason_was_cut,
            elapsed: Elapsed::ZERO,
        }
    }

    /// The reason of a monitor that has fired and whose notice was not taken; `None` for all other
    /// monitors. O(1).
    pub fn fired_reason(&self, id: MonitorId) -> Option<DownReason> {
        self.outgoing_monitors.row(self.find_fired(id)?).state.fired().map(|(reason, _)| reason)
    }

    /// The state of a monitor that fires. Its reason is cut if it is longer than the unread reasons
    /// of this watcher and of all watchers leave room for, but never below
    /// [`CoreConfig::SHORT_REASON`] bytes.
    pub(super) fn kept_reason(&mut self, watcher: LocalPid, reason: DownReason) -> MonitorState {
        if reason.exit().map_or(0, ExitReason::len) == 0 {
            return MonitorState::Fired(reason);
        }
        let (of_watcher, of_all) = self.processes.unread(watcher);
        let room = self.config.limits.max_reason_bytes.saturating_sub(of_watcher);
        let room_of_all = self.config.limits.max_node_reason_bytes.saturating_sub(of_all);
        let kept = room.min(room_of_all).max(CoreConfig::SHORT_REASON);
        let fired = match reason.exit().and_then(|exit| exit.cut(kept)) {
            Some(ExitReason::Panicked(text)) => MonitorState::FiredCutPanic(text),
            Some(ExitReason::Other(bytes)) => MonitorState::FiredCutOther(bytes),
            _ => MonitorState::Fired(reason),
        };
        self.processes.add_unread(watcher, fired.reason_len());
        fired
    }

    /// Whether the monitor has fired and its notice was not taken. O(1).
    pub fn is_fired(&self, id: MonitorId) -> bool {
        self.find_fired(id).is_some()
    }

    /// The row of a monitor that has fired and whose watcher has not exited. A row may outlive its
    /// watcher until its turn in the backlog.
    fn find_fired(&self, id: MonitorId) -> Option<OutgoingIndex> {
        let at = self.outgoing_monitors.find(id)?;
        let row = self.outgoing_monitors.row(at);
        (row.state.is_fired() && self.processes.get(row.watcher).is_some()).then_some(at)
    }

    /// The cluster-wide reference of a monitor made here. Any number is accepted, also that of a
    /// monitor that has ended.
    pub fn reference(&self, id: MonitorId) -> MonitorRef {
        MonitorRef::new(self.config.local.clone(), id.0)
    }
}
