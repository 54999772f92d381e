//! What a monitor that has fired has to say.

use refs::MonitorRef;

use super::Core;
use crate::{
    config::CoreConfig,
    effect::{Down, DownSource},
    ids::{LocalPid, MonitorId},
    reason::{DownReason, ExitReason},
    tables::{MonitorState, OutgoingIndex},
};

impl Core {
    /// Hands over the notice of a monitor that has fired, and ends its life. O(1).
    ///
    /// `None`: it was flushed, its watcher is gone, or it was taken already.
    pub fn take(&mut self, id: MonitorId) -> Option<Down> {
        let at = self.find_fired(id)?;
        let down = self.notice(at);
        self.forget(at);
        down
    }

    /// The notice of a monitor that has fired and was not taken: what [`take`](Core::take) will hand over. O(1).
    pub fn fired(&self, id: MonitorId) -> Option<Down> {
        self.notice(self.find_fired(id)?)
    }

    fn notice(&self, at: OutgoingIndex) -> Option<Down> {
        let row = self.outgoing_monitors.row(at);
        let (reason, reason_was_cut) = row.state.fired()?;
        let incarnation = match DownSource::of(&reason) {
            DownSource::NoSession => None,
            DownSource::SessionEnd | DownSource::TargetNode => {
                self.target_nodes.get(row.target_node).session_incarnation
            }
        };
        Some(Down {
            monitor: self.reference(self.outgoing_monitors.id(at)),
            target: self.target(at),
            reason,
            tag: row.tag,
            incarnation,
            reason_was_cut,
        })
    }

    /// Why it has fired, if the monitor has and its notice was not taken.
    pub fn fired_reason(&self, id: MonitorId) -> Option<DownReason> {
        self.outgoing_monitors.row(self.find_fired(id)?).state.fired().map(|(reason, _)| reason)
    }

    /// The notice of a monitor that fires: of a long reason, as much as the unread ones of this watcher and of all watchers
    /// leave room for.
    pub(super) fn kept_reason(&mut self, watcher: LocalPid, reason: DownReason) -> MonitorState {
        let len = reason.exit().map_or(0, ExitReason::len);
        if len == 0 {
            return MonitorState::Fired(reason);
        }
        let (of_watcher, of_all) = self.processes.unread(watcher);
        let room = self.config.max_reason_bytes.saturating_sub(of_watcher);
        let room_of_all = self.config.max_node_reason_bytes.saturating_sub(of_all);
        let kept = room.min(room_of_all.max(CoreConfig::SHORT_REASON));
        let fired = match reason {
            reason if len <= kept => MonitorState::Fired(reason),
            DownReason::Exit(ExitReason::Panicked(_)) if kept == 0 => {
                MonitorState::FiredCutPanic(self.nothing.0.clone())
            }
            DownReason::Exit(ExitReason::Other(_)) if kept == 0 => {
                MonitorState::FiredCutOther(self.nothing.1.clone())
            }
            DownReason::Exit(ExitReason::Panicked(text)) => MonitorState::FiredCutPanic(text.cut(kept)),
            DownReason::Exit(ExitReason::Other(bytes)) => MonitorState::FiredCutOther(bytes.cut(kept)),
            reason => MonitorState::Fired(reason),
        };
        self.processes.add_unread(watcher, fired.reason_len());
        fired
    }

    /// Whether the monitor has fired and its notice was not taken.
    pub fn is_fired(&self, id: MonitorId) -> bool {
        self.find_fired(id).is_some()
    }

    /// A monitor that has fired, of a watcher that lives: a row may outlive its watcher until its turn in the backlog.
    fn find_fired(&self, id: MonitorId) -> Option<OutgoingIndex> {
        let at = self.outgoing_monitors.find(id)?;
        let row = self.outgoing_monitors.row(at);
        (row.state.is_fired() && self.processes.get(row.watcher).is_some()).then_some(at)
    }

    /// How a monitor made here is called everywhere.
    pub fn reference(&self, id: MonitorId) -> MonitorRef {
        MonitorRef::new(self.config.local.clone(), id.0)
    }
}
