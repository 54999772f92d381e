//! The trait itself. Its contract stands, numbered, in the crate's documentation.

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

/// Starts a task in the background: how a service runs its own loops on whatever executor its user
/// has.
pub type Spawner = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// What a service can do. A call that needs more answers `NotImplemented` instead of pretending.
///
/// ```
/// # use peer_service::Capabilities;
/// const BY_ITSELF: Capabilities = Capabilities::FULL.connect(false).views(true);
/// assert!(BY_ITSELF.monitoring && BY_ITSELF.views && !BY_ITSELF.connect);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Sessions end when the peer is gone: without it nothing can be monitored remotely.
    pub monitoring: bool,
    /// Sessions begin and end for every peer, so that node-up and node-down can be told.
    pub node_events: bool,
    /// [`PeerService::connect`] works.
    pub connect: bool,
    /// [`PeerService::disconnect`] works.
    pub disconnect: bool,
    /// There is a membership view, and only its members can be dialled.
    pub views: bool,
}

impl Capabilities {
    /// Everything but views.
    pub const FULL: Capabilities =
        Capabilities { monitoring: true, node_events: true, connect: true, disconnect: true, views: false };

    /// Nothing: a starting point for a service that can do little.
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

/// What both ends of a session understand, beyond the protocol version: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

/// Who is at the other end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its name and incarnation.
    pub node: NodeId,
    /// This session's number at this node.
    pub session: SessionId,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// What both ends understand.
    pub features: Features,
    /// Which channels of the own node the session has.
    pub channels: Channels,
    /// The most bytes of a frame to this peer, which may take less than [`PeerService::max_frame`].
    pub max_frame: usize,
}

impl PeerInfo {
    /// A visible peer over one channel, without features, that takes whatever this node may send.
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

/// What a service has to tell. Per node in the order in which it happened.
pub enum PeerEvent {
    /// A session stands.
    Session(Box<dyn Session>),
    /// A dial has failed, and why.
    Failed {
        /// The node that was dialled.
        node: NodeName,
        /// Which dial.
        dial: DialId,
        /// Why; [`EndKind::was_session`] is false, or it is [`EndKind::LocalShutdown`].
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

/// Makes and ends sessions with other nodes. See the [contract](crate).
#[async_trait]
pub trait PeerService: Send + Sync + 'static {
    /// The own node.
    fn local(&self) -> &NodeId;

    /// What this service can do. Does not change.
    fn capabilities(&self) -> Capabilities;

    /// The most bytes a frame may have, however many pieces it takes on the way. Does not change.
    fn max_frame(&self) -> usize;

    /// The channels it has beside the default one: the first is [`ChannelId`] 1. At most seven.
    /// Does not change.
    fn channels(&self) -> &[ChannelName] {
        &[]
    }

    /// The next event; `None` after [`PeerService::shutdown`]. Cancel-safe. One caller at a time.
    async fn next(&self) -> Option<PeerEvent>;

    /// Asks for a session with `node`. Never blocks. Answered by a session or by
    /// [`PeerEvent::Failed`] with `dial`.
    fn connect(&self, node: &NodeSpec, dial: DialId);

    /// Ends the session with `node`, if there is one, as [`EndKind::Disconnected`], and stops
    /// redialling it.
    fn disconnect(&self, node: &NodeName);

    /// The members of the view, without the own node; `None` if there are no views and any node may
    /// be dialled.
    fn view(&self) -> Option<Vec<NodeName>> {
        None
    }

    /// Begins no more sessions. Idempotent. Sessions that stand go on.
    fn shutdown(&self);

    /// Counters of the service, for people to look at: what was refused, dropped, redialled; name
    /// and number.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// One session. Dropping it without having seen its end closes it as [`EndKind::Closed`].
#[async_trait]
pub trait Session: Send + 'static {
    /// Who is at the other end.
    fn peer(&self) -> &PeerInfo;

    /// Where to push what goes out. May outlive the session; pushes then give
    /// [`PushError::Closed`].
    fn outbox(&self) -> Arc<dyn Outbox>;

    /// Appends to `frames` as many whole frames as have arrived on one channel, at least one, and
    /// sets the channel; waits until there is one. Cancel-safe.
    ///
    /// # Errors
    /// The end of the session, after every frame that arrived before it; then the same end at each
    /// call.
    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd>;
}

/// The sending side of a session. Pushing never blocks; callers on different threads are put in
/// some order.
pub trait Outbox: Send + Sync {
    /// Appends one frame: `write` appends its bytes to the buffer it is given and touches nothing
    /// before them.
    ///
    /// # Errors
    /// See [`PushError`]. After an error nothing of the frame is sent.
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError>;

    /// Sees to it that what was pushed goes out. Call it after all locks are released: it may write
    /// to a socket or wake a task.
    fn flush(&self);

    /// [`Outbox::flush`] for what was pushed on one channel, and for what a frame among it waits
    /// for that was pushed [after all](FrameMeta::after_all) of its order. Anything else may stay,
    /// until its own channel is flushed.
    fn flush_channel(&self, channel: ChannelId) {
        let _ = channel;
        self.flush();
    }

    /// Ready once a message would be accepted on that channel again after [`PushError::Full`].
    fn poll_ready(&self, channel: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Ends the session, as `kind` on this side. `Left` and `Disconnected` flush and say goodbye
    /// first; any other kind ends at once. Does not wait; the end is seen by [`Session::recv`].
    /// Only the first call counts.
    fn close(&self, kind: EndKind);

    /// Bytes that wait to be sent.
    fn queued(&self) -> usize;
}

/// Why a frame was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// Too much waits; messages only. [`Outbox::poll_ready`] tells when to try again.
    #[error("too much waits to be sent")]
    Full,
    /// The frame is longer than [`PeerService::max_frame`], or than [`PeerInfo::max_frame`].
    #[error("the frame is too large")]
    TooLarge,
}

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session is over")]
pub struct Closed;
