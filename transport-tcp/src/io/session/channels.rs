//! A session of several connections, one a channel: see
//! [`proto::channels`](crate::proto::channels).

use std::sync::Arc;

use peer_service::{ChannelId, ChannelName, PeerInfo, Session};

use self::{outbox::Bundle, session::ChannelSession};
use crate::{
    io::session::{reader::Reader, single::TcpSession},
    proto::channels::id,
};

mod outbox;
mod session;

/// The session that these connections make: the default channel, then those agreed on in their
/// order.
pub(crate) fn session(
    configured: &[ChannelName],
    agreed: &[ChannelName],
    info: PeerInfo,
    mut readers: Vec<Reader>,
) -> Box<dyn Session> {
    if agreed.is_empty() {
        let reader = readers.remove(0);
        return Box::new(TcpSession { info, reader });
    }
    let connections: Vec<_> = readers.iter().map(|reader| reader.connection().clone()).collect();
    for connection in &connections {
        let others = connections.iter().filter(|other| !Arc::ptr_eq(connection, other));
        connection.set_siblings(others.map(Arc::downgrade).collect());
        // A connection that has ended meanwhile has not ended its siblings.
        if let Some(end) = connection.end() {
            connections.iter().for_each(|connection| connection.end_now(end));
        }
    }
    let mut ids = vec![ChannelId::DEFAULT];
    ids.extend(agreed.iter().map(|name| id(configured, name)));
    let bundle = Arc::new(Bundle::new(connections, &ids));
    Box::new(ChannelSession::new(info, bundle, readers, ids))
}
