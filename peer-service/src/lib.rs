//! The contract between Obit's runtime and a network.
//!
//! A [`PeerService`] makes *sessions* with other nodes. One session is one life of the link between
//! two node incarnations: an ordered, reliable stream of frames in both directions that ends once,
//! with a reason. Everything Obit promises rests on the clauses below; an implementation that keeps
//! them can carry it.
//!
//! # The contract
//!
//! Sessions and events
//! 1. **One at a time.** Per node name the service hands out at most one session at a time. The
//!    next one for that name is returned by [`PeerService::next`] only after [`Session::recv`] of
//!    the one before has returned its end, or the session was dropped.
//! 2. **Numbered.** [`PeerInfo::session`] is never used twice by one service.
//! 3. **Identified.** [`PeerInfo::node`] is what the peer has proved to be, as far as the service
//!    can prove; its name and incarnation do not change during the session.
//! 4. **Agreed.** A session that one side has ended ends at the other side too, at the latest when
//!    its silence is noticed.
//!
//! Frames
//! 5. **Ordered.** Frames of equal [`FrameMeta::order`] on one channel arrive in the order in which
//!    they were pushed; all frames arrive whole, unchanged and at most once. A frame passes one of
//!    another order only if that one is long, or takes another channel.
//! 6. **Prefix.** What has arrived of an order when a session ends is a prefix of what was pushed.
//!    [`Session::recv`] returns every frame that arrived before it returns the end.
//! 7. **Never of another session.** No frame of an earlier session is delivered in a later one.
//! 8. **Bounded.** A frame is at most [`PeerService::max_frame`] bytes, and [`PeerInfo::max_frame`]
//!    if that peer takes less; a longer one is refused by [`Outbox::push`] with
//!    [`PushError::TooLarge`]. The service may cut a long frame into pieces, so that others get
//!    through between them. The receiver checks before it allocates.
//!
//! Outbox
//! 9. **Never blocks.** [`Outbox::push`] neither waits, nor makes a system call, nor wakes anybody.
//!    What was pushed goes out by itself after a [`Outbox::flush`], or a [`Outbox::flush_channel`]
//!    of its channel, at the latest.
//! 10. **Messages are limited, signals are not lost.** A [`Class::Message`] is refused with
//!     [`PushError::Full`] when too much waits. A [`Class::Signal`] is accepted while the session
//!     lives; a peer that does not take them in time or beyond a stated amount loses the session
//!     with [`EndKind::Overloaded`].
//! 11. **Backpressure is the reader's.** While nobody calls [`Session::recv`] the service buffers a
//!     bounded amount and then lets the peer wait; it does not drop.
//!
//! Ends
//! 12. **One end.** [`Session::recv`] returns `Err` once; called again it returns the same end.
//! 13. **A good end loses nothing.** After [`Outbox::close`] with [`EndKind::Left`] or
//!     [`EndKind::Disconnected`], what was pushed before is still delivered if the link carries it,
//!     then the peer's end has the same kind.
//! 14. **Ends are told apart.** A peer that says goodbye is `Left`, a link that closes is `Closed`,
//!     a peer that is silent for the configured time is `Timeout` with [`SessionEnd::silent_for`],
//!     one that breaks the protocol is `Protocol`, one that left the view is `Evicted`.
//!
//! Dials
//! 15. **Every dial is answered.** Each [`PeerService::connect`] is followed by a session with that
//!     node, or by a [`PeerEvent::Failed`] with its [`DialId`] and the reason. A session that
//!     stands already, or is still waiting to be returned by `next`, answers too.
//! 16. **Bounded in time.** The answer comes within the configured set-up time.
//! 17. **`disconnect`** ends the present session, if any, as `Disconnected`; without one it does
//!     nothing.
//! 18. **No self.** `connect` to the own name fails with [`EndKind::DuplicateName`]; no session
//!     with oneself.
//! 19. **Capabilities are honest.** What [`PeerService::capabilities`] does not claim may do
//!     nothing; what it claims works.
//! 20. **Shutdown.** After [`PeerService::shutdown`] no new session begins, waiting dials fail with
//!     [`EndKind::LocalShutdown`], and `next` returns `None` once everything was handed out.
//!     Sessions that stand go on until they are closed.
//!
//! Channels
//! 21. **Channels.** A session has those channels of [`PeerService::channels`] that its peer's
//!     service has by the same name: [`PeerInfo::channels`]. All begin and end with the session.
//!     What waits on one holds up no other; only a frame that is pushed [after
//!     all](FrameMeta::after_all) of its order waits for what that order has on the others, and to
//!     flush its channel flushes that, too.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

#[cfg(feature = "conformance")]
pub mod conformance;
mod events;
mod frame;
pub mod log_limit;
#[cfg(feature = "memory")]
pub mod memory;
mod service;

pub use events::Events;
pub use frame::{Channels, Class, FrameBuf, FrameMeta};
pub use service::{
    Capabilities, Closed, Features, Outbox, PeerEvent, PeerInfo, PeerService, PushError, Session, Spawner,
};

pub use refs::{ChannelId, ChannelName, DialId, EndKind, NodeId, NodeName, NodeSpec, SessionEnd, SessionId};
