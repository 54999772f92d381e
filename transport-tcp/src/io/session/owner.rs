//! Receives the reports of a session.

use std::sync::Arc;

use peer_service::SessionEnd;

use super::connection::Connection;

/// See the [module](self). Called without any lock.
pub(crate) trait Owner: Send + Sync {
    /// The session has ended. Reported by the readers and drivers of its connections, whichever
    /// notice.
    fn over(&self, connection: &Arc<Connection>, end: SessionEnd);
    /// The peer of a session that was probed lives.
    fn probe_answered(&self, connection: &Connection);
    /// The peer of a session that was probed has not answered in time.
    fn probe_silent(&self, connection: &Connection);
}
