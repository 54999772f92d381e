//! The nodes, the links between them, and the effect of one step on them.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use monitor_core::{
    Core, CoreConfig, CoreLimits, Demonitored, Effect, LocalPid, LocalTarget, MonitorId, MonitorOptions,
    NodeNotice, NodesOptions, Notice, Processes, Signal,
    refs::{DialId, Incarnation, NodeId, NodeName, Pid, RegName, Serial, SessionId, Target},
};

use crate::{
    bounds::{Aim, Bounds, Wish},
    observer::{End, Monitor, Process, Promise, Stage},
};

pub(crate) type NodeIx = usize;
pub(crate) type LinkIx = usize;
pub(crate) const A: NodeIx = 0;
pub(crate) const B: NodeIx = 1;
pub(crate) const C: NodeIx = 2;

/// The name that the process of every node holds.
const NAME: &str = "p";
/// A number that no process has.
const UNUSED: Serial = Serial::new(9, 0);

#[derive(Clone, Debug, Hash)]
#[allow(clippy::derived_hash_with_manual_eq, reason = "it is the hash that makes them equal")]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) monitors: Vec<Monitor>,
    pub(crate) spawns: usize,
    /// The processes whose exit was reported to the core, without those that ended with their node.
    exited: BTreeSet<Process>,
    pub(crate) broken: Option<Promise>,
}

/// The search compares states in the same way.
impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let hash = |world: &Self| BuildHasherDefault::<DefaultHasher>::default().hash_one(world);
        hash(self) == hash(other)
    }
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) core: Core,
    /// The present process, or the last one.
    pub(crate) process: Process,
    pub(crate) alive: bool,
    /// The attempts that the core waits for.
    pub(crate) dials: VecDeque<(NodeName, DialId)>,
    pub(crate) admitted: BTreeSet<SessionId>,
    pub(crate) mailbox: VecDeque<MonitorId>,
    /// Whether the process subscribes to nodes.
    pub(crate) subscribed: bool,
    /// The sessions whose beginning the process was told, and whose end it was not.
    pub(crate) up: BTreeSet<SessionId>,
}

/// A session between two nodes.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Link {
    pub(crate) nodes: [NodeIx; 2],
    pub(crate) broken: bool,
    pub(crate) ends: [Side; 2],
    /// Signals on their way to either end.
    pub(crate) to: [VecDeque<Signal>; 2],
}

/// The knowledge that one of its nodes has of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Ahead,
    Up,
    Over,
}

impl Link {
    pub(crate) fn is_up(&self) -> bool {
        !self.broken && self.ends == [Side::Up; 2]
    }

    pub(crate) fn end_of(&self, node: NodeIx) -> usize {
        usize::from(self.nodes[0] != node)
    }
}

/// The process of a node, if it is alive.
pub(crate) struct Here(Option<Process>);

impl Processes for Here {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        let is_meant = |pid: &LocalPid| match target {
            LocalTarget::Pid(meant) => meant == pid,
            LocalTarget::Name(name) => name.as_str() == NAME,
        };
        self.0.map(Process::pid).filter(is_meant)
    }
}

fn id(node: NodeIx, incarnation: u64) -> NodeId {
    let name: NodeName = ["a@test", "b@test", "c@test"][node].parse().expect("a node name");
    NodeId::new(name, Incarnation::new(incarnation).expect("not zero"))
}

pub(crate) fn session(link: LinkIx) -> SessionId {
    SessionId(link as u64)
}

impl Node {
    fn new(bounds: &Bounds, at: NodeIx, incarnation: u64) -> Self {
        let id = id(at, incarnation);
        let mut core =
            Core::new(CoreConfig::new(id.clone(), 7).limits(CoreLimits::new().max_batch(bounds.batch)));
        let process = Process { node: at, incarnation, generation: 0 };
        let subscribed = bounds.monitors.iter().any(|wish| wish.from == at);
        if subscribed {
            core.monitor_nodes(process.pid(), NodesOptions::new());
        }
        Node {
            id,
            core,
            process,
            alive: true,
            dials: VecDeque::new(),
            admitted: BTreeSet::new(),
            mailbox: VecDeque::new(),
            subscribed,
            up: BTreeSet::new(),
        }
    }

    pub(crate) fn here(&self) -> Here {
        Here(self.alive.then_some(self.process))
    }
}

impl World {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let nodes = (0..bounds.nodes).map(|at| Node::new(bounds, at, 1)).collect();
        let (links, monitors, exited) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut world = World { nodes, links, monitors, spawns: 0, exited, broken: None };
        if bounds.connected {
            (0..bounds.nodes).filter(|&at| at != B).for_each(|at| world.begin_connected(bounds, at));
        }
        world
    }

    /// The first session of a node is up, and both ends are told.
    fn begin_connected(&mut self, bounds: &Bounds, at: NodeIx) {
        self.connect(at);
        for end in [0, 1] {
            self.announce(bounds, self.links.len() - 1, end);
        }
        for node in [at, B] {
            while self.nodes[node].core.has_backlog() {
                self.resume(bounds, node);
            }
        }
    }

    pub(crate) fn expect(&mut self, holds: bool, promise: Promise) {
        if !holds && self.broken.is_none() {
            self.broken = Some(promise);
        }
    }

    fn keep(&mut self, kept: Result<(), Promise>) {
        if let Err(promise) = kept {
            self.expect(false, promise);
        }
    }

    /// One input of the shipped core, and its effects.
    pub(crate) fn input(
        &mut self,
        bounds: &Bounds,
        at: NodeIx,
        input: impl FnOnce(&mut Core, &mut Vec<Effect>),
    ) {
        let mut out = Vec::new();
        input(&mut self.nodes[at].core, &mut out);
        self.run(bounds, at, out);
    }

    pub(crate) fn run(&mut self, bounds: &Bounds, at: NodeIx, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Admit { session } => self.nodes[at].admitted.extend([session]),
                Effect::Connect { node, dial } => self.nodes[at].dials.push_back((node, dial)),
                Effect::Send { session, signal, .. } => self.send(session.0 as LinkIx, at, signal),
                Effect::Deliver { to, notice } => self.deliver(bounds, at, to, notice),
                Effect::Watch { .. } | Effect::Forward { .. } | Effect::Discard { .. } => {}
            }
        }
    }

    fn send(&mut self, link: LinkIx, at: NodeIx, signal: Signal) {
        if let Signal::Monitor { id, .. } = signal
            && let Some(course) = self.monitor_of(at, id).and_then(Monitor::course_mut)
        {
            course.sent = Some(link);
        }
        let link = &mut self.links[link];
        if !link.broken {
            link.to[1 - link.end_of(at)].push_back(signal);
        }
    }

    /// The monitor with that number, made in the present incarnation of the node.
    pub(crate) fn monitor_of(&mut self, at: NodeIx, id: MonitorId) -> Option<&mut Monitor> {
        let incarnation = self.nodes[at].process.incarnation;
        let of_this_life =
            |monitor: &&mut Monitor| (monitor.watcher.node, monitor.watcher.incarnation) == (at, incarnation);
        self.monitors.iter_mut().filter(of_this_life).find(|monitor| monitor.id == id)
    }

    fn deliver(&mut self, bounds: &Bounds, at: NodeIx, to: LocalPid, notice: Notice) {
        let node = &self.nodes[at];
        self.expect(node.alive && node.process.pid() == to, Promise::Silence);
        match notice {
            Notice::Down(id) => {
                let told = self.monitor_of(at, id).map_or(Err(Promise::Once), Monitor::told);
                self.keep(told);
                self.nodes[at].mailbox.push_back(id);
                if !bounds.mailboxes {
                    self.receive(at);
                }
            }
            Notice::Node(NodeNotice::Up(_, event)) => {
                let began = event.session.as_ref().is_some_and(|(up, node)| {
                    let others = self.nodes[at].up.iter().map(|up| &self.links[up.0 as LinkIx]);
                    let peers = others.map(|link| link.nodes[1 - link.end_of(at)]);
                    peers.map(|peer| &self.nodes[peer].id.name).all(|name| *name != node.name)
                        && !self.nodes[at].admitted.contains(up)
                });
                self.expect(began, Promise::NodeEvents);
                self.nodes[at].up.extend(event.session.as_ref().map(|(session, _)| *session));
            }
            Notice::Node(NodeNotice::Down(_, event)) => {
                let session = event.session.as_ref().map(|(session, _)| *session);
                let ended = session.is_some_and(|session| self.nodes[at].up.remove(&session));
                self.expect(ended && !self.has_open_on(at, session), Promise::NodeEvents);
            }
            Notice::Node(NodeNotice::MonitoredDown(_)) => self.expect(false, Promise::Once),
        }
    }

    /// Whether a monitor on that session is open and was not told to have ended.
    fn has_open_on(&self, at: NodeIx, session: Option<SessionId>) -> bool {
        self.monitors.iter().any(|monitor| match &monitor.stage {
            Stage::Open(course) => {
                monitor.watcher.node == at && course.sent.map(|link| SessionId(link as u64)) == session
            }
            Stage::Told(_) | Stage::Over(_) => false,
        })
    }

    pub(crate) fn receive(&mut self, at: NodeIx) {
        let id = self.nodes[at].mailbox.pop_front().expect("only what lies there");
        // A notice whose monitor was flushed meanwhile is skipped.
        if let Some(down) = self.nodes[at].core.take(id) {
            let exited = std::mem::take(&mut self.exited);
            let monitor = self.monitor_of(at, id).expect("it was told");
            let kept = monitor.received(&down.reason, |process| exited.contains(&process));
            self.exited = exited;
            self.keep(kept);
        } else {
            let flushed =
                self.monitor_of(at, id).is_none_or(|monitor| matches!(monitor.stage, Stage::Over(_)));
            self.expect(flushed, Promise::Once);
        }
    }

    /// The process that the target refers to now.
    pub(crate) fn holder(&self, wish: Wish) -> Option<Process> {
        let node = &self.nodes[wish.to];
        let meant = match wish.aim {
            Aim::Pid(incarnation) => (node.process.incarnation, node.process.generation) == (incarnation, 0),
            Aim::Name => true,
            Aim::Missing => false,
        };
        (meant && node.alive).then_some(node.process)
    }

    pub(crate) fn monitor(&mut self, bounds: &Bounds, wish: Wish) {
        let incarnation = self.nodes[wish.to].process.incarnation;
        let target: Target = match wish.aim {
            Aim::Pid(incarnation) => Pid::new(id(wish.to, incarnation), Serial::new(0, 0)).into(),
            Aim::Missing => Pid::new(id(wish.to, incarnation), UNUSED).into(),
            Aim::Name => NAME.parse::<RegName>().expect("a name").at(id(wish.to, incarnation).name).into(),
        };
        let node = &mut self.nodes[wish.from];
        let (watcher, here, mut out) = (node.process, node.here(), Vec::new());
        let id = node.core.monitor(&here, watcher.pid(), &target, MonitorOptions::new(), &mut out);
        self.monitors.push(Monitor::new(wish, id, watcher));
        self.run(bounds, wish.from, out);
    }

    pub(crate) fn demonitor(&mut self, bounds: &Bounds, monitor: usize, flush: bool) {
        let Monitor { id, watcher, .. } = self.monitors[monitor];
        let (node, mut out) = (&mut self.nodes[watcher.node], Vec::new());
        let answer = node.core.demonitor(watcher.pid(), id, flush, &mut out);
        self.run(bounds, watcher.node, out);
        let was_told = matches!(self.monitors[monitor].stage, Stage::Told(_));
        let expected = if was_told { Demonitored::Fired } else { Demonitored::Active };
        self.expect(answer == expected, Promise::Answer);
        if flush || !was_told {
            self.monitors[monitor].stage = Stage::Over(End::Demonitored);
        }
    }

    pub(crate) fn exit(&mut self, bounds: &Bounds, at: NodeIx) {
        let process = self.nodes[at].process;
        self.exited.insert(process);
        self.lose_process(at);
        self.input(bounds, at, |core, out| core.process_exited(process.pid(), Some(process.reason()), out));
    }

    /// Ends everything that the process of a node has requested.
    fn lose_process(&mut self, at: NodeIx) {
        let process = self.nodes[at].process;
        let own = self.monitors.iter_mut().filter(|monitor| monitor.watcher == process);
        own.filter(|monitor| monitor.course().is_some())
            .for_each(|monitor| monitor.stage = Stage::Over(End::Unwatched));
        let node = &mut self.nodes[at];
        node.alive = false;
        node.subscribed = false;
        node.up.clear();
        node.mailbox.clear();
    }

    pub(crate) fn spawn(&mut self, at: NodeIx) {
        self.spawns += 1;
        self.nodes[at].alive = true;
        self.nodes[at].process.generation += 1;
    }

    pub(crate) fn restart(&mut self, bounds: &Bounds, at: NodeIx) {
        self.lose_process(at);
        let incarnation = self.nodes[at].process.incarnation + 1;
        self.nodes[at] = Node::new(bounds, at, incarnation);
        for link in self.links.iter_mut().filter(|link| link.nodes.contains(&at)) {
            let end = link.end_of(at);
            link.broken = true;
            link.ends[end] = Side::Over;
            link.to[end].clear();
        }
    }

    pub(crate) fn resume(&mut self, bounds: &Bounds, at: NodeIx) {
        self.input(bounds, at, |core, out| _ = core.resume(out));
    }
}
