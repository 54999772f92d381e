//! Work that is left until the lock of the node is released.

use std::{sync::Arc, task::Waker};

use monitor_core::{Down, MonitorId};
use refs::{ChannelId, DialId, NodeName, NodeSpec};
use supervision::Panic;

use crate::session::handle::SessionHandle;

mod run;

/// Work that an input leaves until the node's lock is released, because it may run code of the
/// program.
#[derive(Default)]
pub(crate) struct AfterUnlock {
    /// Channels to flush.
    pub(crate) flushes: Vec<(Arc<SessionHandle>, ChannelId)>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) backlog: bool,
    pub(super) wake_senders: bool,
    /// The session that the inputs come from, for the log.
    pub(super) session: Option<Arc<SessionHandle>>,
    /// Apart, because nearly every input leaves none of it: to make, look through and drop it here
    /// costs each 80 instructions.
    pub(super) rare: Option<Box<Rare>>,
}

/// The part of [`AfterUnlock`] that few inputs have.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) dials: Vec<(NodeSpec, DialId)>,
    /// Dials that nobody will answer.
    pub(super) refused: Vec<(NodeName, DialId)>,
    /// Sessions that did not take a signal.
    pub(super) lost: Vec<Arc<SessionHandle>>,
    /// Monitors whose request was not taken by a session that is over.
    pub(super) unsent: Vec<MonitorId>,
    /// What monitors have told, while somebody listens to [`DOWN`](crate::records::down_log::DOWN).
    pub(super) downs: Vec<Down>,
    /// The input panicked.
    pub(super) failed: Option<Panic>,
}

impl AfterUnlock {
    /// Of inputs that come from that session.
    pub(crate) fn of_session(handle: &Arc<SessionHandle>) -> Self {
        AfterUnlock { session: Some(handle.clone()), ..AfterUnlock::default() }
    }

    /// The input panicked.
    #[cold]
    pub(crate) fn fails(&mut self, panic: Panic) {
        self.rare().failed = Some(panic);
    }

    /// Whether the request of that monitor was not taken, because its session is over.
    pub(crate) fn is_unsent(&self, id: MonitorId) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.unsent.contains(&id))
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
