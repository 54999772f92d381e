//! An in-memory network with faults on demand and its own clock, for testing failovers.
//!
//! Nothing happens on its own. Frames arrive when they are flushed, faults occur when a test calls
//! them, and time passes when it is [advanced](Network::advance): there are no threads and no
//! sleeps, and the same calls give the same run.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use peer_service::{DialId, EndKind, FrameBuf, PeerEvent, PeerService, memory::Network};
//!
//! # smol::block_on(async {
//! let network = Network::new();
//! let a = network.join("a@memory".parse()?);
//! let b = network.join("b@memory".parse()?);
//! a.connect(&b.local().name.clone().into(), DialId(1));
//! let Some(PeerEvent::Session(mut session)) = a.next().await else { panic!("b is there") };
//!
//! network.cut(&a.local().name, &b.local().name);     // no frame arrives any more ...
//! network.advance(Duration::from_secs(5));           // ... and the timeout detects it
//! let end = session.recv(&mut FrameBuf::new()).await.unwrap_err();
//! assert_eq!((end.kind, end.silent_for()), (EndKind::Timeout, Some(Duration::from_secs(5))));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # The model
//!
//! A healthy link carries heartbeats, so it never ends by itself, however long it is idle. A cut
//! link keeps the frames in transit and delivers them when it is healed, as TCP would; frames are
//! lost only with their session. A dial waits for a cut path to heal, until
//! [`Settings::setup_timeout`].

mod link;
mod service;
mod settings;
mod timer;
mod world;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use refs::{ChannelId, ChannelName, EndKind, NodeName};

use self::world::{Shared, World};
pub use self::{
    service::MemoryService,
    settings::{Settings, SettingsError},
    timer::Sleep,
};
use crate::service::Capabilities;

/// The configuration of a joining node. Each setter replaces the value of its setting.
#[derive(Clone, Debug)]
pub struct Join {
    name: NodeName,
    hidden: bool,
    capabilities: Capabilities,
    view: Option<Vec<NodeName>>,
    channels: Vec<ChannelName>,
}

impl Join {
    /// A visible node with all capabilities that may dial every node.
    pub const fn new(name: NodeName) -> Self {
        Join { name, hidden: false, capabilities: Capabilities::FULL, view: None, channels: Vec::new() }
    }

    /// The node's name.
    pub const fn get_name(&self) -> &NodeName {
        &self.name
    }

    /// Whether the node's sessions are hidden. False by default.
    #[must_use]
    pub const fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// The capabilities that its service claims. All by default.
    #[must_use]
    pub const fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The node's channels besides the default one, at most seven, each name once; none by default.
    /// [`Network::join_with`] panics if there are too many. All frames of a session keep one order
    /// here, on whatever channel: that is more than the contract requires.
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.channels = channels.into_iter().collect();
        self
    }

    /// The node's membership view: only these nodes can be dialed. No view by default: every node
    /// can be dialed.
    #[must_use]
    pub fn view(mut self, members: impl IntoIterator<Item = NodeName>) -> Self {
        self.view = Some(members.into_iter().collect());
        self
    }
}

/// A network. A cheap handle; clones refer to the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

/// Takes no lock, so it can be printed anywhere.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}

impl Network {
    /// An empty network with the default settings.
    pub fn new() -> Self {
        Network::with(Settings::default())
    }

    /// An empty network.
    ///
    /// # Panics
    /// If a setting is out of its range; [`Network::try_with`] returns which.
    pub fn with(settings: Settings) -> Self {
        Network::try_with(settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An empty network.
    ///
    /// # Errors
    /// [`SettingsError`] if a setting is out of its range.
    pub fn try_with(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Network { shared: Shared::new(settings) })
    }

    /// Adds a node, visible, with all capabilities, without a view.
    ///
    /// If a live node has the name already, that node is not affected: dials of the new node fail
    /// with [`EndKind::DuplicateName`], and no node can reach it. After a [`Network::crash`], or
    /// once the old service was dropped or shut down, the name is free, and the new node has
    /// another incarnation.
    pub fn join(&self, name: NodeName) -> Arc<MemoryService> {
        self.join_with(Join::new(name))
    }

    /// Adds a node.
    ///
    /// # Panics
    /// If it has more than seven channels besides the default one, or one name twice: no network
    /// supports that, so such a test would test something else.
    pub fn join_with(&self, join: Join) -> Arc<MemoryService> {
        let names: BTreeSet<_> = join.channels.iter().collect();
        assert!(join.channels.len() < ChannelId::LIMIT, "{} has more than seven channels", join.name);
        assert!(names.len() == join.channels.len(), "{} has two channels of one name", join.name);
        MemoryService::join(&self.shared, join)
    }

    /// Stops everything between the two nodes, in both directions, until [`Network::heal`].
    pub fn cut(&self, a: &NodeName, b: &NodeName) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Stops everything that `from` sends to `to`, until [`Network::heal`].
    pub fn cut_one_way(&self, from: &NodeName, to: &NodeName) {
        self.act(|world| world.path(from, to).cut = true);
    }

    /// Restores both directions. Frames in transit arrive if their session still exists.
    pub fn heal(&self, a: &NodeName, b: &NodeName) {
        self.act(|world| {
            world.path(a, b).cut = false;
            world.path(b, a).cut = false;
        });
    }

    /// Resets the connection between the two nodes: their session ends as [`EndKind::Closed`] at
    /// both ends, and the frames in transit are lost.
    pub fn sever(&self, a: &NodeName, b: &NodeName) {
        self.act(|world| world.sever(a, b));
    }

    /// Sets the latency of frames in both directions; with `Duration::MAX` they never arrive.
    pub fn delay(&self, a: &NodeName, b: &NodeName, delay: Duration) {
        self.act(|world| {
            world.path(a, b).delay = delay;
            world.path(b, a).delay = delay;
        });
    }

    /// Stops the node: it sends nothing, reads nothing and ends no session for silence, until
    /// [`Network::thaw`].
    pub fn freeze(&self, node: &NodeName) {
        self.act(|world| world.set_frozen(node, true));
    }

    /// Resumes the node. It reads the frames that have arrived meanwhile before it ends sessions
    /// for silence.
    pub fn thaw(&self, node: &NodeName) {
        self.act(|world| world.set_frozen(node, false));
    }

    /// Kills the node: its sessions end as [`EndKind::Closed`] at both ends, its dials get no
    /// result, its service has no more events. The name is free.
    pub fn crash(&self, node: &NodeName) {
        self.act(|world| world.crash(node));
    }

    /// Sets the membership view of a node: `at` can dial only these nodes. Sessions with others end
    /// as [`EndKind::Evicted`].
    pub fn set_view(&self, at: &NodeName, members: &[NodeName]) {
        let members: BTreeSet<_> = members.iter().cloned().collect();
        self.act(|world| world.set_view(at, members));
    }

    /// Removes `node` from the view of `at`. If `at` had no view, it gets one with all other nodes.
    pub fn evict(&self, at: &NodeName, node: &NodeName) {
        self.act(|world| {
            let mut members = world.members(at);
            members.remove(node);
            world.set_view(at, members);
        });
    }

    /// Advances the clock. Delayed frames arrive, silent sessions end and dials time out, each at
    /// its time. The clock stops at `Duration::MAX`.
    pub fn advance(&self, time: Duration) {
        self.act(|world| world.advance(time));
    }

    /// Time of the next event that needs no call, later than now: a frame arrives, a session or a
    /// dial times out, a [sleep](Self::sleep_until) ends. `None` if there is none.
    pub fn next_event(&self) -> Option<Duration> {
        self.shared.look(World::next_deadline)
    }

    /// The time that has passed.
    pub fn now(&self) -> Duration {
        self.shared.look(|world| world.now)
    }

    /// Completes once [`now`](Self::now) has reached `at`: a timer that [`advance`](Self::advance)
    /// drives. Completes at once if that time has passed. Cancel-safe.
    pub fn sleep_until(&self, at: Duration) -> Sleep {
        Sleep::new(self.shared.clone(), at)
    }

    /// `(nodes, sessions)` that are alive or held by a handle.
    pub fn population(&self) -> (usize, usize) {
        self.shared.look(World::population)
    }

    fn act<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        self.shared.act(act)
    }
}

/// The end at the peer of a node that ends a session with `kind`.
const fn seen_by_peer(kind: EndKind) -> EndKind {
    match kind {
        EndKind::Left | EndKind::Disconnected | EndKind::Evicted => kind,
        _ => EndKind::Closed,
    }
}
