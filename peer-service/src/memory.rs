//! A network in memory, with faults on demand and a clock of its own: what to test a failover with.
//!
//! Nothing happens by itself. Frames arrive when they are flushed, faults come when a test calls
//! them, and time passes when it is [advanced](Network::advance): no threads, no sleeping, and the
//! same calls give the same run.
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
//! network.cut(&a.local().name, &b.local().name);     // nothing arrives any more …
//! network.advance(Duration::from_secs(5));           // … and after a while that is noticed
//! let end = session.recv(&mut FrameBuf::new()).await.unwrap_err();
//! assert_eq!((end.kind, end.silent_for()), (EndKind::Timeout, Some(Duration::from_secs(5))));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What is modelled
//!
//! A healthy link carries heartbeats, so it never ends by itself, however long it is idle. A cut
//! link keeps what is on its way and delivers it when it is healed, as TCP would; what is lost is
//! lost with the session. A dial waits for a cut path to heal, until [`Settings::setup_timeout`].

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

/// How a node joins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Join {
    /// Its name.
    pub name: NodeName,
    /// Whether its sessions are hidden.
    pub hidden: bool,
    /// What its service claims to be able to do.
    pub capabilities: Capabilities,
    /// Its membership view, if there is one.
    pub view: Option<Vec<NodeName>>,
    /// The channels it has beside the default one, at most seven, each name once. All of a
    /// session's frames keep one order here, whatever channel they take: that is more than the
    /// contract asks for.
    pub channels: Vec<ChannelName>,
}

impl Join {
    /// A visible node that can do everything and may dial anybody.
    pub const fn new(name: NodeName) -> Self {
        Join { name, hidden: false, capabilities: Capabilities::FULL, view: None, channels: Vec::new() }
    }

    /// Sets whether its sessions are hidden.
    #[must_use]
    pub const fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// Sets what its service claims to be able to do.
    #[must_use]
    pub const fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Adds to its channels. Too many are told by [`Network::join_with`].
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.channels.extend(channels);
        self
    }

    /// Gives it a membership view: only these nodes can be dialled.
    #[must_use]
    pub fn view(mut self, members: Vec<NodeName>) -> Self {
        self.view = Some(members);
        self
    }
}

/// A network. A cheap handle; clones are the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

/// Takes no lock: it may be printed from anywhere.
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
    /// If a setting is out of its range; [`Network::try_with`] tells which.
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

    /// A node joins, visible, able to do everything, without a view.
    ///
    /// If a live node bears the name already, that one stays undisturbed: the newcomer's dials fail
    /// with [`EndKind::DuplicateName`], and nobody can reach it. After a [`Network::crash`], or
    /// once the old service was dropped or shut down, the name is free, and the newcomer has
    /// another incarnation.
    pub fn join(&self, name: NodeName) -> Arc<MemoryService> {
        self.join_with(Join::new(name))
    }

    /// A node joins.
    ///
    /// # Panics
    /// If it has more than seven channels beside the default one, or one name twice: a test that
    /// asks for what no network does would test something else.
    pub fn join_with(&self, join: Join) -> Arc<MemoryService> {
        let names: BTreeSet<_> = join.channels.iter().collect();
        assert!(join.channels.len() < ChannelId::LIMIT, "{} has more than seven channels", join.name);
        assert!(names.len() == join.channels.len(), "{} has two channels of one name", join.name);
        MemoryService::join(&self.shared, join)
    }

    /// Nothing arrives between the two nodes any more, in either direction, until
    /// [`Network::heal`].
    pub fn cut(&self, a: &NodeName, b: &NodeName) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Nothing that `from` sends arrives at `to` any more, until [`Network::heal`].
    pub fn cut_one_way(&self, from: &NodeName, to: &NodeName) {
        self.act(|world| world.path(from, to).cut = true);
    }

    /// Both directions carry again. What was on its way arrives, as far as its session still
    /// stands.
    pub fn heal(&self, a: &NodeName, b: &NodeName) {
        self.act(|world| {
            world.path(a, b).cut = false;
            world.path(b, a).cut = false;
        });
    }

    /// The connection between the two nodes is reset, now: their session ends as
    /// [`EndKind::Closed`] at both ends, and what was on its way is lost.
    pub fn sever(&self, a: &NodeName, b: &NodeName) {
        self.act(|world| world.sever(a, b));
    }

    /// From now on frames take that long in both directions; with `Duration::MAX` they never
    /// arrive.
    pub fn delay(&self, a: &NodeName, b: &NodeName, delay: Duration) {
        self.act(|world| {
            world.path(a, b).delay = delay;
            world.path(b, a).delay = delay;
        });
    }

    /// The node stops: it sends nothing, reads nothing and judges nobody, until [`Network::thaw`].
    pub fn freeze(&self, node: &NodeName) {
        self.act(|world| world.set_frozen(node, true));
    }

    /// The node goes on. It reads what has arrived meanwhile before it judges anybody.
    pub fn thaw(&self, node: &NodeName) {
        self.act(|world| world.set_frozen(node, false));
    }

    /// The node is gone, as by a kill: its sessions end as [`EndKind::Closed`] at both ends, its
    /// dials are not answered, its service has no more events. The name is free.
    pub fn crash(&self, node: &NodeName) {
        self.act(|world| world.crash(node));
    }

    /// Sets the membership view of a node: `at` can dial only these. Sessions with others end as
    /// [`EndKind::Evicted`].
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

    /// Time passes. Delayed frames arrive, silent sessions end and dials run out, each at its time.
    /// The clock stops at `Duration::MAX`.
    pub fn advance(&self, time: Duration) {
        self.act(|world| world.advance(time));
    }

    /// When the next thing happens by itself, later than now: a frame arrives, a session or a dial
    /// has been silent for too long, a [sleep](Self::sleep_until) ends. `None` if nothing will.
    pub fn next_event(&self) -> Option<Duration> {
        self.shared.look(World::next_deadline)
    }

    /// How much time has passed.
    pub fn now(&self) -> Duration {
        self.shared.look(|world| world.now)
    }

    /// Completes once [`now`](Self::now) has reached `at`: a timer that [`advance`](Self::advance)
    /// drives. At once if that time has come. Cancel-safe.
    pub fn sleep_until(&self, at: Duration) -> Sleep {
        Sleep::new(self.shared.clone(), at)
    }

    /// `(nodes, sessions)` still alive or held by a handle.
    pub fn population(&self) -> (usize, usize) {
        self.shared.look(World::population)
    }

    fn act<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        self.shared.act(act)
    }
}

/// What the peer of somebody who ends a session so gets to see.
const fn seen_by_peer(kind: EndKind) -> EndKind {
    match kind {
        EndKind::Left | EndKind::Disconnected | EndKind::Evicted => kind,
        _ => EndKind::Closed,
    }
}
