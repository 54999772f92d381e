//! A session of several connections, one for each channel, which together keep the order of the
//! frames.
//!
//! The contents of each frame of such a session begin with a byte that says whether the frame waits
//! for other channels; nearly no frame does. A frame that must come [after
//! all](peer_service::FrameMeta::after_all) frames of its order has a number and the set of
//! channels that its order has used; on each of those channels the sender pushes the same number as
//! a *mark*, in the same order. The receiver holds the frame back until it has received all its
//! marks. So only that frame waits, and only for the frames before it.
//!
//! | what | where |
//! |---|---|
//! | the head of each frame | `framing` |
//! | the channels for which a frame waits: recorded by the sender, awaited by the receiver | `fences` |
//! | the frames of several connections, as those of one session | `merge` |
//! | which session a further connection belongs to | `join` |

use peer_service::{ChannelId, ChannelName, Channels};

pub(crate) mod fences;
pub(crate) mod framing;
pub(crate) mod join;
pub(crate) mod merge;

pub(crate) use framing::OVERHEAD;
pub(crate) use merge::Merge;

/// The local node's ids of the agreed channels.
pub(crate) fn own(configured: &[ChannelName], agreed: &[ChannelName]) -> Channels {
    agreed.iter().fold(Channels::DEFAULT, |own, name| own.with(id(configured, name)))
}

/// The local node's id of an agreed channel.
pub(crate) fn id(configured: &[ChannelName], name: &ChannelName) -> ChannelId {
    let at = configured.iter().position(|own| own == name).expect("only what both have is agreed on");
    ChannelId::new(at + 1).expect("the configuration was checked: it has few channels")
}
