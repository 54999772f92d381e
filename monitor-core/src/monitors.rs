//! The coordinator: it decides what each input means. Only this module and the modules below make
//! effects; the tables return facts.
//!
//! | what | where |
//! |---|---|
//! | [`Core`], the calls and the exits of processes | this file |
//! | sessions, dials, routes, and calls about nodes | `sessions` |
//! | signals from peers | `signals` |
//! | the notices of monitors that have fired | `notices` |
//! | work that takes more steps than one input may do | `backlog` |

mod backlog;
mod notices;
mod sessions;
mod signals;

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use refs::{ChannelId, Incarnation, MonitorRef, Name, NodeName, Pid, SessionEnd, Target};

use self::backlog::{ExitNotification, Job};
use crate::{
    config::{
        Connect, CoreConfig, CoreStats, Demonitored, LocalTarget, MonitorOptions, PeerMonitors, Processes,
        Route,
    },
    effect::{Effect, Notice},
    ids::{LocalPid, MonitorId},
    reason::{DownReason, ExitReason},
    signal::{RemoteTarget, Signal},
    tables::{
        IncomingIndex, IncomingMonitors, MonitorState, NodeMonitors, NodeSubscriptions, OutgoingIndex,
        OutgoingMonitors, Peer, PeerIndex, Peers, ProcessEntry, ProcessTable, RowTarget, TargetNode,
        TargetNodeIndex, TargetNodes, Waiter, Waiters,
    },
};

/// The monitors of one node: a state machine without clock, threads, I/O or randomness.
///
/// # How to drive it
///
/// Each input has one method. A method that causes actions appends [`Effect`]s to `out`; the caller
/// runs them in order, to the end, before the next input. The return value is the answer to the
/// caller; effects address all other processes and peers. A [`Driver`](crate::Driver) keeps inputs
/// and effects apart; a caller may also do that itself.
///
/// - **Calls** of local processes: [`monitor`](Core::monitor), [`demonitor`](Core::demonitor),
///   [`take`](Core::take), [`monitor_node`](Core::monitor_node),
///   [`demonitor_node`](Core::demonitor_node), [`monitor_nodes`](Core::monitor_nodes),
///   [`demonitor_nodes`](Core::demonitor_nodes), [`route`](Core::route).
/// - **Exits** of local processes: [`process_exited`](Core::process_exited).
/// - **The network**: [`peer_up`](Core::peer_up), [`handle_signal`](Core::handle_signal),
///   [`session_closing`](Core::session_closing), [`monitor_not_sent`](Core::monitor_not_sent),
///   [`peer_down`](Core::peer_down), [`peer_unreachable`](Core::peer_unreachable).
/// - **The end of the node**: [`node_stopped`](Core::node_stopped).
/// - **Unfinished work**: [`resume`](Core::resume), as long as [`has_backlog`](Core::has_backlog)
///   returns `true`.
///
/// # Obligations of the caller
///
/// 1. The caller runs effects in order and completely, before the next input. It drops a signal
///    that cannot be sent any more: the end of its session follows.
/// 2. One task passes in the signals of a session, in the order of arrival, only after the
///    session's [`Effect::Admit`], and all of them before `peer_down`. The next session of that
///    node may be announced earlier.
/// 3. The caller answers every [`Effect::Connect`] with `peer_up` for that node or with
///    `peer_unreachable` for that dial.
/// 4. The caller reports the exit of each process that has made a call, or for which there was an
///    [`Effect::Watch`]. A process makes no call, and [`Processes`] does not return it, after its
///    exit was reported. Pids are dense: see [`LocalPid`].
/// 5. The caller calls `resume` until the backlog is empty. Other inputs may come in between.
///
/// # Guarantees
///
/// Every monitor ends in exactly one of: its `Down`, its `demonitor`, its watcher's exit. For each
/// peer, the order of notices is: node up, everything of that session, all its `Down`s, node down,
/// then the next node up. Each input takes at most
/// [`CoreLimits::max_batch`](crate::CoreLimits::max_batch) steps, however many monitors there are.
/// Memory is proportional to the number of live monitors, subscriptions and peers. A run is a
/// function of its inputs.
///
/// If a call panics, by a defect, the tables may be half changed: the core must not be used any
/// more.
///
/// The `Hash` of a core covers its whole state, so that a model checker can distinguish states.
#[derive(Clone, Debug, Hash)]
pub struct Core {
    config: CoreConfig,
    processes: ProcessTable,
    outgoing_monitors: OutgoingMonitors,
    incoming_monitors: IncomingMonitors,
    target_nodes: TargetNodes,
    peers: Peers,
    waiters: Waiters,
    node_monitors: NodeMonitors,
    node_subscriptions: NodeSubscriptions,
    backlog: VecDeque<Job>,
    last_dial: u64,
    /// The number of the last event of any node.
    last_event: u64,
}

impl Core {
    /// Makes the core of a node without processes and peers.
    pub fn new(mut config: CoreConfig) -> Self {
        config.limits.max_batch = config.limits.max_batch.max(1);
        let seed = config.seed;
        Core {
            config,
            processes: ProcessTable::new(),
            outgoing_monitors: OutgoingMonitors::new(),
            incoming_monitors: IncomingMonitors::new(seed),
            target_nodes: TargetNodes::new(seed),
            peers: Peers::new(seed),
            waiters: Waiters::new(),
            node_monitors: NodeMonitors::new(seed),
            node_subscriptions: NodeSubscriptions::new(),
            backlog: VecDeque::new(),
            last_dial: 0,
            last_event: 0,
        }
    }

    /// The configuration, with `max_batch` raised to at least 1.
    pub const fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// Monitors a target for `watcher`; returns the number of the monitor, which is new. O(1).
    ///
    /// Never blocks and never fails: a failure arrives as a `Down`, which may be among the effects
    /// of this input. A target on the local node is looked up now; a target on another node when
    /// the request arrives there. A process that monitors itself gets a number that never fires.
    /// Source: `erlang:monitor/2`, including that an unknown name gives `NoProc` and not an error.
    ///
    /// `watcher` must not have exited. The number of its monitors has no limit, but
    /// [`CoreLimits::max_waiting`](crate::CoreLimits::max_waiting) limits those that wait for a
    /// node. Signals to one node go out in the order of the calls.
    pub fn monitor(
        &mut self,
        processes: &dyn Processes,
        watcher: LocalPid,
        target: &Target,
        options: MonitorOptions,
        out: &mut Vec<Effect>,
    ) -> MonitorId {
        let (node, incarnation, in_node) = match target {
            Target::Pid(pid) => (&pid.node().name, Some(pid.incarnation()), RowTarget::Pid(pid.serial())),
            Target::Name(name) => (&name.node, None, RowTarget::Name(name.name.clone())),
        };
        let target_node = self.target_node(node, incarnation, options.channel);
        let of_watcher = &mut self.processes.enter(watcher).made_monitors;
        let at = self.outgoing_monitors.insert(watcher, of_watcher, in_node, target_node, options.tag);
        let id = self.outgoing_monitors.id(at);
        match self.target_nodes.get(target_node).peer {
            None => self.bind_local(processes, at, target, out),
            Some(peer) => self.bind_remote(at, peer, options.connect, out),
        }
        id
    }

    fn bind_local(
        &mut self,
        processes: &dyn Processes,
        at: OutgoingIndex,
        target: &Target,
        out: &mut Vec<Effect>,
    ) {
        let found = match target {
            Target::Pid(pid) if *pid.node() != self.config.local => None,
            Target::Pid(pid) => processes.resolve(&LocalTarget::Pid(LocalPid(pid.serial()))),
            Target::Name(name) => processes.resolve(&LocalTarget::Name(&name.name)),
        };
        match found {
            None => self.fire(at, DownReason::NoProc, out),
            Some(pid) if pid == self.outgoing_monitors.row(at).watcher => self.forget(at),
            Some(pid) => {
                let entry = self.processes.enter(pid);
                self.outgoing_monitors.bind_local(at, &mut entry.local_watchers);
                watch(pid, entry, out);
            }
        }
    }

    fn bind_remote(&mut self, at: OutgoingIndex, peer: PeerIndex, connect: Connect, out: &mut Vec<Effect>) {
        match self.route_to(peer, connect, out) {
            Route::Now(_) => self.send_monitor(at, peer, out),
            Route::Later => {
                let place = self.wait(peer, Waiter::Monitor(at));
                self.outgoing_monitors.wait(at, place);
            }
            Route::No(end) => self.fire(at, DownReason::NoConnection(end), out),
        }
    }

    /// Binds a monitor to the session that is up, then sends it to the peer. In this order: the
    /// row stands before its answer can arrive.
    fn send_monitor(&mut self, at: OutgoingIndex, peer: PeerIndex, out: &mut Vec<Effect>) {
        self.bind_incarnation(at, self.peers.get(peer).incarnation());
        let peer = self.peers.get(peer);
        let up = peer.up().and_then(|up| up.session.as_ref());
        let (session, node) = up.expect("a monitor is sent only while a session is up");
        self.outgoing_monitors.bind_remote(at, peer.monitors);
        let row = self.outgoing_monitors.row(at);
        let target_node = self.target_nodes.get(row.target_node);
        let target = match (&row.target, target_node.incarnation) {
            (RowTarget::Pid(serial), Some(incarnation)) if incarnation != node.incarnation => {
                RemoteTarget::PidOf(incarnation, *serial)
            }
            (RowTarget::Pid(serial), _) => RemoteTarget::Pid(*serial),
            (RowTarget::Name(name), _) => RemoteTarget::Name(name.clone()),
        };
        let signal = Signal::Monitor { id: self.outgoing_monitors.id(at), target };
        out.push(Effect::Send { session: *session, from: row.watcher, channel: target_node.channel, signal });
    }

    /// Ends a monitor. Takes effect at once; never connects, never fails. O(1), however much is
    /// queued.
    ///
    /// After this call no `Down` for `id` is added to the mailbox. A `Down` that is already there
    /// stays, unless `flush` removes it. A monitor of another watcher is not changed. Source:
    /// `erlang:demonitor/2` with `flush` and `info`.
    pub fn demonitor(
        &mut self,
        watcher: LocalPid,
        id: MonitorId,
        flush: bool,
        out: &mut Vec<Effect>,
    ) -> Demonitored {
        let Some(at) =
            self.outgoing_monitors.find(id).filter(|&at| self.outgoing_monitors.row(at).watcher == watcher)
        else {
            return Demonitored::Unknown;
        };
        if self.outgoing_monitors.row(at).state.is_fired() {
            if flush {
                self.forget(at);
            }
            return Demonitored::Fired;
        }
        self.cancel(at, out);
        Demonitored::Active
    }

    /// Removes a row, and sends `Demonitor` if the peer has a row for it.
    fn cancel(&mut self, at: OutgoingIndex, out: &mut Vec<Effect>) {
        let row = self.outgoing_monitors.row(at);
        if let MonitorState::Remote(_) = row.state {
            let target_node = self.target_nodes.get(row.target_node);
            if let Some(session) = target_node.peer.and_then(|peer| self.peers.get(peer).session()) {
                let signal = Signal::Demonitor { id: self.outgoing_monitors.id(at) };
                out.push(Effect::Send { session, from: row.watcher, channel: target_node.channel, signal });
            }
        }
        self.forget(at);
    }

    /// Reports that a process has exited, with its reason. The reason is `None` if the process had
    /// already exited when [`Effect::Watch`] came: watchers then get `NoProc`.
    ///
    /// To be called once for each process, after it has been removed from [`Processes`] and after
    /// its last message was queued.
    ///
    /// All watchers of the process get the reason; its own monitors and subscriptions end. Nothing
    /// is delivered to it from now on. A process that takes part in no monitor costs nothing. At
    /// most [`CoreLimits::max_batch`](crate::CoreLimits::max_batch) rows are processed now;
    /// [`Core::resume`] processes the rest.
    pub fn process_exited(&mut self, pid: LocalPid, reason: Option<ExitReason>, out: &mut Vec<Effect>) {
        if let Some(entry) = self.processes.remove(pid) {
            let reason = reason.map_or(DownReason::NoProc, DownReason::Exit);
            self.tell_exit(ExitNotification::new(pid, entry, reason), out);
        }
    }

    /// Reports that the node has stopped while this process is still alive. Local monitors on the
    /// process end as `NoConnection(end)`, and its subscriptions end without a notice. The monitors
    /// that it has made stay. Bounded like [`Core::process_exited`].
    ///
    /// To be called for each process that is left, after every session and every dial has ended.
    pub fn node_stopped(&mut self, pid: LocalPid, end: SessionEnd, out: &mut Vec<Effect>) {
        if let Some(lists) = self.processes.take_all_but_made_monitors(pid) {
            self.tell_exit(ExitNotification::new(pid, lists, DownReason::NoConnection(end)), out);
        }
    }

    /// The monitors of a process that were neither taken nor ended, oldest first, with their
    /// targets as they were passed in. O(1) for each.
    pub fn monitors_of(&self, watcher: LocalPid) -> impl Iterator<Item = (MonitorId, Target)> {
        let of_watcher = self.processes.get(watcher).and_then(|entry| entry.made_monitors);
        self.outgoing_monitors
            .of_watcher(of_watcher)
            .map(|at| (self.outgoing_monitors.id(at), self.target(at)))
    }

    /// The monitors on a local process, as the references that their watchers have: those of local
    /// watchers first, then those of peers. O(1) for each.
    pub fn watchers_of(&self, pid: LocalPid) -> impl Iterator<Item = MonitorRef> {
        let entry = self.processes.get(pid);
        let local = self.outgoing_monitors.bound(entry.and_then(|entry| entry.local_watchers));
        let remote = self.incoming_monitors.of_target(entry.and_then(|entry| entry.remote_watchers));
        let of_peer =
            |peer: PeerIndex| self.peers.get(peer).up()?.session.as_ref().map(|(_, node)| node.clone());
        local
            .map(|at| self.reference(self.outgoing_monitors.id(at)))
            .chain(remote.filter_map(move |row| Some(MonitorRef::new(of_peer(row.peer)?, row.id.0))))
    }

    /// The present sizes of the tables. O(1).
    pub fn stats(&self) -> CoreStats {
        CoreStats {
            outgoing_active: self.outgoing_monitors.active(),
            outgoing_fired: self.outgoing_monitors.fired(),
            incoming: self.incoming_monitors.len(),
            node_monitors: self.node_monitors.len(),
            nodes_subscriptions: self.node_subscriptions.len(),
            peers: self.peers.len(),
            sessions: self.peers.sessions(),
            waiting: self.waiters.len(),
            backlog: self.backlog.len(),
        }
    }

    /// The number of monitors between this node and each peer in the table, in no particular order.
    /// O(peers and target nodes), independent of the number of monitors.
    pub fn by_peer(&self) -> Vec<PeerMonitors> {
        let mut held = BTreeMap::new();
        for target_node in self.target_nodes.iter() {
            *held.entry(&target_node.name).or_default() += target_node.monitors() as usize;
        }
        let of = |peer: &Peer| PeerMonitors {
            node: peer.name.clone(),
            held: held.get(&peer.name).copied().unwrap_or_default(),
            incoming: peer.incoming_count,
        };
        self.peers.iter().map(of).collect()
    }

    /// Ends a monitor with a notice to its watcher, or without one if the watcher has exited.
    fn fire(&mut self, at: OutgoingIndex, reason: DownReason, out: &mut Vec<Effect>) {
        let to = self.outgoing_monitors.row(at).watcher;
        if self.processes.get(to).is_none() {
            return self.forget(at);
        }
        let fired = self.kept_reason(to, reason);
        self.outgoing_monitors.fire(at, fired);
        out.push(Effect::Deliver { to, notice: Notice::Down(self.outgoing_monitors.id(at)) });
    }

    /// Removes a row and everything that existed only for it.
    fn forget(&mut self, at: OutgoingIndex) {
        let row = self.outgoing_monitors.row(at);
        let (target_node, watcher) = (row.target_node, row.watcher);
        let peer = self.target_nodes.get(target_node).peer;
        match row.state {
            MonitorState::Local(_) | MonitorState::Remote(_) | MonitorState::Loose => {}
            MonitorState::Waiting(place) => {
                self.waiters.remove(place);
                let peer = peer.expect("only monitors on other nodes wait");
                self.peers.get_mut(peer).waiter_count -= 1;
            }
            ref fired => self.processes.remove_unread(watcher, fired.reason_len()),
        }
        self.outgoing_monitors.remove(at);
        let forgotten = self.target_nodes.release(target_node);
        self.target_node_forgotten(forgotten);
        // While there is no session, the spare row would keep the peer in the table.
        if let Some(peer) = peer.filter(|&peer| self.peers.get(peer).up().is_none()) {
            self.forget_spare_target_node(peer);
        }
    }

    fn forget_spare_target_node(&mut self, peer: PeerIndex) {
        let forgotten = self.target_nodes.remove_spare(peer);
        self.target_node_forgotten(forgotten);
    }

    fn target_node_forgotten(&mut self, target_node: Option<TargetNode>) {
        if let Some(peer) = target_node.and_then(|target_node| target_node.peer) {
            self.peers.get_mut(peer).target_node_count -= 1;
            self.forget_unused_peer(peer);
        }
    }

    fn remove_incoming(&mut self, at: IncomingIndex) -> PeerIndex {
        let peer = self.incoming_monitors.remove(at);
        self.peers.get_mut(peer).incoming_count -= 1;
        peer
    }

    /// Returns the row for the node of a target, and counts one more monitor there.
    fn target_node(
        &mut self,
        node: &NodeName,
        incarnation: Option<Incarnation>,
        channel: ChannelId,
    ) -> TargetNodeIndex {
        let found = self.target_nodes.find(node, incarnation, channel);
        let target_node = found.unwrap_or_else(|| {
            let peer = (*node != self.config.local.name).then(|| self.peer(node));
            if let Some(peer) = peer {
                self.peers.get_mut(peer).target_node_count += 1;
            }
            let session_incarnation = peer.is_none().then_some(self.config.local.incarnation);
            self.target_nodes.insert(node, incarnation, channel, peer, session_incarnation)
        });
        self.target_nodes.hold(target_node);
        target_node
    }

    /// From now on the notices of this monitor report that incarnation of the target's node; `None`
    /// if there is no session.
    fn bind_incarnation(&mut self, at: OutgoingIndex, incarnation: Option<Incarnation>) {
        let target_node = self.outgoing_monitors.row(at).target_node;
        if self.target_nodes.get(target_node).session_incarnation == incarnation {
            return;
        }
        let (current, is_new) = self.target_nodes.for_incarnation(target_node, incarnation);
        if let (true, Some(peer)) = (is_new, self.target_nodes.get(current).peer) {
            self.peers.get_mut(peer).target_node_count += 1;
        }
        if current != target_node {
            self.target_nodes.hold(current);
            self.outgoing_monitors.set_target_node(at, current);
            let forgotten = self.target_nodes.release(target_node);
            self.target_node_forgotten(forgotten);
        }
    }

    /// The target as it was passed in.
    fn target(&self, at: OutgoingIndex) -> Target {
        let row = self.outgoing_monitors.row(at);
        let target_node = self.target_nodes.get(row.target_node);
        match (&row.target, target_node.incarnation) {
            (RowTarget::Pid(serial), Some(incarnation)) => {
                Pid::new(refs::NodeId::new(target_node.name.clone(), incarnation), *serial).into()
            }
            (RowTarget::Name(name), _) => Name { name: name.clone(), node: target_node.name.clone() }.into(),
            (RowTarget::Pid(_), None) => unreachable!("a pid is recorded with its incarnation"),
        }
    }
}

/// Emits [`Effect::Watch`] for the first monitor on a process.
fn watch(pid: LocalPid, entry: &mut ProcessEntry, out: &mut Vec<Effect>) {
    if !core::mem::replace(&mut entry.watched, true) {
        out.push(Effect::Watch { pid });
    }
}
