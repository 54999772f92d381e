//! The duties of a core, in sets: who watches whom, who is told what, and which outputs are owed.
//!
//! The rules are those of the docs of `Core` and `Effect`. An input changes the sets at once and
//! adds owed outputs. Each output of the core must be owed, and is then removed. The core decides
//! how much of them an input produces (its batches), with three bounds: an answer to the input
//! comes with it; outputs that the docs order come in that order; and without a backlog nothing is
//! owed.

mod calls;
mod network;
mod outputs;
mod processes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monitor_core::{
    DownReason, LocalPid, MonitorId, NodesOptions, Ticket,
    refs::{ChannelId, DialId, NodeId, NodeName, SessionId, Target},
};

use crate::{
    output::{Event, Output},
    script::Script,
};

pub(crate) struct Model {
    pub(crate) local: NodeId,
    pub(crate) max_waiting: usize,
    pub(crate) max_incoming: usize,
    pub(crate) max_reason_bytes: usize,
    pub(crate) max_node_reason_bytes: usize,
    /// The monitors of live processes, until they are demonitored or their `Down` is taken.
    pub(crate) monitors: BTreeMap<MonitorId, Monitor>,
    /// Every number that a monitor ever had.
    made: BTreeSet<MonitorId>,
    /// The monitors of peers on local processes, until they are demonitored, told, or lost with
    /// their session.
    pub(crate) held: BTreeMap<(SessionId, MonitorId), Held>,
    /// The processes that the core has asked to watch, and that have not exited.
    watched: BTreeSet<LocalPid>,
    /// The watchers of the end of the session that is up, or of the next one.
    pub(crate) node_monitors: BTreeSet<(LocalPid, NodeName)>,
    pub(crate) subscriptions: BTreeSet<(LocalPid, NodesOptions)>,
    pub(crate) links: BTreeMap<NodeName, Link>,
    /// Sessions that are up and take no more frames.
    closing: BTreeSet<SessionId>,
    /// The outputs that answer the present input, in this order.
    now: VecDeque<Output>,
    /// The outputs that follow from exits, in any order.
    of_exits: Vec<Output>,
    dials: BTreeSet<DialId>,
}

pub(crate) struct Monitor {
    pub(crate) watcher: LocalPid,
    pub(crate) target: Target,
    pub(crate) tag: u64,
    channel: ChannelId,
    pub(crate) state: State,
    /// Number of monitors that were made earlier.
    pub(crate) age: usize,
}

#[derive(Clone, PartialEq)]
pub(crate) enum State {
    /// Not sent yet: no session was up, or other calls go first.
    Waiting,
    /// Sent to the peer of this session.
    Sent(SessionId),
    /// On a live local process.
    Here(LocalPid),
    /// Ended; the watcher was not told yet.
    Ended(DownReason),
    /// Ended, and the watcher was told; and whether the reason was cut.
    Told(DownReason, bool),
}

pub(crate) struct Held {
    pub(crate) target: LocalPid,
    channel: ChannelId,
}

/// The state of the connection to a node, and the outputs that are owed about it.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) up: Option<Event>,
    /// Announced while the previous session was up, or before its end was told.
    pub(crate) next: Option<Event>,
    pub(crate) dial: Option<DialId>,
    /// A session or an attempt has ended, and the core may not have finished with that.
    ending: bool,
    /// The owed outputs of beginnings and ends: each set only after all earlier ones.
    owed: VecDeque<Vec<Output>>,
    /// The calls that go out on the session that is up, or on the next one, in this order.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Number of waiting calls and node monitors of processes that have exited meanwhile. The core
    /// may count them, and connect for them, until it has no backlog.
    orphans: usize,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Waiting {
    Monitor(MonitorId),
    /// A message of that process.
    Message(LocalPid, Ticket),
}

impl Link {
    /// The outputs that are owed first.
    fn owed_first(&mut self) -> Option<&mut Vec<Output>> {
        while self.owed.front().is_some_and(Vec::is_empty) {
            self.owed.pop_front();
        }
        self.owed.front_mut()
    }

    fn is_up(&self, session: SessionId) -> bool {
        self.up.as_ref().is_some_and(|up| up.session() == session)
    }
}

impl Model {
    pub(crate) fn new(local: NodeId, script: &Script) -> Self {
        Model {
            local,
            max_waiting: script.max_waiting,
            max_incoming: script.max_incoming,
            max_reason_bytes: script.max_reason_bytes,
            max_node_reason_bytes: script.max_node_reason_bytes,
            monitors: BTreeMap::new(),
            made: BTreeSet::new(),
            held: BTreeMap::new(),
            watched: BTreeSet::new(),
            node_monitors: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
            links: BTreeMap::new(),
            closing: BTreeSet::new(),
            now: VecDeque::new(),
            of_exits: Vec::new(),
            dials: BTreeSet::new(),
        }
    }

    /// The session with this node that is up.
    fn up(&self, node: &NodeName) -> Option<SessionId> {
        self.links.get(node)?.up.as_ref().map(Event::session)
    }

    /// The session with this node that is up and takes frames.
    fn open(&self, node: &NodeName) -> Option<SessionId> {
        self.up(node).filter(|session| !self.closing.contains(session))
    }

    fn link_of(&mut self, session: SessionId) -> Option<(&NodeName, &mut Link)> {
        self.links.iter_mut().find(|(_, link)| link.is_up(session))
    }

    /// Whether a live process needs a session with the node.
    fn is_wanted(&self, node: &NodeName) -> bool {
        self.links.get(node).is_some_and(|link| !link.waiting.is_empty())
            || self.node_monitors.iter().any(|(_, monitored)| monitored == node)
    }

    /// Removes all owed outputs that `which` selects.
    fn strike(&mut self, which: impl Fn(&Output) -> bool) {
        self.of_exits.retain(|output| !which(output));
        for link in self.links.values_mut() {
            link.owed.iter_mut().for_each(|owed| owed.retain(|output| !which(output)));
        }
    }

    /// Number of nodes that the core must have in its table when it has no backlog.
    pub(crate) fn known_nodes(&self) -> usize {
        let linked = self.links.iter().filter(|(_, link)| {
            link.up.is_some() || link.next.is_some() || link.dial.is_some() || !link.waiting.is_empty()
        });
        let mut nodes: BTreeSet<&NodeName> = linked.map(|(node, _)| node).collect();
        nodes.extend(self.monitors.values().map(|monitor| monitor.target.node()));
        nodes.extend(self.node_monitors.iter().map(|(_, node)| node));
        nodes.remove(&self.local.name);
        nodes.len()
    }
}
