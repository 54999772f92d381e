//! Failed dials, and the end of the peer service.

use std::mem;

use refs::{DialId, EndKind, NodeName, SessionEnd};

use crate::engine::state::Inner;

impl Inner {
    /// Handles a failed dial.
    pub(crate) fn dial_failed(&self, node: &NodeName, dial: DialId, end: SessionEnd) {
        let _ = self.enter(|state, out| {
            if state.pending_dials.get(node) == Some(&dial) {
                state.pending_dials.remove(node);
            }
            state.core.peer_unreachable(node, dial, end, out);
        });
        self.send_waiters.wake_all();
    }

    /// The end kind of sessions, dials and monitors that the node ends by itself.
    pub(crate) fn internal_end_kind(&self) -> EndKind {
        match () {
            () if self.has_failed() => EndKind::NodeFailed,
            () if self.is_alive() => EndKind::Internal,
            () => EndKind::LocalShutdown,
        }
    }

    /// Handles the end of the peer service: every dial that it did not answer fails, and so do
    /// later dials.
    pub(crate) fn end_peer_service(&self) {
        let unanswered = self.enter(|state, _| {
            state.service_ended = true;
            mem::take(&mut state.pending_dials)
        });
        let end = self.internal_end_kind();
        for (node, dial) in unanswered.unwrap_or_default() {
            self.dial_failed(&node, dial, end.into());
        }
        self.wake_stop();
    }
}
