//! A session of several connections, one a channel: how their frames keep the order that they
//! promise.
//!
//! The contents of each frame of such a session begin with a byte that says whether it waits for
//! other channels: nearly always it does not. A frame that is to come [after
//! all](peer_service::FrameMeta::after_all) of its order says so, with a number and the channels
//! that its order has used; on each of those the same number follows as a *mark*, in the place of
//! that order. The receiver keeps the frame until it has seen all its marks. So nothing waits but
//! that frame, and only for what it must wait for.
//!
//! | what | where |
//! |---|---|
//! | the head of each frame | `framing` |
//! | what a frame waits for: kept by the sender, awaited by the receiver | `fences` |
//! | the frames of several connections, as those of one session | `merge` |
//! | which session a further connection belongs to | `join` |

use peer_service::{ChannelId, ChannelName, Channels};

pub(crate) mod fences;
pub(crate) mod framing;
pub(crate) mod join;
pub(crate) mod merge;

pub(crate) use framing::OVERHEAD;
pub(crate) use merge::Merge;

/// The local node's ids of the channels that were agreed on.
pub(crate) fn own(configured: &[ChannelName], agreed: &[ChannelName]) -> Channels {
    agreed.iter().fold(Channels::DEFAULT, |own, name| own.with(id(configured, name)))
}

/// The local node's id of a channel that was agreed on.
pub(crate) fn id(configured: &[ChannelName], name: &ChannelName) -> ChannelId {
    let at = configured.iter().position(|own| own == name).expect("only what both have is agreed on");
    ChannelId::new(at + 1).expect("the configuration was checked: it has few channels")
}
