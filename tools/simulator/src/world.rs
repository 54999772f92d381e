//! The simulated cluster: its state, and the loop that handles one event after the other.

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
    conn::{Conn, ConnIx, InstanceIx, NodeIx},
    counts::Counts,
    faults::{Cut, FaultSet},
    instance::Instance,
    oracle::Oracle,
    time::{EventQueue, SECOND, Time},
    trace::Trace,
};

/// The parameters of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub nodes: usize,
    /// Duration of the workload and the faults, in virtual seconds.
    pub seconds: u64,
    pub faults: FaultSet,
    pub keep_trace: bool,
}

/// An event of the simulation.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The tasks of a node run.
    Run(InstanceIx),
    /// The dialer of a peer asks for its next plan.
    PlanDial(InstanceIx, NodeIx),
    /// A dial reaches its peer, or fails.
    Connect(ConnIx),
    /// The handshake of that side times out.
    Expire(ConnIx, usize),
    /// Packets arrive at that side.
    Arrive(ConnIx, usize),
    /// A node that was paused reads the packets that have arrived.
    Read(ConnIx, usize),
    PollUpkeep(ConnIx, usize, u64),
    /// A process performs an action.
    Workload,
    /// A fault happens.
    Fault,
    /// A cut is repaired.
    Repair(usize),
    Resume(InstanceIx),
    Restart(NodeIx),
    Leave(InstanceIx),
}

/// A violated property.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The name of the property in `docs/RACES.md`.
    pub property: &'static str,
    pub what: String,
    pub at: Time,
}

/// See the [module](self).
pub struct World {
    pub settings: Settings,
    pub now: Time,
    /// A copy of `now` for the clocks of the nodes.
    pub shared_now: Arc<AtomicU64>,
    pub queue: EventQueue<Event>,
    pub rng: Rng,
    pub zero: Instant,
    pub names: Vec<NodeName>,
    /// The instance that is reachable under each name.
    pub reachable: Vec<Option<InstanceIx>>,
    /// Whether the host of each name is down too: it does not even refuse connections.
    pub hosts_down: Vec<bool>,
    pub instances: Vec<Instance>,
    pub conns: Vec<Conn>,
    pub cuts: Vec<Option<Cut>>,
    /// When the last cut was repaired.
    pub repaired: Time,
    /// Whether workload and faults continue.
    pub busy: bool,
    pub oracle: Oracle,
    pub counts: Counts,
    pub log: Trace,
    pub violation: Option<Violation>,
}

/// Time after the end of the faults: longer than any timeout, backoff and retry of a dial.
const QUIESCENCE: Time = 100 * SECOND;
/// Time after the exit of the last process.
const DRAIN: Time = 20 * SECOND;

impl World {
    pub fn new(settings: Settings) -> Self {
        let name = |ix: usize| format!("n{ix:04}@sim").parse().expect("a node name");
        World {
            now: 0,
            shared_now: Arc::default(),
            queue: EventQueue::default(),
            rng: Rng::with_seed(settings.seed),
            zero: Instant::now(),
            names: (0..settings.nodes).map(name).collect(),
            reachable: vec![None; settings.nodes],
            hosts_down: vec![false; settings.nodes],
            instances: Vec::new(),
            conns: Vec::new(),
            cuts: Vec::new(),
            repaired: 0,
            busy: true,
            oracle: Oracle::default(),
            counts: Counts::default(),
            log: Trace::new(settings.keep_trace),
            violation: None,
            settings,
        }
    }

    /// Runs the workload with faults, then a time of quiescence, then a time without processes,
    /// with checks all the time.
    pub fn run(&mut self) {
        for node in 0..self.settings.nodes {
            self.start(node, true);
        }
        self.queue.schedule(0, Event::Workload);
        self.queue.schedule(SECOND, Event::Fault);
        self.run_until(self.settings.seconds * SECOND);
        let phases = [World::begin_quiescence, World::begin_drain, World::check_leaks];
        for (next, lasting) in phases.into_iter().zip([QUIESCENCE, DRAIN, 0]) {
            // Checks after a violation would only repeat it.
            if self.violation.is_none() {
                next(self);
                self.run_until(self.now + lasting);
            }
        }
        self.counts.events = self.queue.scheduled();
        self.counts.node_seconds = self.now / SECOND * self.settings.nodes as u64;
    }

    fn begin_quiescence(&mut self) {
        self.busy = false;
        self.repair_all();
    }

    fn begin_drain(&mut self) {
        self.check_quiescence();
        self.end_all_processes();
    }

    fn run_until(&mut self, end: Time) {
        while self.violation.is_none() {
            let Some((at, event)) = self.queue.next() else { break };
            if at > end {
                self.queue.schedule(at, event);
                break;
            }
            self.advance_to(at);
            self.handle(event);
        }
        if self.violation.is_none() {
            self.advance_to(self.now.max(end));
        }
    }

    fn advance_to(&mut self, to: Time) {
        self.now = to;
        self.shared_now.store(to, Ordering::Relaxed);
    }

    fn handle(&mut self, event: Event) {
        if let Some(instance) = self.instance_of_event(event) {
            if !self.instances[instance].alive {
                return;
            }
            if self.instances[instance].paused {
                return self.instances[instance].missed.push(event);
            }
        }
        match event {
            Event::Run(instance) => self.run_node(instance),
            Event::PlanDial(instance, to) => {
                self.plan_dial(instance, to);
            }
            Event::Connect(conn) => self.connected(conn),
            Event::Expire(conn, side) => self.expire(conn, side),
            Event::Arrive(conn, side) => self.arrive(conn, side),
            Event::Read(conn, side) => self.step_handshake(conn, side),
            Event::PollUpkeep(conn, side, number) => self.poll_upkeep(conn, side, number),
            Event::Workload => self.perform_action(),
            Event::Fault => self.inject_fault(),
            Event::Repair(cut) => self.repair(cut),
            Event::Resume(instance) => self.resume(instance),
            Event::Restart(node) => self.restart(node),
            Event::Leave(instance) => self.leave(instance),
        }
    }

    /// The instance that performs the event, if one does: a paused or ended node performs nothing.
    fn instance_of_event(&self, event: Event) -> Option<InstanceIx> {
        let of = |conn: ConnIx, side: usize| self.conns[conn].ends[side].as_ref().map(|end| end.instance);
        match event {
            Event::Run(instance) | Event::PlanDial(instance, _) => Some(instance),
            Event::Connect(conn) => of(conn, 0),
            Event::Expire(conn, side) | Event::Read(conn, side) | Event::PollUpkeep(conn, side, _) => {
                of(conn, side)
            }
            Event::Arrive(..)
            | Event::Workload
            | Event::Fault
            | Event::Repair(_)
            | Event::Resume(_)
            | Event::Restart(_)
            | Event::Leave(_) => None,
        }
    }

    /// The node with that name.
    pub fn node_of(&self, name: &NodeName) -> NodeIx {
        self.names.binary_search(name).expect("all names are in the list")
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
