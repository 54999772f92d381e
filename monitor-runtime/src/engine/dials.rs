//! Failed dials, and the end of the peer service.

use std::mem;

use refs::{DialId, EndKind, NodeName, SessionEnd};

use crate::engine::state::Inner;

impl Inner {
    /// Handles a failed dial.
    pub(crate) fn unreachable(&self, node: &NodeName, dial: DialId, end: SessionEnd) {
        let _ = self.enter(|state, out| {
            if state.dialling.get(node) == Some(&dial) {
                state.dialling.remove(node);
            }
            state.core.peer_unreachable(node, dial, end, out);
        });
        self.send_waiters.wake_all();
    }

    /// The end kind of sessions, dials and monitors that the node ends by itself.
    pub(crate) fn end_of_abandoned(&self) -> EndKind {
        match () {
            () if self.has_failed() => EndKind::NodeFailed,
            () if self.is_alive() => EndKind::Internal,
            () => EndKind::LocalShutdown,
        }
    }

    /// Handles the end of the peer service: every dial that it did not answer fails, and so do
    /// later dials.
    pub(crate) fn service_is_over(&self) {
        let unanswered = self.enter(|state, _| {
            state.service_over = true;
            mem::take(&mut state.dialling)
        });
        let end = self.end_of_abandoned();
        for (node, dial) in unanswered.unwrap_or_default() {
            self.unreachable(&node, dial, end.into());
        }
        self.progress();
    }
}
