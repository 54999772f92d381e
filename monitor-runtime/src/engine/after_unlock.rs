//! Work that is postponed until the lock of the node is released.

use std::{sync::Arc, task::Waker};

use monitor_core::{Down, MonitorId};
use refs::{ChannelId, DialId, NodeName, NodeSpec};
use supervision::Panic;

use crate::session::handle::SessionHandle;

mod run;

/// Work that an input postpones until the node's lock is released, because it may run code of the
/// program.
#[derive(Default)]
pub(crate) struct AfterUnlock {
    /// Channels to flush, each with its session.
    pub(crate) flushes: Vec<(Arc<SessionHandle>, ChannelId)>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) backlog: bool,
    pub(super) wake_senders: bool,
    /// The session that the inputs come from. Only the log uses it.
    pub(super) session: Option<Arc<SessionHandle>>,
    /// Boxed, because nearly every input leaves it empty: creating, checking and dropping these
    /// fields in place costs each input 80 instructions.
    pub(super) rare: Option<Box<Rare>>,
}

/// The part of [`AfterUnlock`] that few inputs need.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) dials: Vec<(NodeSpec, DialId)>,
    /// Dials that the peer service will not answer.
    pub(super) refused: Vec<(NodeName, DialId)>,
    /// Sessions whose outbox refused a signal.
    pub(super) overloaded: Vec<Arc<SessionHandle>>,
    /// Monitors whose request was not sent, because their session has ended.
    pub(super) unsent: Vec<MonitorId>,
    /// `Down`s to log. Empty unless a subscriber takes events of level
    /// [`DOWN`](crate::records::down_log::DOWN).
    pub(super) downs: Vec<Down>,
    /// Records that the input panicked.
    pub(super) failed: Option<Panic>,
}

impl AfterUnlock {
    /// Creates it for inputs that come from that session.
    pub(crate) fn of_session(handle: &Arc<SessionHandle>) -> Self {
        AfterUnlock { session: Some(handle.clone()), ..AfterUnlock::default() }
    }

    /// Records that the input panicked.
    #[cold]
    pub(crate) fn set_failed(&mut self, panic: Panic) {
        self.rare().failed = Some(panic);
    }

    /// Returns true if the request of that monitor was not sent, because its session has ended.
    pub(crate) fn is_unsent(&self, id: MonitorId) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.unsent.contains(&id))
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
