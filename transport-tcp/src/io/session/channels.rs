//! A session with several connections, one for each channel: see
//! [`proto::channels`](crate::proto::channels).

use std::sync::Arc;

use peer_service::{ChannelId, ChannelName, PeerInfo, Session};

use self::{outbox::ChannelOutbox, session::ChannelSession};
use crate::{
    io::session::{reader::Reader, single::TcpSession},
    proto::channels::id,
};

mod outbox;
mod session;

/// The session of these connections: the default channel, then the agreed channels in their order.
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
        // A connection that ended before it had siblings could not end them.
        if let Some(end) = connection.end() {
            connections.iter().for_each(|connection| connection.end_now(end));
        }
    }
    let mut ids = vec![ChannelId::DEFAULT];
    ids.extend(agreed.iter().map(|name| id(configured, name)));
    let outbox = Arc::new(ChannelOutbox::new(connections, &ids));
    Box::new(ChannelSession::new(info, outbox, readers, ids))
}
