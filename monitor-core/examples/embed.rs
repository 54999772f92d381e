//! Two cores in one program, connected with a plain queue: a starting point for an actor system, a
//! runtime or a transport of your own.
//!
//! It needs three things: a table of the local processes (`Processes`), a place for notices (here a
//! queue for each process), and a way for signals to travel (here one queue of frames for each
//! direction).
//!
//! ```text
//! cargo run -p monitor-core --example embed
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, VecDeque};

use monitor_core::{
    Core, CoreConfig, Down, Effect, ExitReason, LocalPid, LocalTarget, MonitorOptions, Notice, Processes,
    Signals, encode,
    refs::{EndKind, Incarnation, NodeId, Pid, RegName, Serial, SessionId, Target},
};

/// The processes of one node: which are alive, and which process holds each name.
#[derive(Default)]
struct Table {
    alive: Vec<bool>,
    names: BTreeMap<RegName, LocalPid>,
}

impl Processes for Table {
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

/// One node: the core, and everything that the core leaves to its caller.
struct Node {
    id: NodeId,
    core: Core,
    table: Table,
    mailboxes: BTreeMap<LocalPid, VecDeque<Notice>>,
    outbox: VecDeque<Vec<u8>>,
}

impl Node {
    fn new(name: &str, incarnation: u64) -> Result<Self, Box<dyn std::error::Error>> {
        // In production the incarnation and the seed are random, and new with every start.
        let incarnation = Incarnation::new(incarnation).ok_or("an incarnation is not zero")?;
        let id = NodeId::new(name.parse()?, incarnation);
        let core = Core::new(CoreConfig::new(id.clone(), 0x5eed));
        Ok(Node { id, core, table: Table::default(), mailboxes: BTreeMap::new(), outbox: VecDeque::new() })
    }

    /// Runs one input: calls the core, runs its effects in order, and continues until the backlog
    /// is empty.
    fn input<R>(&mut self, input: impl FnOnce(&mut Core, &Table, &mut Vec<Effect>) -> R) -> R {
        let mut effects = Vec::new();
        let answer = input(&mut self.core, &self.table, &mut effects);
        loop {
            for effect in effects.drain(..) {
                self.run(effect);
            }
            if !self.core.has_backlog() {
                return answer;
            }
            // A server would handle other inputs in between.
            self.core.resume(&mut effects);
        }
    }

    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver { to, notice } => self.mailboxes.entry(to).or_default().push_back(notice),
            Effect::Send { signal, .. } => {
                let mut frame = Vec::new();
                encode(&signal, &mut None, &mut frame);
                self.outbox.push_back(frame);
            }
            // Here the only session is always read, exits are always reported, and nothing else is
            // sent.
            Effect::Admit { .. } | Effect::Watch { .. } => {}
            Effect::Connect { node, .. } => println!("{}: would dial {node} now", self.id),
            Effect::Forward { .. } | Effect::Discard { .. } => unreachable!("nothing was routed"),
        }
    }

    fn spawn(&mut self) -> LocalPid {
        self.table.alive.push(true);
        LocalPid(Serial::new(self.table.alive.len() as u32 - 1, 0))
    }

    fn exit(&mut self, pid: LocalPid, reason: ExitReason) {
        // First remove the process from the table, then report the exit: a process that is told of
        // the exit must not find it.
        self.table.alive[pid.0.slot() as usize] = false;
        self.input(|core, _, out| core.process_exited(pid, Some(reason), out));
    }

    fn monitor(&mut self, watcher: LocalPid, target: &Target) {
        self.input(|core, table, out| core.monitor(table, watcher, target, MonitorOptions::new(), out));
    }

    /// The next `Down` in the mailbox of a process.
    fn receive(&mut self, pid: LocalPid) -> Option<Down> {
        let mailbox = self.mailboxes.get_mut(&pid)?;
        while let Some(notice) = mailbox.pop_front() {
            if let Notice::Down(id) = notice
                && let Some(down) = self.core.take(id)
            {
                return Some(down);
            }
        }
        None
    }
}

/// Delivers the frames of `from` to `to`.
fn carry(session: SessionId, from: &mut Node, to: &mut Node) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(frame) = from.outbox.pop_front() {
        for signal in Signals::new(&frame) {
            let signal = signal?;
            to.input(|core, table, out| {
                core.handle_signal(table, session, refs::ChannelId::DEFAULT, signal, out)
            })?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut a, mut b) = (Node::new("a@here", 1)?, Node::new("b@there", 2)?);
    let session = SessionId(1);
    let (id_of_a, id_of_b) = (a.id.clone(), b.id.clone());
    a.input(|core, _, out| core.peer_up(session, id_of_b, false, out));
    b.input(|core, _, out| core.peer_up(session, id_of_a, false, out));

    let watcher = a.spawn();
    let (worker, other) = (b.spawn(), b.spawn());
    a.monitor(watcher, &Pid::new(b.id.clone(), worker.0).into());
    a.monitor(watcher, &Pid::new(b.id.clone(), other.0).into());
    carry(session, &mut a, &mut b)?;

    b.exit(worker, ExitReason::panicked("out of luck"));
    carry(session, &mut b, &mut a)?;
    let down = a.receive(watcher).ok_or("the worker's Down")?;
    println!("{:?}: {}", down.target, down.reason);
    assert!(down.reason.is_terminal());

    // The connection is lost: the other process may still be alive, and the reason claims no more
    // than is known.
    a.input(|core, _, out| core.peer_down(session, EndKind::Timeout.into(), out));
    let down = a.receive(watcher).ok_or("the other's Down")?;
    println!("{:?}: {}", down.target, down.reason);
    assert!(!down.reason.is_terminal());
    assert!(a.receive(watcher).is_none(), "exactly one each");
    Ok(())
}
