//! The simulated cluster: everything there is, and the loop that lets one thing happen after the
//! other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use fastrand::Rng;
use peer_service::NodeName;

use crate::{
    conn::{Conn, ConnIx, LifeIx, NodeIx},
    counts::Counts,
    faults::{Cut, FaultSet},
    life::Life,
    oracle::Oracle,
    time::{Agenda, SECOND, Time},
    trace::Trace,
};

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub nodes: usize,
    /// How long faults happen, in virtual seconds.
    pub seconds: u64,
    pub faults: FaultSet,
    pub keep_trace: bool,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The tasks of a node run.
    Run(LifeIx),
    /// The task that dials a peer looks what to do.
    Plan(LifeIx, NodeIx),
    /// A dial reaches its peer, or nobody.
    Connect(ConnIx),
    /// A handshake has had its time.
    Expire(ConnIx, usize),
    /// Something arrives at that side.
    Arrive(ConnIx, usize),
    /// A node that was paused reads what has arrived.
    Read(ConnIx, usize),
    Beat(ConnIx, usize, u64),
    /// Some process does something.
    Act,
    /// Something breaks.
    Break,
    /// What was broken is whole again.
    Mend(usize),
    Resume(LifeIx),
    Restart(NodeIx),
    Leave(LifeIx),
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// As `docs/RACES.md` calls it.
    pub property: &'static str,
    pub what: String,
    pub at: Time,
}

/// See the [module](self).
pub struct World {
    pub settings: Settings,
    pub now: Time,
    /// `now`, where the clocks of the nodes read it.
    pub shared_now: Arc<AtomicU64>,
    pub agenda: Agenda<Event>,
    pub rng: Rng,
    pub zero: Instant,
    pub names: Vec<NodeName>,
    /// Who is reached under each name.
    pub homes: Vec<Option<LifeIx>>,
    /// Whose host is gone, too: nothing answers there.
    pub hosts_down: Vec<bool>,
    pub lives: Vec<Life>,
    pub conns: Vec<Conn>,
    pub cuts: Vec<Option<Cut>>,
    /// When the network was last mended.
    pub mended: Time,
    /// Faults and work go on.
    pub busy: bool,
    pub oracle: Oracle,
    pub counts: Counts,
    pub log: Trace,
    pub violation: Option<Violation>,
}

/// After the faults have stopped: longer than any timeout, backoff and retry of a dial.
const HEALING: Time = 100 * SECOND;
/// After the last process has exited.
const EMPTYING: Time = 20 * SECOND;

impl World {
    pub fn new(settings: Settings) -> Self {
        let name = |ix: usize| format!("n{ix:04}@sim").parse().expect("a node name");
        World {
            now: 0,
            shared_now: Arc::default(),
            agenda: Agenda::default(),
            rng: Rng::with_seed(settings.seed),
            zero: Instant::now(),
            names: (0..settings.nodes).map(name).collect(),
            homes: vec![None; settings.nodes],
            hosts_down: vec![false; settings.nodes],
            lives: Vec::new(),
            conns: Vec::new(),
            cuts: Vec::new(),
            mended: 0,
            busy: true,
            oracle: Oracle::default(),
            counts: Counts::default(),
            log: Trace::new(settings.keep_trace),
            violation: None,
            settings,
        }
    }

    /// A whole run: work and faults, then peace, then emptiness; judged all the time.
    pub fn run(&mut self) {
        for node in 0..self.settings.nodes {
            self.start(node, true);
        }
        self.agenda.plan(0, Event::Act);
        self.agenda.plan(SECOND, Event::Break);
        self.until(self.settings.seconds * SECOND);
        let phases = [World::begin_peace, World::begin_emptiness, World::judge_emptiness];
        for (next, lasting) in phases.into_iter().zip([HEALING, EMPTYING, 0]) {
            // What follows a violation tells nothing.
            if self.violation.is_none() {
                next(self);
                self.until(self.now + lasting);
            }
        }
        self.counts.events = self.agenda.planned();
        self.counts.node_seconds = self.now / SECOND * self.settings.nodes as u64;
    }

    fn begin_peace(&mut self) {
        self.busy = false;
        self.heal();
    }

    fn begin_emptiness(&mut self) {
        self.judge_rest();
        self.empty();
    }

    fn until(&mut self, end: Time) {
        while self.violation.is_none() {
            let Some((at, event)) = self.agenda.next() else { break };
            if at > end {
                self.agenda.plan(at, event);
                break;
            }
            self.pass(at);
            self.happen(event);
        }
        if self.violation.is_none() {
            self.pass(self.now.max(end));
        }
    }

    fn pass(&mut self, to: Time) {
        self.now = to;
        self.shared_now.store(to, Ordering::Relaxed);
    }

    fn happen(&mut self, event: Event) {
        if let Some(life) = self.concerns(event) {
            if !self.lives[life].alive {
                return;
            }
            if self.lives[life].paused {
                return self.lives[life].missed.push(event);
            }
        }
        match event {
            Event::Run(life) => self.run_node(life),
            Event::Plan(life, to) => {
                self.plan_dial(life, to);
            }
            Event::Connect(conn) => self.connected(conn),
            Event::Expire(conn, side) => self.expire(conn, side),
            Event::Arrive(conn, side) => self.arrive(conn, side),
            Event::Read(conn, side) => self.shake(conn, side),
            Event::Beat(conn, side, number) => self.beat(conn, side, number),
            Event::Act => self.act(),
            Event::Break => self.break_something(),
            Event::Mend(cut) => self.mend(cut),
            Event::Resume(life) => self.resume(life),
            Event::Restart(node) => self.restart(node),
            Event::Leave(life) => self.leave(life),
        }
    }

    /// Whose doing it is: nothing that a node does happens while it is paused or dead.
    fn concerns(&self, event: Event) -> Option<LifeIx> {
        let of = |conn: ConnIx, side: usize| self.conns[conn].ends[side].as_ref().map(|end| end.life);
        match event {
            Event::Run(life) | Event::Plan(life, _) => Some(life),
            Event::Connect(conn) => of(conn, 0),
            Event::Expire(conn, side) | Event::Read(conn, side) | Event::Beat(conn, side, _) => {
                of(conn, side)
            }
            Event::Arrive(..)
            | Event::Act
            | Event::Break
            | Event::Mend(_)
            | Event::Resume(_)
            | Event::Restart(_)
            | Event::Leave(_) => None,
        }
    }

    /// Which node bears that name.
    pub fn node_of(&self, name: &NodeName) -> NodeIx {
        self.names.binary_search(name).expect("nobody knows other names")
    }

    pub fn violated(&mut self, property: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { property, what: what(), at: self.now });
        }
    }

    pub fn trace(&mut self, line: impl FnOnce(&Self) -> String) {
        let line = line(self);
        self.log.add(self.now, line);
    }
}
