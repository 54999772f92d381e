//! The contract between Obit's runtime and a network.
//!
//! A [`PeerService`] creates *sessions* with other nodes. A session is one connection between two
//! node incarnations: an ordered, reliable stream of frames in both directions that ends once, with
//! a reason. All promises of Obit depend on the clauses below; an implementation that keeps them
//! can carry it.
//!
//! # The contract
//!
//! Sessions and events
//! 1. **One at a time.** Per node name the service hands out at most one session at a time. The
//!    next one for that name is returned by [`PeerService::next`] only after [`Session::recv`] of
//!    the one before has returned its end, or the session was dropped.
//! 2. **Numbered.** [`PeerInfo::session`] is never used twice by one service.
//! 3. **Identified.** [`PeerInfo::node`] is the node that the peer has proved to be, as far as the
//!    service can authenticate it; its name and incarnation do not change during the session.
//! 4. **Agreed.** A session that one side has ended also ends at the other side, at the latest when
//!    that side detects the silence.
//!
//! Frames
//! 5. **Ordered.** Frames of equal [`FrameMeta::order`] on one channel arrive in the order in which
//!    they were pushed; all frames arrive whole, unchanged and at most once. A frame overtakes one
//!    of another order only if that frame is long, or uses another channel.
//! 6. **Prefix.** When a session ends, the frames of an order that have arrived are a prefix of
//!    those pushed. [`Session::recv`] returns every frame that arrived before it returns the end.
//! 7. **Never of another session.** No frame of an earlier session is delivered in a later one.
//! 8. **Bounded.** A frame is at most [`PeerService::max_frame`] bytes, and [`PeerInfo::max_frame`]
//!    if that peer's limit is lower; [`Outbox::push`] refuses a longer one with
//!    [`PushError::TooLarge`]. The service may cut a long frame into fragments, so that other
//!    frames are sent between them. The receiver checks the length before it allocates.
//!
//! Outbox
//! 9. **Never blocks.** [`Outbox::push`] does not wait, makes no system call and wakes no task. A
//!    pushed frame is sent at the latest after a [`Outbox::flush`], or a [`Outbox::flush_channel`]
//!    of its channel.
//! 10. **Messages are limited, signals are not lost.** A [`Class::Message`] is refused with
//!     [`PushError::Full`] when the queue is full. A [`Class::Signal`] is accepted while the
//!     session is open; if the peer does not accept signals in time, or more than a stated amount
//!     is queued, the session ends with [`EndKind::Overloaded`].
//! 11. **Backpressure is the reader's.** Without calls of [`Session::recv`] the service buffers a
//!     bounded amount and then makes the peer wait; it drops nothing.
//!
//! Ends
//! 12. **One end.** [`Session::recv`] returns `Err` once; called again it returns the same end.
//! 13. **A good end loses nothing.** After [`Outbox::close`] with [`EndKind::Left`] or
//!     [`EndKind::Disconnected`], frames pushed before are still delivered unless the connection
//!     fails, and then the peer's end has the same kind.
//! 14. **Ends are told apart.** The end is `Left` after a goodbye of the peer, `Closed` if the
//!     connection closes without one, `Timeout` with [`SessionEnd::silent_for`] if the peer was
//!     silent for the configured time, `Protocol` if it violated the protocol, `Evicted` if it left
//!     the view.
//!
//! Dials
//! 15. **Every dial is answered.** Each [`PeerService::connect`] is followed by a session with that
//!     node, or by a [`PeerEvent::Failed`] with its [`DialId`] and the reason. A session that
//!     exists already, or that `next` has not returned yet, is also an answer.
//! 16. **Bounded in time.** The answer comes within the configured set-up time.
//! 17. **`disconnect`** ends the current session, if any, as `Disconnected`; without one it does
//!     nothing.
//! 18. **No self.** `connect` to the local node's name fails with [`EndKind::DuplicateName`]; a
//!     node has no session with itself.
//! 19. **Capabilities are honest.** Calls that [`PeerService::capabilities`] does not claim may do
//!     nothing; the claimed ones work.
//! 20. **Shutdown.** After [`PeerService::shutdown`] no new session begins, open dials fail with
//!     [`EndKind::LocalShutdown`], and `next` returns `None` once all events were returned.
//!     Existing sessions continue until they are closed.
//!
//! Channels
//! 21. **Channels.** A session has those channels of [`PeerService::channels`] that its peer's
//!     service has by the same name: [`PeerInfo::channels`]. All begin and end with the session. A
//!     delay on one channel delays no other. Only a frame that is pushed [after
//!     all](FrameMeta::after_all) frames of its order waits for the frames of that order on other
//!     channels; flushing its channel flushes those, too.

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
#[cfg(feature = "serde")]
pub mod settings;

pub use events::Events;
pub use frame::{Channels, Class, FrameBuf, FrameMeta};
pub use service::{
    Capabilities, Closed, Features, Outbox, PeerEvent, PeerInfo, PeerService, PushError, Session, Spawner,
};

pub use refs::{ChannelId, ChannelName, DialId, EndKind, NodeId, NodeName, NodeSpec, SessionEnd, SessionId};
