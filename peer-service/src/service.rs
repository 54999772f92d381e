//! The trait itself. The documentation of the crate contains its numbered contract.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use refs::{ChannelId, ChannelName, DialId, EndKind, NodeId, NodeName, NodeSpec, SessionEnd, SessionId};
use thiserror::Error;

use crate::frame::{Channels, FrameBuf, FrameMeta};

/// Starts a background task: a service runs its own loops on its user's executor.
pub type Spawner = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// The capabilities of a service. A call that needs more returns `Unsupported`.
///
/// ```
/// # use peer_service::Capabilities;
/// const BY_ITSELF: Capabilities = Capabilities::FULL.connect(false).views(true);
/// assert!(BY_ITSELF.monitoring && BY_ITSELF.views && !BY_ITSELF.connect);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Sessions end when the peer is gone; required for remote monitors.
    pub monitoring: bool,
    /// Sessions begin and end for every peer; required for node-up and node-down events.
    pub node_events: bool,
    /// [`PeerService::connect`] works.
    pub connect: bool,
    /// [`PeerService::disconnect`] works.
    pub disconnect: bool,
    /// There is a membership view, and only its members can be dialed.
    pub views: bool,
}

impl Capabilities {
    /// Everything except views.
    pub const FULL: Capabilities =
        Capabilities { monitoring: true, node_events: true, connect: true, disconnect: true, views: false };

    /// Nothing: the starting point for a service with few capabilities.
    pub const NONE: Capabilities = Capabilities {
        monitoring: false,
        node_events: false,
        connect: false,
        disconnect: false,
        views: false,
    };

    /// Sets [`monitoring`](Self::monitoring).
    #[must_use]
    pub const fn monitoring(mut self, can: bool) -> Self {
        self.monitoring = can;
        self
    }

    /// Sets [`node_events`](Self::node_events).
    #[must_use]
    pub const fn node_events(mut self, can: bool) -> Self {
        self.node_events = can;
        self
    }

    /// Sets [`connect`](Self::connect).
    #[must_use]
    pub const fn connect(mut self, can: bool) -> Self {
        self.connect = can;
        self
    }

    /// Sets [`disconnect`](Self::disconnect).
    #[must_use]
    pub const fn disconnect(mut self, can: bool) -> Self {
        self.disconnect = can;
        self
    }

    /// Sets [`views`](Self::views).
    #[must_use]
    pub const fn views(mut self, can: bool) -> Self {
        self.views = can;
        self
    }
}

/// The features that both ends of a session support, beyond the protocol version: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

/// The peer of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's name and incarnation.
    pub node: NodeId,
    /// This session's number at this node.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// The features that both ends support.
    pub features: Features,
    /// The local node's channels that the session has.
    pub channels: Channels,
    /// Maximum length in bytes of a frame to this peer, which may be lower than
    /// [`PeerService::max_frame`].
    pub max_frame: usize,
}

impl PeerInfo {
    /// A visible peer on one channel, without features, that accepts every frame that this node may
    /// send.
    pub const fn new(node: NodeId, session: SessionId) -> Self {
        let max_frame = usize::MAX;
        PeerInfo {
            node,
            session,
            hidden: false,
            features: Features(0),
            channels: Channels::DEFAULT,
            max_frame,
        }
    }
}

/// An event of a service. The events of each node are in the order in which they happened.
pub enum PeerEvent {
    /// A session has begun.
    Session(Box<dyn Session>),
    /// A dial has failed.
    Failed {
        /// The node that was dialed.
        node: NodeName,
        /// The number of the dial.
        dial: DialId,
        /// The reason; [`EndKind::was_session`] is false, or it is [`EndKind::LocalShutdown`].
        end: SessionEnd,
    },
}

impl fmt::Debug for PeerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerEvent::Session(session) => f.debug_tuple("Session").field(session.peer()).finish(),
            PeerEvent::Failed { node, dial, end } => {
                f.debug_struct("Failed").field("node", node).field("dial", dial).field("end", end).finish()
            }
        }
    }
}

/// Creates and ends sessions with other nodes. See the [contract](crate).
#[async_trait]
pub trait PeerService: Send + Sync + 'static {
    /// The local node.
    fn local(&self) -> &NodeId;

    /// The capabilities of this service. Constant.
    fn capabilities(&self) -> Capabilities;

    /// Maximum length of a frame in bytes, whether or not it is sent in fragments. Constant.
    fn max_frame(&self) -> usize;

    /// The channels of the service besides the default one: the first is [`ChannelId`] 1. At most
    /// seven. Constant.
    fn channels(&self) -> &[ChannelName] {
        &[]
    }

    /// The next event; `None` after [`PeerService::shutdown`]. Cancel-safe. At most one concurrent
    /// caller.
    async fn next(&self) -> Option<PeerEvent>;

    /// Requests a session with `node`. Never blocks. The result is a session, or a
    /// [`PeerEvent::Failed`] with `dial`.
    fn connect(&self, node: &NodeSpec, dial: DialId);

    /// Ends the session with `node`, if there is one, as [`EndKind::Disconnected`], and stops
    /// redialing it.
    fn disconnect(&self, node: &NodeName);

    /// The members of the view, without the local node; `None` if there are no views and any node
    /// may be dialed.
    fn view(&self) -> Option<Vec<NodeName>> {
        None
    }

    /// Starts no further session. Idempotent. Existing sessions continue.
    fn shutdown(&self);

    /// Counters of the service for operators, as names and values: refused, dropped, retried.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// One session. Dropping it before it has returned its end closes it as [`EndKind::Closed`].
#[async_trait]
pub trait Session: Send + 'static {
    /// The peer.
    fn peer(&self) -> &PeerInfo;

    /// The outbox for frames to the peer. It may outlive the session; pushes then return
    /// [`PushError::Closed`].
    fn outbox(&self) -> Arc<dyn Outbox>;

    /// Waits for frames, appends all complete frames that have arrived on one channel to `frames`,
    /// at least one, and sets its channel. Cancel-safe.
    ///
    /// # Errors
    /// The end of the session, after every frame that arrived before it; later calls return the
    /// same end.
    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd>;
}

/// The sending side of a session. Pushing never blocks; concurrent callers are serialized.
pub trait Outbox: Send + Sync {
    /// Appends one frame: `write` appends its bytes to the given buffer and changes nothing before
    /// them.
    ///
    /// # Errors
    /// See [`PushError`]. After an error no byte of the frame is sent.
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError>;

    /// Sends the pushed frames. Call it without holding locks: it may write to a socket or wake a
    /// task.
    fn flush(&self);

    /// [`Outbox::flush`] for the frames of one channel, and for those on other channels for which a
    /// frame of this one waits that was pushed [after all](FrameMeta::after_all) frames of its
    /// order. Other frames may stay queued until their own channel is flushed.
    fn flush_channel(&self, channel: ChannelId) {
        let _ = channel;
        self.flush();
    }

    /// Ready once that channel accepts a message again after [`PushError::Full`].
    fn poll_ready(&self, channel: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Ends the session, as `kind` on this side. `Left` and `Disconnected` first send the pushed
    /// frames and a goodbye; any other kind ends it at once. Does not wait; [`Session::recv`]
    /// returns the end. Only the first call has an effect.
    fn close(&self, kind: EndKind);

    /// Number of bytes queued.
    fn queued(&self) -> usize;
}

/// Why a frame was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// The session has ended.
    #[error("the session is over")]
    Closed,
    /// The queue is full; messages only. [`Outbox::poll_ready`] tells when to retry.
    #[error("the send queue is full")]
    Full,
    /// The frame is longer than [`PeerService::max_frame`], or than [`PeerInfo::max_frame`].
    #[error("the frame is too large")]
    TooLarge,
}

/// The session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session is over")]
pub struct Closed;
