//! What a monitor that has fired has to say.

use refs::MonitorRef;

use super::Core;
use crate::{
    effect::{Down, DownSource},
    ids::MonitorId,
    reason::DownReason,
    tables::State,
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

    fn notice(&self, at: u32) -> Option<Down> {
        let row = self.outgoing.row(at);
        let State::Fired(reason) = &row.state else { return None };
        let incarnation = match DownSource::of(reason) {
            DownSource::NoSession => None,
            DownSource::SessionEnd | DownSource::TargetNode => self.origins.get(row.origin).life,
        };
        Some(Down {
            monitor: self.reference(self.outgoing.id(at)),
            target: self.target(at),
            reason: reason.clone(),
            tag: row.tag,
            incarnation,
        })
    }

    /// Why it has fired, if the monitor has and its notice was not taken.
    pub fn fired_reason(&self, id: MonitorId) -> Option<&DownReason> {
        match &self.outgoing.row(self.find_fired(id)?).state {
            State::Fired(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the monitor has fired and its notice was not taken.
    pub fn is_fired(&self, id: MonitorId) -> bool {
        self.find_fired(id).is_some()
    }

    /// A monitor that has fired, of a watcher that lives: a row may outlive its watcher until its turn in the backlog.
    fn find_fired(&self, id: MonitorId) -> Option<u32> {
        let at = self.outgoing.find(id)?;
        let row = self.outgoing.row(at);
        (matches!(row.state, State::Fired(_)) && self.processes.get(row.watcher).is_some()).then_some(at)
    }

    /// How a monitor made here is called everywhere.
    pub fn reference(&self, id: MonitorId) -> MonitorRef {
        MonitorRef::new(self.config.local.clone(), id.0)
    }
}
