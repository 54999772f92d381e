//! A session of several connections, one a channel.
//!
//! What is in the frames of such a session begins with a byte that says how it is held against the other channels:
//! nearly always that it is not. A frame that is to come [after all](FrameMeta::after_all) of its order says so, with
//! a number and the channels that its order has used; on each of those the same number follows as a *mark*, in the
//! place of that order. The receiver keeps the frame until it has seen all its marks. So nothing waits but that frame,
//! and only for what it must wait for.

use std::sync::Arc;

use peer_service::{ChannelId, ChannelName, Channels, PeerInfo, Session};

use self::{outbox::Bundle, session::ChannelSession};
use crate::{reader::Reader, session::TcpSession};

mod fences;
mod framing;
mod merge;
mod outbox;
mod session;

pub(crate) use framing::OVERHEAD;
#[cfg(feature = "fuzzing")]
pub(crate) use merge::Merge;

/// The own channels that are among those agreed on.
pub(crate) fn own(configured: &[ChannelName], agreed: &[ChannelName]) -> Channels {
    agreed.iter().fold(Channels::DEFAULT, |own, name| own.with(id(configured, name)))
}

/// What the own node calls a channel that was agreed on.
fn id(configured: &[ChannelName], name: &ChannelName) -> ChannelId {
    let at = configured.iter().position(|own| own == name).expect("only what both have is agreed on");
    ChannelId::new(at + 1).expect("the configuration was checked: it has few channels")
}

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
