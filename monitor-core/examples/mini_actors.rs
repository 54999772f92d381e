//! A small actor framework on `monitor-core`: two nodes in one program, in-memory links that can be
//! cut, actors that send, monitor and demonitor, and events about nodes. One thread runs it all.
//!
//! The page `docs/guide/embedding.md` explains it part by part.
//!
//! ```text
//! cargo run -p monitor-core --example mini_actors
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    rc::Rc,
    sync::Arc,
};

use monitor_core::{
    Connect, Core, CoreConfig, Down, Driver, Effect, EffectHandler, ExitReason, LocalPid, LocalTarget,
    MonitorId, MonitorOptions, NodeEvent, NodeNotice, NodesOptions, Notice, Processes, RaisedInputs, Route,
    Signals, Ticket, encode,
    refs::{
        ChannelId, DialId, EndKind, Incarnation, NodeId, NodeName, Pid, RegName, Serial, SessionEnd,
        SessionId, Target,
    },
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// An input of an actor, which receives one at a time.
enum Event {
    Message(String),
    Down(Down),
    NodeUp(NodeName),
    NodeDown(NodeName, SessionEnd),
}

/// The next step of an actor after an event.
enum Next {
    Wait,
    Exit(ExitReason),
}

/// An actor: its reaction to an event, given its node and its own pid.
type Behavior = Box<dyn FnMut(&mut Node, LocalPid, Event) -> Next>;

/// A node: the core in its driver, and the host.
struct Node {
    driver: Driver,
    host: Host,
}

/// The part of a node that the core does not know.
#[derive(Default)]
struct Host {
    slots: Vec<Slot>,
    names: BTreeMap<RegName, LocalPid>,
    /// Mail that was not received, of all actors, in the order in which it will be.
    mail: VecDeque<(LocalPid, Mail)>,
    /// Messages for other nodes, until the core has decided their place in the order.
    pending: BTreeMap<Ticket, (Target, String)>,
    last_ticket: u64,
    /// Frames that were sent and have not arrived.
    outbox: VecDeque<(SessionId, Frame)>,
    admitted: BTreeSet<SessionId>,
    dials: VecDeque<(NodeName, DialId)>,
}

/// A place for an actor. The next actor in the same slot has the next generation.
#[derive(Default)]
struct Slot {
    generation: u32,
    is_alive: bool,
    /// `None` while it runs.
    behavior: Option<Behavior>,
}

enum Mail {
    Message(String),
    Notice(Notice),
}

/// A unit of transfer between two nodes. Signals and messages share one queue, which keeps order.
enum Frame {
    Signal(Vec<u8>),
    Message(Target, String),
}

impl Processes for Host {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        let pid = match target {
            LocalTarget::Pid(pid) => *pid,
            LocalTarget::Name(name) => *self.names.get(*name)?,
        };
        // A peer may have sent any number: both its slot and its generation are checked.
        let slot = self.slots.get(pid.0.slot() as usize)?;
        (slot.is_alive && slot.generation == pid.0.generation()).then_some(pid)
    }
}

impl EffectHandler for Host {
    fn run(&mut self, effect: Effect, _: &Core, raised: &mut RaisedInputs<Self>) {
        match effect {
            Effect::Connect { node, dial } => self.dials.push_back((node, dial)),
            Effect::Admit { session } => drop(self.admitted.insert(session)),
            Effect::Deliver { to, notice } => self.mail.push_back((to, Mail::Notice(notice))),
            Effect::Send { session, signal, .. } => {
                let mut bytes = Vec::new();
                encode(&signal, &mut None, &mut bytes);
                self.outbox.push_back((session, Frame::Signal(bytes)));
            }
            Effect::Forward { ticket, session } => {
                let (to, text) = self.pending.remove(&ticket).expect("kept when it was routed");
                self.outbox.push_back((session, Frame::Message(to, text)));
            }
            Effect::Discard { ticket, .. } => drop(self.pending.remove(&ticket)),
            // On one thread this cannot happen. Where actors exit on other threads, it can.
            Effect::Watch { pid } if self.resolve(&LocalTarget::Pid(pid)).is_none() => {
                raised.push(move |core, _, out| core.process_exited(pid, None, out));
            }
            Effect::Watch { .. } => {}
        }
    }
}

impl Node {
    fn new(name: &str, incarnation: u64) -> Result<Self> {
        // In production the incarnation and the seed are random, and new with every start.
        let incarnation = Incarnation::new(incarnation).ok_or("an incarnation is not zero")?;
        let id = NodeId::new(name.parse()?, incarnation);
        let driver = Driver::new(Core::new(CoreConfig::new(id, 0x5eed)));
        Ok(Node { driver, host: Host::default() })
    }

    fn id(&self) -> &NodeId {
        &self.driver.core().config().local
    }

    fn input<R>(&mut self, input: impl FnOnce(&mut Core, &mut Host, &mut Vec<Effect>) -> R) -> R {
        self.driver.input(&mut self.host, input)
    }

    /// Starts an actor, in the first slot that is free. The last generation is never used.
    fn spawn(&mut self, behavior: impl FnMut(&mut Node, LocalPid, Event) -> Next + 'static) -> LocalPid {
        let slots = &mut self.host.slots;
        let free = slots.iter().position(|slot| !slot.is_alive && slot.generation < u32::MAX);
        let at = free.unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        });
        slots[at] = Slot { is_alive: true, behavior: Some(Box::new(behavior)), ..slots[at] };
        LocalPid(Serial::new(at as u32, slots[at].generation))
    }

    /// The address of an actor on all nodes.
    fn pid(&self, pid: LocalPid) -> Target {
        Pid::new(self.id().clone(), pid.0).into()
    }

    /// Sends a message; it is lost if the node cannot be reached.
    fn send(&mut self, to: &Target, text: &str) {
        if to.node() == &self.id().name {
            return self.deliver(to, text.to_owned());
        }
        self.host.last_ticket += 1;
        let ticket = Ticket(self.host.last_ticket);
        self.input(|core, host, out| {
            host.pending.insert(ticket, (to.clone(), text.to_owned()));
            match core.route(to.node(), ticket, Connect::OnDemand, out) {
                // Calls that have waited longer are in `out` already, and go first.
                Route::Now(session) => out.push(Effect::Forward { ticket, session }),
                Route::Later => {}
                Route::No(end) => out.push(Effect::Discard { ticket, end }),
            }
        });
    }

    fn monitor(&mut self, watcher: LocalPid, target: &Target) -> MonitorId {
        self.input(|core, host, out| core.monitor(host, watcher, target, MonitorOptions::new(), out))
    }

    /// Ends a monitor. Nothing of it is received from now on.
    fn demonitor(&mut self, watcher: LocalPid, id: MonitorId) {
        self.input(|core, _, out| core.demonitor(watcher, id, true, out));
    }

    /// Subscribes to the events of all nodes; returns those that are up now.
    fn monitor_nodes(&mut self, watcher: LocalPid) -> Vec<Arc<NodeEvent>> {
        self.input(|core, _, _| core.monitor_nodes(watcher, NodesOptions::new()))
    }

    fn exit(&mut self, pid: LocalPid, reason: ExitReason) {
        self.input(|core, host, out| {
            // First out of the tables: a watcher that is told of the exit must not find the actor.
            host.names.retain(|_, holder| *holder != pid);
            let slot = &mut host.slots[pid.0.slot() as usize];
            *slot = Slot { generation: slot.generation + 1, ..Slot::default() };
            core.process_exited(pid, Some(reason), out);
        });
    }

    /// Puts a message into the mailbox of a local actor, if it is alive.
    fn deliver(&mut self, to: &Target, text: String) {
        let found = match to {
            Target::Pid(pid) if pid.node() != self.id() => None,
            Target::Pid(pid) => self.host.resolve(&LocalTarget::Pid(LocalPid(pid.serial()))),
            Target::Name(name) => self.host.resolve(&LocalTarget::Name(&name.name)),
        };
        if let Some(pid) = found {
            self.host.mail.push_back((pid, Mail::Message(text)));
        }
    }

    /// Reads a frame of an admitted session.
    fn receive(&mut self, session: SessionId, frame: Frame) -> Result<()> {
        match frame {
            Frame::Message(to, text) => self.deliver(&to, text),
            Frame::Signal(bytes) => {
                for signal in Signals::new(&bytes) {
                    let signal = signal?;
                    self.input(|core, host, out| {
                        core.handle_signal(host, session, ChannelId::DEFAULT, signal, out)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Gives one actor its next event, and continues one job of the backlog. Returns whether there
    /// was anything to do.
    fn step(&mut self) -> bool {
        let had_backlog = self.driver.core().has_backlog();
        self.input(|core, _, out| core.resume(out));
        let Some((pid, mail)) = self.host.mail.pop_front() else { return had_backlog };
        let Some(event) = self.open(mail) else { return true };
        if self.host.resolve(&LocalTarget::Pid(pid)).is_none() {
            return true;
        }
        let at = pid.0.slot() as usize;
        if let Some(mut behavior) = self.host.slots[at].behavior.take() {
            match behavior(self, pid, event) {
                Next::Wait => self.host.slots[at].behavior = Some(behavior),
                Next::Exit(reason) => self.exit(pid, reason),
            }
        }
        true
    }

    /// The event of a mail; `None` for a `Down` that was flushed after it had been delivered.
    fn open(&mut self, mail: Mail) -> Option<Event> {
        match mail {
            Mail::Message(text) => Some(Event::Message(text)),
            Mail::Notice(Notice::Down(id)) => Some(Event::Down(self.input(|core, _, _| core.take(id))?)),
            Mail::Notice(Notice::Node(NodeNotice::Up(_, event))) => Some(Event::NodeUp(event.name.clone())),
            Mail::Notice(Notice::Node(NodeNotice::Down(_, event) | NodeNotice::MonitoredDown(event))) => {
                Some(Event::NodeDown(event.name.clone(), event.end?))
            }
        }
    }
}

/// Two nodes, and the link between them.
struct Network {
    nodes: [Node; 2],
    /// The session that is up at both ends. Here both ends give it the same number.
    session: Option<SessionId>,
    last_session: u64,
    is_cut: bool,
}

impl Network {
    fn new(a: Node, b: Node) -> Self {
        Network { nodes: [a, b], session: None, last_session: 0, is_cut: false }
    }

    /// Runs both nodes and the link until nothing is left to do.
    fn run(&mut self) -> Result<()> {
        while self.step(0, 1)? | self.step(1, 0)? {}
        Ok(())
    }

    /// One step of one node: its actors, its dials, and the frames that it has sent.
    fn step(&mut self, from: usize, to: usize) -> Result<bool> {
        let mut worked = self.nodes[from].step();
        if let Some((node, dial)) = self.nodes[from].host.dials.pop_front() {
            self.dial(from, to, &node, dial);
            worked = true;
        }
        if let Some((session, frame)) = self.nodes[from].host.outbox.pop_front() {
            if self.session != Some(session) {
                return Ok(true); // The session has ended, and with it all that it had not delivered.
            }
            if self.nodes[to].host.admitted.contains(&session) {
                self.nodes[to].receive(session, frame)?;
            } else {
                self.nodes[from].host.outbox.push_front((session, frame));
            }
            worked = true;
        }
        Ok(worked)
    }

    /// Answers a dial: with a session at both ends, or with a refusal.
    fn dial(&mut self, from: usize, to: usize, node: &NodeName, dial: DialId) {
        let [of_from, of_to] = [from, to].map(|at| self.nodes[at].id().clone());
        if self.is_cut || *node != of_to.name {
            let end = EndKind::Unreachable.into();
            self.nodes[from].input(|core, _, out| core.peer_unreachable(node, dial, end, out));
        } else if self.session.is_none() {
            self.last_session += 1;
            let session = SessionId(self.last_session);
            self.session = Some(session);
            self.nodes[from].input(|core, _, out| core.peer_up(session, of_to, false, out));
            self.nodes[to].input(|core, _, out| core.peer_up(session, of_from, false, out));
        }
        // Both nodes have dialed: the session of the other dial answers this one, too.
    }

    /// Cuts the link: the session ends at both ends, and frames under way are lost.
    fn cut(&mut self) {
        self.is_cut = true;
        if let Some(session) = self.session.take() {
            for node in &mut self.nodes {
                node.host.admitted.remove(&session);
                node.input(|core, _, out| core.peer_down(session, EndKind::Closed.into(), out));
            }
        }
    }
}

/// The lines that the actors of the story have written.
type Log = Rc<RefCell<Vec<String>>>;

/// An actor that writes down every event.
fn watcher(log: &Log) -> impl FnMut(&mut Node, LocalPid, Event) -> Next + use<> {
    let log = log.clone();
    move |_, _, event| {
        log.borrow_mut().push(match event {
            Event::Message(text) => format!("message: {text}"),
            Event::Down(down) => down.to_string(),
            Event::NodeUp(node) => format!("{node} is up"),
            Event::NodeDown(node, end) => format!("{node} is down: {end}"),
        });
        Next::Wait
    }
}

/// An actor that answers each message, and ends at the message `stop`.
fn worker(boss: Target) -> impl FnMut(&mut Node, LocalPid, Event) -> Next {
    move |node, _, event| {
        let Event::Message(text) = event else { return Next::Wait };
        node.send(&boss, &format!("done: {text}"));
        if text == "stop" { Next::Exit(ExitReason::Shutdown) } else { Next::Wait }
    }
}

fn main() -> Result<()> {
    let log = Log::default();
    let expect = |lines: &[&str]| {
        let told = mem::take(&mut *log.borrow_mut());
        told.iter().for_each(|line| println!("{line}"));
        assert_eq!(told, lines);
    };

    let (mut a, mut b) = (Node::new("a@here", 1)?, Node::new("b@there", 2)?);
    let boss = a.spawn(watcher(&log));
    assert_eq!(a.monitor_nodes(boss), []);
    let on_b = b.spawn(worker(a.pid(boss)));
    let other = b.spawn(worker(a.pid(boss)));
    let other = b.pid(other);
    b.host.names.insert("worker".parse()?, on_b);
    let mut network = Network::new(a, b);
    let name: Target = "worker".parse::<RegName>()?.at("b@there".parse()?).into();

    // The first call connects. A `Down` comes after every message of its process.
    network.nodes[0].monitor(boss, &name);
    network.nodes[0].send(&name, "job");
    network.nodes[0].send(&name, "stop");
    network.run()?;
    expect(&[
        "b@there is up",
        "message: done: job",
        "message: done: stop",
        "worker@b@there is gone: exit: shutdown",
    ]);

    // The link breaks. The other worker is alive, and no `Down` claims otherwise. There is one
    // `Down`, because one of the two monitors was ended before.
    let ended = network.nodes[0].monitor(boss, &other);
    network.nodes[0].monitor(boss, &other);
    network.run()?;
    network.nodes[0].demonitor(boss, ended);
    network.cut();
    network.run()?;
    expect(&[
        &format!("{other} is out of reach: no connection: the connection was closed"),
        "b@there is down: the connection was closed",
    ]);
    network.nodes[0].monitor(boss, &other);
    network.run()?;
    expect(&[&format!("{other} is out of reach: no connection: the node cannot be reached")]);

    // After the repair the next call connects, and finds it in the same incarnation.
    network.is_cut = false;
    network.nodes[0].monitor(boss, &other);
    network.nodes[0].send(&other, "stop");
    network.run()?;
    expect(&["b@there is up", "message: done: stop", &format!("{other} is gone: exit: shutdown")]);
    Ok(())
}
