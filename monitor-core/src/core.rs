//! The core's door.

use alloc::{sync::Arc, vec::Vec};

use refs::{DialId, NodeId, NodeName, RegName, SessionEnd, SessionId, Target};

use crate::{
    effect::{Down, Effect, NodeEvent, NodesOptions, NodeType},
    ids::{LocalPid, MonitorId, Ticket},
    reason::ExitReason,
    signal::{Signal, Violation},
};

/// How to look for a process on the own node: what the caller of the core knows and the core does not.
pub trait Processes {
    /// The process that is meant, if it lives.
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid>;
}

/// A process of the own node, as somebody names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTarget<'a> {
    /// By number.
    Pid(LocalPid),
    /// By registered name.
    Name(&'a RegName),
}

/// What a core is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoreConfig {
    /// The own node.
    pub local: NodeId,
    /// Seeds the hasher of what peers number. From a good source of randomness in production, fixed in tests.
    pub seed: u64,
    /// The most table steps one input does; the rest waits in the backlog. 256 by default.
    pub max_batch: usize,
    /// The most calls that wait for one node to be connected. 65,536 by default.
    pub max_waiting: usize,
    /// The most monitors one session may hold on this node's processes. 16,777,216 by default.
    pub max_incoming: usize,
}

impl CoreConfig {
    /// The defaults.
    pub const fn new(local: NodeId, seed: u64) -> Self {
        CoreConfig { local, seed, max_batch: 256, max_waiting: 65_536, max_incoming: 1 << 24 }
    }
}

/// What to do about a node that is not connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// Make a session.
    #[default]
    OnDemand,
    /// Answer at once that there is none.
    Never,
}

/// Options of a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorOptions {
    /// Returned in the `Down`, whatever its reason. 0 by default.
    pub tag: u64,
    /// What to do if the node is not connected.
    pub connect: Connect,
}

impl MonitorOptions {
    /// No tag, connect on demand.
    pub const fn new() -> Self {
        MonitorOptions { tag: 0, connect: Connect::OnDemand }
    }

    /// Sets the tag.
    #[must_use]
    pub const fn tag(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// Sets what to do if the node is not connected.
    #[must_use]
    pub const fn connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }
}

/// What a demonitor found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demonitored {
    /// The monitor was active: no `Down` was or will be delivered.
    Active,
    /// It had fired: its `Down` is in the mailbox, or has just been flushed.
    Fired,
    /// No such monitor of this watcher.
    Unknown,
}

/// Where something for another node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Out on this session, now.
    Now(SessionId),
    /// Keep it: an effect with its ticket will follow.
    Later,
    /// Nowhere.
    No(SessionEnd),
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Core {
    config: CoreConfig,
}

#[allow(unused_variables, missing_docs, clippy::too_many_arguments)]
impl Core {
    pub fn new(config: CoreConfig) -> Self { Core { config } }
    /// Monitors a target for `watcher`. Never waits; what goes wrong arrives as a `Down`.
    pub fn monitor(&mut self, processes: &dyn Processes, watcher: LocalPid, target: &Target, options: MonitorOptions, out: &mut Vec<Effect>) -> MonitorId { todo!() }
    pub fn demonitor(&mut self, watcher: LocalPid, id: MonitorId, flush: bool, out: &mut Vec<Effect>) -> Demonitored { todo!() }
    pub fn take(&mut self, id: MonitorId) -> Option<Down> { todo!() }
    /// Whether the monitor has fired and its `Down` waits to be taken.
    pub fn is_fired(&self, id: MonitorId) -> bool { todo!() }
    pub fn monitor_node(&mut self, watcher: LocalPid, node: &NodeName, connect: Connect, out: &mut Vec<Effect>) { todo!() }
    pub fn demonitor_node(&mut self, watcher: LocalPid, node: &NodeName) { todo!() }
    /// Subscribes; returns the up events of the nodes that are up and match, atomically with what follows.
    pub fn monitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) -> Vec<Arc<NodeEvent>> { todo!() }
    pub fn demonitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) { todo!() }
    /// The nodes that are up, sorted by name.
    pub fn nodes(&self, filter: NodeType) -> Vec<Arc<NodeEvent>> { todo!() }
    /// The process is gone, of this; `None`: it was gone when `Watch` came.
    pub fn process_exited(&mut self, pid: LocalPid, reason: Option<ExitReason>, out: &mut Vec<Effect>) { todo!() }
    pub fn peer_up(&mut self, session: SessionId, peer: NodeId, hidden: bool, out: &mut Vec<Effect>) { todo!() }
    pub fn peer_down(&mut self, session: SessionId, end: SessionEnd, out: &mut Vec<Effect>) { todo!() }
    pub fn peer_unreachable(&mut self, node: &NodeName, dial: DialId, end: SessionEnd, out: &mut Vec<Effect>) { todo!() }
    pub fn handle_signal(&mut self, processes: &dyn Processes, session: SessionId, signal: Signal, out: &mut Vec<Effect>) -> Result<(), Violation> { todo!() }
    /// Asks where something for `node` goes, such as a message, in one order with the monitors.
    pub fn route(&mut self, node: &NodeName, ticket: Ticket, connect: Connect, out: &mut Vec<Effect>) -> Route { todo!() }
    /// Continues what was left in the backlog, at most `max_batch` steps of it; returns whether more is left.
    pub fn resume(&mut self, out: &mut Vec<Effect>) -> bool { todo!() }
    /// Whether the backlog holds anything.
    pub fn has_backlog(&self) -> bool { todo!() }
    /// Who is monitored by that process: every active or fired monitor of it, oldest first.
    pub fn monitors_of(&self, watcher: LocalPid) -> Vec<(MonitorId, Target)> { todo!() }
    /// Counts: see the fields.
    pub fn stats(&self) -> CoreStats { todo!() }
}

/// What the tables hold now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreStats {
    /// Monitors of local watchers that wait, or are active.
    pub outgoing_active: usize,
    /// Monitors of local watchers that have fired and whose `Down` was not taken yet.
    pub outgoing_fired: usize,
    /// Monitors that peers hold on local processes.
    pub incoming: usize,
    /// Active `monitor_node` subscriptions.
    pub node_monitors: usize,
    /// Active `monitor_nodes` subscriptions.
    pub nodes_subscriptions: usize,
    /// Peers in the table, connected or not.
    pub peers: usize,
    /// Sessions that are up.
    pub sessions: usize,
    /// Calls that wait for a session.
    pub waiting: usize,
    /// Pieces of unfinished work in the backlog.
    pub backlog: usize,
}
