//! A session of several connections, one a channel: how their frames keep the order that they promise.
//!
//! What is in the frames of such a session begins with a byte that says how it is held against the other channels:
//! nearly always that it is not. A frame that is to come [after all](FrameMeta::after_all) of its order says so, with
//! a number and the channels that its order has used; on each of those the same number follows as a *mark*, in the
//! place of that order. The receiver keeps the frame until it has seen all its marks. So nothing waits but that frame,
//! and only for what it must wait for.

use peer_service::{ChannelId, ChannelName, Channels};

pub(crate) mod fences;
pub(crate) mod framing;
pub(crate) mod join;
pub(crate) mod merge;

pub(crate) use framing::OVERHEAD;
pub(crate) use merge::Merge;

/// The own channels that are among those agreed on.
pub(crate) fn own(configured: &[ChannelName], agreed: &[ChannelName]) -> Channels {
    agreed.iter().fold(Channels::DEFAULT, |own, name| own.with(id(configured, name)))
}

/// What the own node calls a channel that was agreed on.
pub(crate) fn id(configured: &[ChannelName], name: &ChannelName) -> ChannelId {
    let at = configured.iter().position(|own| own == name).expect("only what both have is agreed on");
    ChannelId::new(at + 1).expect("the configuration was checked: it has few channels")
}
