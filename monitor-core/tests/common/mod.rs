//! A small world of cores. The test makes every step; nothing happens by itself.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part of the kit")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monitor_core::{
    Connect, Core, CoreConfig, CoreLimits, Demonitored, Down, DownReason, Effect, ExitReason, LocalPid,
    LocalTarget, MonitorId, MonitorOptions, NodeNotice, NodesOptions, Notice, Processes, Route, Signal,
    Signals, Ticket, encode,
    refs::{
        DialId, EndKind, Incarnation, Name, NodeId, NodeName, Pid, RegName, Serial, SessionEnd, SessionId,
        Target,
    },
};

/// A notice that a process has received, as its test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Down(Down),
    Up(NodesOptions, NodeName, SessionId),
    NodeDown(NodesOptions, NodeName, SessionId, EndKind),
    MonitoredDown(NodeName, EndKind),
}

/// The processes of one node.
#[derive(Default)]
pub struct Table {
    alive: BTreeSet<LocalPid>,
    names: BTreeMap<String, LocalPid>,
    slots: u32,
    free: Vec<(u32, u32)>,
}

impl Processes for Table {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        match target {
            LocalTarget::Pid(pid) => self.alive.get(pid).copied(),
            LocalTarget::Name(name) => self.names.get(name.as_str()).copied(),
        }
    }
}

pub struct Node {
    pub id: NodeId,
    pub core: Core,
    pub table: Table,
    pub mailboxes: BTreeMap<LocalPid, VecDeque<Notice>>,
    /// Frames to be sent, by the local number of the session.
    pub outgoing: BTreeMap<SessionId, VecDeque<Vec<u8>>>,
    pub admitted: BTreeSet<SessionId>,
    pub dials: VecDeque<(NodeName, DialId)>,
    pub forwarded: Vec<(Ticket, SessionId)>,
    pub discarded: Vec<(Ticket, SessionEnd)>,
    /// Effects of the last input.
    pub last: Vec<Effect>,
}

pub fn name(label: &str) -> NodeName {
    format!("{label}@test").parse().unwrap()
}

pub fn reg(name: &str) -> RegName {
    name.parse().unwrap()
}

pub fn end(kind: EndKind) -> SessionEnd {
    SessionEnd::new(kind)
}

pub fn noconnection(kind: EndKind) -> DownReason {
    DownReason::NoConnection(end(kind))
}

pub fn node_id(label: &str, incarnation: u64) -> NodeId {
    NodeId::new(name(label), Incarnation::new(incarnation).unwrap())
}

impl Node {
    pub fn new(label: &str, incarnation: u64, max_batch: usize) -> Self {
        Self::with(
            CoreConfig::new(node_id(label, incarnation), 7).limits(CoreLimits::new().max_batch(max_batch)),
        )
    }

    pub fn with(config: CoreConfig) -> Self {
        Node {
            id: config.get_local().clone(),
            core: Core::new(config),
            table: Table::default(),
            mailboxes: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            admitted: BTreeSet::new(),
            dials: VecDeque::new(),
            forwarded: Vec::new(),
            discarded: Vec::new(),
            last: Vec::new(),
        }
    }

    /// One input, and all its effects.
    pub fn input<R>(&mut self, input: impl FnOnce(&mut Core, &Table, &mut Vec<Effect>) -> R) -> R {
        let mut out = Vec::new();
        let result = input(&mut self.core, &self.table, &mut out);
        let mut gone = self.run(&out);
        self.last = out;
        while let Some(pid) = gone.pop() {
            let mut out = Vec::new();
            self.core.process_exited(pid, None, &mut out);
            gone.extend(self.run(&out));
            self.last.extend(out);
        }
        result
    }

    /// Runs effects; returns the processes to be watched that have already exited.
    fn run(&mut self, out: &[Effect]) -> Vec<LocalPid> {
        let mut gone = Vec::new();
        for effect in out {
            match effect.clone() {
                Effect::Admit { session } => assert!(self.admitted.insert(session), "admitted twice"),
                Effect::Connect { node, dial } => self.dials.push_back((node, dial)),
                Effect::Deliver { to, notice } => {
                    assert!(self.table.alive.contains(&to), "{notice:?} for {to:?}, which has exited");
                    self.mailboxes.entry(to).or_default().push_back(notice);
                }
                Effect::Send { session, signal, .. } => {
                    let mut frame = Vec::new();
                    encode(&signal, &mut None, &mut frame);
                    if let Some(queue) = self.outgoing.get_mut(&session) {
                        queue.push_back(frame);
                    }
                }
                Effect::Watch { pid } => gone.extend((!self.table.alive.contains(&pid)).then_some(pid)),
                Effect::Forward { ticket, session } => self.forwarded.push((ticket, session)),
                Effect::Discard { ticket, end } => self.discarded.push((ticket, end)),
            }
        }
        gone
    }

    pub fn spawn(&mut self) -> LocalPid {
        let (slot, generation) = self.table.free.pop().unwrap_or_else(|| {
            self.table.slots += 1;
            (self.table.slots - 1, 0)
        });
        let pid = LocalPid(Serial::new(slot, generation));
        self.table.alive.insert(pid);
        pid
    }

    pub fn register(&mut self, name: &str, pid: LocalPid) {
        self.table.names.insert(name.to_owned(), pid);
    }

    pub fn exit(&mut self, pid: LocalPid, reason: ExitReason) {
        assert!(self.table.alive.remove(&pid));
        self.table.names.retain(|_, &mut holder| holder != pid);
        self.table.free.push((pid.0.slot(), pid.0.generation() + 1));
        self.mailboxes.remove(&pid);
        self.input(|core, _, out| core.process_exited(pid, Some(reason), out));
    }

    pub fn pid(&self, pid: LocalPid) -> Pid {
        Pid::new(self.id.clone(), pid.0)
    }

    pub fn named(&self, name: &str) -> Name {
        reg(name).at(self.id.name.clone())
    }

    pub fn monitor(&mut self, watcher: LocalPid, target: impl Into<Target>) -> MonitorId {
        self.monitor_with(watcher, target, MonitorOptions::new())
    }

    pub fn monitor_with(
        &mut self,
        w: LocalPid,
        target: impl Into<Target>,
        options: MonitorOptions,
    ) -> MonitorId {
        let target = target.into();
        self.input(|core, table, out| core.monitor(table, w, &target, options, out))
    }

    pub fn demonitor(&mut self, watcher: LocalPid, id: MonitorId, flush: bool) -> Demonitored {
        self.input(|core, _, out| core.demonitor(watcher, id, flush, out))
    }

    pub fn monitor_node(&mut self, watcher: LocalPid, node: &NodeName) {
        self.input(|core, _, out| core.monitor_node(watcher, node, Connect::OnDemand, out));
    }

    pub fn monitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) -> Vec<NodeName> {
        let up = self.input(|core, _, _| core.monitor_nodes(watcher, options));
        up.iter().map(|event| event.name.clone()).collect()
    }

    pub fn route(&mut self, node: &NodeName, ticket: u64) -> Route {
        self.input(|core, _, out| core.route(node, Ticket(ticket), Connect::OnDemand, out))
    }

    pub fn signal(&mut self, session: SessionId, signal: Signal) -> Result<(), monitor_core::Violation> {
        self.input(|core, table, out| {
            core.handle_signal(table, session, refs::ChannelId::DEFAULT, signal, out)
        })
    }

    pub fn up(&mut self, session: u64, node: NodeId) {
        self.outgoing.insert(SessionId(session), VecDeque::new());
        self.input(|core, _, out| core.peer_up(SessionId(session), node, false, out));
    }

    pub fn down(&mut self, session: u64, kind: EndKind) {
        self.outgoing.remove(&SessionId(session));
        self.input(|core, _, out| core.peer_down(SessionId(session), end(kind), out));
    }

    /// The answer to the oldest dial: it has failed.
    pub fn fail_dial(&mut self, kind: EndKind) {
        let (node, dial) = self.dials.pop_front().expect("a dial");
        self.input(|core, _, out| core.peer_unreachable(&node, dial, end(kind), out));
    }

    pub fn resume(&mut self) -> bool {
        self.input(|core, _, out| core.resume(out))
    }

    pub fn settle(&mut self) {
        while self.resume() {}
    }

    /// All notices that are in the mailbox of the process now.
    pub fn receive(&mut self, pid: LocalPid) -> Vec<Got> {
        let mut got = Vec::new();
        for notice in self.mailboxes.remove(&pid).unwrap_or_default() {
            got.extend(self.open(notice));
        }
        got
    }

    fn open(&mut self, notice: Notice) -> Option<Got> {
        match notice {
            Notice::Down(id) => self.core.take(id).map(Got::Down),
            Notice::Node(NodeNotice::Up(options, event)) => {
                let (session, _) = event.session.clone().expect("an up event has a session");
                Some(Got::Up(options, event.name.clone(), session))
            }
            Notice::Node(NodeNotice::Down(options, event)) => {
                let (session, _) = event.session.clone().expect("a subscriber hears of sessions only");
                let kind = event.end.expect("a down event has an end").kind;
                Some(Got::NodeDown(options, event.name.clone(), session, kind))
            }
            Notice::Node(NodeNotice::MonitoredDown(event)) => {
                Some(Got::MonitoredDown(event.name.clone(), event.end.expect("a down event has an end").kind))
            }
        }
    }

    /// The reasons of the `Down`s that the process receives now, by monitor.
    pub fn downs(&mut self, pid: LocalPid) -> Vec<(MonitorId, DownReason)> {
        let down = |got| match got {
            Got::Down(down) => Some((MonitorId(down.monitor.serial()), down.reason)),
            Got::Up(..) | Got::NodeDown(..) | Got::MonitoredDown(..) => None,
        };
        self.receive(pid).into_iter().filter_map(down).collect()
    }

    /// Asserts that all tables are empty.
    pub fn expect_empty(&mut self) {
        self.settle();
        let stats = self.core.stats();
        let left =
            (stats.outgoing_active, stats.outgoing_fired, stats.incoming, stats.node_monitors, stats.waiting);
        assert_eq!(left, (0, 0, 0, 0, 0), "{stats:?}");
    }
}

/// Two nodes and the connection between them: node 0 is `a`, node 1 is `b`.
pub struct Pair {
    pub a: Node,
    pub b: Node,
    /// The number of the session at both ends, while there is one.
    pub session: Option<u64>,
    last: u64,
}

impl Pair {
    pub fn new(max_batch: usize) -> Self {
        Pair { a: Node::new("a", 1, max_batch), b: Node::new("b", 2, max_batch), session: None, last: 0 }
    }

    pub fn connected() -> Self {
        let mut pair = Pair::new(256);
        pair.connect();
        pair
    }

    pub fn connect(&mut self) {
        assert!(self.session.is_none());
        self.last += 1;
        self.session = Some(self.last);
        self.a.dials.clear();
        self.b.dials.clear();
        self.a.up(self.last, self.b.id.clone());
        self.b.up(self.last, self.a.id.clone());
    }

    /// The session ends at both ends; frames on their way are lost.
    pub fn cut(&mut self, kind: EndKind) {
        let session = self.session.take().expect("connected");
        self.a.down(session, kind);
        self.b.down(session, kind);
    }

    /// `b` restarts under its name, without any state.
    pub fn restart_b(&mut self) {
        if let Some(session) = self.session.take() {
            self.a.down(session, EndKind::Closed);
        }
        let incarnation = self.b.id.incarnation.get() + 1;
        self.b = Node::new("b", incarnation, self.b.core.config().get_limits().get_max_batch());
    }

    /// One frame arrives at `b`; returns whether there was one.
    pub fn step_to_b(&mut self) -> bool {
        Self::step(self.session, &mut self.a, &mut self.b)
    }

    /// One frame arrives at `a`; returns whether there was one.
    pub fn step_to_a(&mut self) -> bool {
        Self::step(self.session, &mut self.b, &mut self.a)
    }

    fn step(session: Option<u64>, from: &mut Node, to: &mut Node) -> bool {
        let Some(session) = session.map(SessionId).filter(|session| to.admitted.contains(session)) else {
            return false;
        };
        let Some(frame) = from.outgoing.get_mut(&session).and_then(VecDeque::pop_front) else { return false };
        for signal in Signals::new(&frame) {
            to.signal(session, signal.expect("cores send what cores can read"))
                .expect("cores keep the rules");
        }
        true
    }

    /// Runs until nothing more can happen without a new connection.
    pub fn settle(&mut self) {
        loop {
            self.a.settle();
            self.b.settle();
            if !(self.step_to_a() | self.step_to_b()) {
                return;
            }
        }
    }

    /// When nothing is on its way: the monitors of `a` on `b` are those that `b` has recorded, and
    /// vice versa.
    pub fn expect_agreement(&mut self) {
        self.settle();
        let (a, b) = (self.a.core.stats(), self.b.core.stats());
        assert_eq!((a.backlog, b.backlog), (0, 0));
        assert_eq!(self.remote_monitors(true), b.incoming, "what a watches on b");
        assert_eq!(self.remote_monitors(false), a.incoming, "what b watches on a");
    }

    fn remote_monitors(&self, of_a: bool) -> usize {
        let (node, other) = if of_a { (&self.a, &self.b) } else { (&self.b, &self.a) };
        let on_other = |pid: &LocalPid| {
            let owned = node.core.monitors_of(*pid);
            owned.filter(|(id, to)| *to.node() == other.id.name && !node.core.is_fired(*id)).count()
        };
        node.table.alive.iter().map(on_other).sum()
    }
}
