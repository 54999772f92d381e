//! A session of several connections, one a channel: see [`proto::channels`](crate::proto::channels).

use std::sync::Arc;

use peer_service::{ChannelId, ChannelName, PeerInfo, Session};

use self::{outbox::Bundle, session::ChannelSession};
use crate::{
    io::session::{reader::Reader, single::TcpSession},
    proto::channels::id,
};

mod outbox;
mod session;

/// The session that these connections make: the default channel, then those agreed on in their order.
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
    let links: Vec<_> = readers.iter().map(|reader| reader.link().clone()).collect();
    for link in &links {
        let others = links.iter().filter(|other| !Arc::ptr_eq(link, other));
        link.set_siblings(others.map(Arc::downgrade).collect());
        // What has ended meanwhile has found no siblings to tell.
        if let Some(end) = link.end() {
            links.iter().for_each(|link| link.end_now(end));
        }
    }
    let mut ids = vec![ChannelId::DEFAULT];
    ids.extend(agreed.iter().map(|name| id(configured, name)));
    let bundle = Arc::new(Bundle::new(links, &ids));
    Box::new(ChannelSession::new(info, bundle, readers, ids))
}
