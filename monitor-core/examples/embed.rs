//! Two cores in one program, connected with plain queues: what a caller of the core does, input by
//! input and effect by effect.
//!
//! A caller brings three things: a table of the local processes (`Processes`), a place for notices
//! (here a queue for each process), and a way for signals to travel (here one queue of frames for
//! each node). The example `mini_actors` makes a small actor framework of the same parts.
//!
//! ```text
//! cargo run -p monitor-core --example embed
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, VecDeque};

use monitor_core::{
    Connect, Core, CoreConfig, Driver, Effect, EffectHandler, ExitReason, LocalPid, LocalTarget,
    MonitorOptions, NodeNotice, NodesOptions, Notice, Processes, RaisedInputs, Signals, encode,
    refs::{
        ChannelId, DialId, EndKind, Incarnation, Name, NodeId, NodeName, Pid, RegName, Serial, SessionEnd,
        SessionId, Target,
    },
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut a = Node::new("a@here", 1)?;
    let mut b = Node::new("b@there", 2)?;
    let worker: Name = "worker@b@there".parse()?;

    // A subscriber is told of every session. A watcher has asked for one node, and for a process
    // there.
    let (watcher, subscriber) = (a.spawn(), a.spawn());
    a.input(|core, _, _| core.monitor_nodes(subscriber, NodesOptions::new()));
    a.input(|core, _, out| core.monitor_node(watcher, &worker.node, Connect::OnDemand, out));
    a.monitor(watcher, &worker.clone().into());

    // The node is not connected. Both calls wait for one and the same dial, which is refused.
    let dial = a.next_dial().ok_or("a dial")?;
    a.input(|core, _, out| core.peer_unreachable(&worker.node, dial, EndKind::Refused.into(), out));
    a.expect(
        watcher,
        &[
            "worker@b@there is out of reach: no connection: the connection was refused",
            "b@there is down: the connection was refused",
        ],
    );
    a.expect(subscriber, &[]); // there was no session

    // The next call dials again. Now the node listens, and both ends report the session.
    let on_b = b.spawn();
    b.host.names.insert(worker.name.clone(), on_b);
    let old_pid = Pid::new(b.id().clone(), on_b.0);
    a.monitor(watcher, &worker.clone().into());
    a.next_dial().ok_or("another dial")?;
    connect(SessionId(1), &mut a, &mut b);
    a.expect(subscriber, &["b@there is up in incarnation 0000000000000002"]);

    // The process exits. Its node reports the reason.
    carry(SessionId(1), &mut a, &mut b)?;
    b.exit(on_b, ExitReason::panicked("out of luck"));
    carry(SessionId(1), &mut b, &mut a)?;
    a.expect(watcher, &["worker@b@there is gone: exit: panicked: out of luck"]);

    // The connection is lost. The other process may still be alive, and the notice claims no more
    // than is known. All `Down`s of a session come before its node-down.
    let other = b.spawn();
    let other = Pid::new(b.id().clone(), other.0);
    a.monitor(watcher, &other.clone().into());
    a.input(|core, _, out| core.monitor_node(watcher, &worker.node, Connect::OnDemand, out));
    carry(SessionId(1), &mut a, &mut b)?;
    a.end(SessionId(1), EndKind::Timeout.into());
    a.expect(
        watcher,
        &[
            &format!("{other} is out of reach: no connection: the peer fell silent"),
            "b@there is down: the peer fell silent",
        ],
    );
    a.expect(subscriber, &["b@there is down: the peer fell silent"]);

    // The node starts again: the same name, a new incarnation, no state. Another process has the
    // number of the old one, and holds its name.
    let mut b = Node::new("b@there", 3)?;
    let on_b = b.spawn();
    assert_eq!(on_b.0, old_pid.serial());
    b.host.names.insert(worker.name.clone(), on_b);

    // Both calls wait for the next session, in this order.
    a.monitor(watcher, &old_pid.clone().into());
    a.monitor(watcher, &worker.clone().into());
    a.next_dial().ok_or("a third dial")?;
    connect(SessionId(2), &mut a, &mut b);
    a.expect(subscriber, &["b@there is up in incarnation 0000000000000003"]);

    // The old pid is gone for good, as only the node itself may report. The name is resolved anew.
    carry(SessionId(2), &mut a, &mut b)?;
    carry(SessionId(2), &mut b, &mut a)?;
    a.expect(watcher, &[&format!("{old_pid} is gone: no such process")]);
    b.exit(on_b, ExitReason::Shutdown);
    carry(SessionId(2), &mut b, &mut a)?;
    a.expect(watcher, &["worker@b@there is gone: exit: shutdown"]);
    Ok(())
}

/// One node: the core in its driver, and everything that the core leaves to its caller.
struct Node {
    driver: Driver,
    host: Host,
}

/// The part of a node that the core does not know, and that runs the effects.
#[derive(Default)]
struct Host {
    /// The processes, by slot.
    alive: Vec<bool>,
    /// Which process holds each name.
    names: BTreeMap<RegName, LocalPid>,
    mailboxes: BTreeMap<LocalPid, VecDeque<Notice>>,
    /// Frames for the peer.
    outbox: VecDeque<Vec<u8>>,
    /// The session whose frames may be read.
    admitted: Option<SessionId>,
    /// Dials that were not answered.
    dials: VecDeque<DialId>,
}

impl Processes for Host {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        let pid = match target {
            LocalTarget::Pid(pid) => *pid,
            LocalTarget::Name(name) => *self.names.get(*name)?,
        };
        // A peer may have invented the number. This table never reuses a slot, so all generations
        // are 0.
        let lives = self.alive.get(pid.0.slot() as usize).is_some_and(|&alive| alive);
        (lives && pid.0.generation() == 0).then_some(pid)
    }
}

impl EffectHandler for Host {
    fn run(&mut self, effect: Effect, _: &Core, _: &mut RaisedInputs<Self>) {
        match effect {
            Effect::Connect { dial, .. } => self.dials.push_back(dial),
            Effect::Admit { session } => self.admitted = Some(session),
            Effect::Deliver { to, notice } => self.mailboxes.entry(to).or_default().push_back(notice),
            Effect::Send { signal, .. } => {
                let mut frame = Vec::new();
                encode(&signal, &mut None, &mut frame);
                self.outbox.push_back(frame);
            }
            // `Node::exit` reports every exit, and none comes between an input and its effects.
            Effect::Watch { pid } => assert!(self.alive[pid.0.slot() as usize]),
            Effect::Forward { .. } | Effect::Discard { .. } => unreachable!("no message was routed"),
        }
    }
}

impl Node {
    fn new(name: &str, incarnation: u64) -> Result<Self> {
        // In production the incarnation and the seed are random, and new with every start.
        let incarnation = Incarnation::new(incarnation).ok_or("an incarnation is not zero")?;
        let id = NodeId::new(name.parse()?, incarnation);
        Ok(Node { driver: Driver::new(Core::new(CoreConfig::new(id, 0x5eed))), host: Host::default() })
    }

    /// One input and its effects, then the rest of its work. A server would let other inputs in
    /// between.
    fn input<R>(&mut self, input: impl FnOnce(&mut Core, &mut Host, &mut Vec<Effect>) -> R) -> R {
        let answer = self.driver.input(&mut self.host, input);
        while self.driver.input(&mut self.host, |core, _, out| core.resume(out)) {}
        answer
    }

    fn id(&self) -> &NodeId {
        self.driver.core().config().get_local()
    }

    fn spawn(&mut self) -> LocalPid {
        self.host.alive.push(true);
        LocalPid(Serial::new(self.host.alive.len() as u32 - 1, 0))
    }

    fn exit(&mut self, pid: LocalPid, reason: ExitReason) {
        self.input(|core, host, out| {
            // First out of the table: a process that is told of the exit must not find it.
            host.alive[pid.0.slot() as usize] = false;
            host.names.retain(|_, holder| *holder != pid);
            core.process_exited(pid, Some(reason), out);
        });
    }

    fn monitor(&mut self, watcher: LocalPid, target: &Target) {
        self.input(|core, host, out| core.monitor(host, watcher, target, MonitorOptions::new(), out));
    }

    /// The oldest dial that was not answered.
    fn next_dial(&mut self) -> Option<DialId> {
        self.host.dials.pop_front()
    }

    /// The session is over. Frames that were not read are lost.
    fn end(&mut self, session: SessionId, end: SessionEnd) {
        self.host.outbox.clear();
        self.host.admitted = None;
        self.input(|core, _, out| core.peer_down(session, end, out));
    }

    /// Asserts that the process is told exactly this, in this order.
    fn expect(&mut self, pid: LocalPid, expected: &[&str]) {
        let mut told = Vec::new();
        while let Some(notice) = self.host.mailboxes.get_mut(&pid).and_then(VecDeque::pop_front) {
            told.extend(self.text(notice));
        }
        told.iter().for_each(|line| println!("{}: {pid:?} is told: {line}", self.id().name));
        assert_eq!(told, expected);
    }

    fn text(&mut self, notice: Notice) -> Option<String> {
        let down = |name: &NodeName, end: SessionEnd| format!("{name} is down: {end}");
        match notice {
            // The core keeps the `Down` until the process receives it. `None`: flushed meanwhile.
            Notice::Down(id) => Some(self.input(|core, _, _| core.take(id))?.to_string()),
            Notice::Node(NodeNotice::Up(_, event)) => {
                let (_, id) = event.session.as_ref()?;
                Some(format!("{} is up in incarnation {}", id.name, id.incarnation))
            }
            Notice::Node(NodeNotice::Down(_, event) | NodeNotice::MonitoredDown(event)) => {
                Some(down(&event.name, event.end?))
            }
        }
    }
}

/// Reports a session at both ends. A transport numbers it at each end on its own.
fn connect(session: SessionId, a: &mut Node, b: &mut Node) {
    let (id_of_a, id_of_b) = (a.id().clone(), b.id().clone());
    a.input(|core, _, out| core.peer_up(session, id_of_b, false, out));
    b.input(|core, _, out| core.peer_up(session, id_of_a, false, out));
}

/// Delivers the frames of `from` to `to`, which reads them only after `Effect::Admit`.
fn carry(session: SessionId, from: &mut Node, to: &mut Node) -> Result<()> {
    assert_eq!(to.host.admitted, Some(session));
    while let Some(frame) = from.host.outbox.pop_front() {
        for signal in Signals::new(&frame) {
            let signal = signal?;
            to.input(|core, host, out| core.handle_signal(host, session, ChannelId::DEFAULT, signal, out))?;
        }
    }
    Ok(())
}
