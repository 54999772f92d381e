//! Receives the reports of a session.

use std::sync::Arc;

use peer_service::SessionEnd;

use super::connection::Connection;

/// See the [module](self). Called without any lock.
pub(crate) trait Owner: Send + Sync {
    /// Reports that the session has ended. Each reader and driver of its connections may report it.
    fn over(&self, connection: &Arc<Connection>, end: SessionEnd);
    /// Reports that the peer has answered a probe.
    fn probe_answered(&self, connection: &Connection);
    /// Reports that the peer has not answered a probe in time.
    fn probe_silent(&self, connection: &Connection);
}
