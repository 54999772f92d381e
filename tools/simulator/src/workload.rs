//! The workload: processes start and exit, make and remove monitors, send and receive messages.

use monitor_runtime::{Demonitored, ExitReason, NodeType, NodesOptions, Process};
use peer_service::{NodeId, SessionId};
use refs::{Name, Pid, RegName, Serial, Target};

use crate::{
    conn::{InstanceIx, NodeIx},
    oracle::{MonitorInfo, MonitorTarget, Proc, ProcIx},
    time::{MS, Time},
    world::{Event, World},
};

/// Number of registered names on each node.
const NAMES: u8 = 3;
/// Average time between two actions of one node.
const IDLE: Time = 200 * MS;
/// Most actions of a node concern this number of neighbors, so that a large cluster is not a full
/// mesh.
const NEIGHBORS: usize = 7;

impl World {
    /// Starts the first processes of a node. The first one subscribes to all nodes.
    pub fn spawn_first_processes(&mut self, instance: InstanceIx) {
        for _ in 0..3 {
            self.spawn(instance);
        }
        let first = self.oracle.of_instance(instance)[0];
        let proc = &mut self.oracle.procs[first];
        proc.slow = false;
        proc.subscribed = true;
        let options = NodesOptions::new().nodedown_reason(true);
        let up = proc.process().monitor_nodes(options).expect("the node is running");
        assert!(up.is_empty(), "a node that has just started has no sessions");
    }

    /// Performs an action of a random process, and schedules the next action.
    pub fn perform_action(&mut self) {
        if !self.busy {
            return;
        }
        let pause = 2 * IDLE / self.settings.nodes as u64;
        self.queue.schedule(self.now + self.rng.u64(1..=pause), Event::Workload);
        let instance = self.rng.usize(..self.instances.len());
        if !self.instances[instance].alive || self.instances[instance].paused {
            return;
        }
        let procs = self.oracle.of_instance(instance).to_vec();
        let Some(proc) = self.rng.choice(procs) else { return self.spawn(instance) };
        match self.rng.u8(..100) {
            0..14 => self.spawn(instance),
            14..26 => self.exit(proc),
            26..58 => self.monitor(proc),
            58..68 => self.demonitor(proc),
            68..88 => self.send_messages(proc),
            88..92 => self.monitor_node(proc),
            92..95 => self.register(proc),
            95 if self.settings.faults != Default::default() => self.disconnect_from(instance),
            96..98 => self.dial_each_other(instance, proc),
            _ => self.receive_of(proc),
        }
        self.serve(instance);
        self.schedule_run(instance);
    }

    fn spawn(&mut self, instance: InstanceIx) {
        // A slow process has unread notices, whose number must be bounded.
        if self.oracle.of_instance(instance).len() > 12 {
            return;
        }
        let node = self.instances[instance].node.as_ref().expect("it is running");
        let process = node.process().expect("the node was not stopped");
        let slow = self.settings.faults.slow && self.rng.u8(..5) == 0;
        self.counts.slow += u64::from(slow);
        self.counts.processes += 1;
        self.oracle.spawned(instance, process, slow);
    }

    fn exit(&mut self, proc: ProcIx) {
        // The subscriber does not exit: its notices check the order of all node events.
        if self.oracle.procs[proc].subscribed {
            return;
        }
        self.end_process(proc);
    }

    /// Ends a process with a unique reason.
    pub fn end_process(&mut self, proc: ProcIx) {
        self.receive_of(proc);
        let instance = self.oracle.procs[proc].instance;
        let up = self.nodes_up(instance);
        let Some(process) = self.oracle.exited(proc, self.now, &up) else { return };
        self.counts.exits += 1;
        self.trace(|w| format!("{:?} exits", w.oracle.procs[proc].pid));
        process.exit(ExitReason::other(proc.to_string()));
        self.schedule_run(instance);
    }

    /// The nodes that are up for that instance, and their sessions.
    pub fn nodes_up(&self, instance: InstanceIx) -> Vec<(NodeIx, NodeId, SessionId)> {
        let Some(node) = &self.instances[instance].node else { return Vec::new() };
        let up = node.nodes(NodeType::All).into_iter();
        up.map(|info| (self.node_of(&info.node.name), info.node, info.session)).collect()
    }

    /// The open session with that node. A session that has ended at this end accepts nothing, even
    /// if the node has not processed the end yet: a later request goes to the next session.
    fn open_session(&mut self, instance: InstanceIx, node: NodeIx) -> Option<SessionId> {
        let conn = *self.instances[instance].sessions.get(&node)?;
        let endpoint = (0..2).find_map(|side| {
            let end = self.conns[conn].end(side).filter(|end| end.instance == instance)?;
            end.endpoint().cloned()
        });
        endpoint.filter(|endpoint| endpoint.is_open()).map(|endpoint| endpoint.session)
    }

    /// A random node, mostly a neighbor.
    fn some_node(&mut self, own: NodeIx) -> NodeIx {
        let nodes = self.settings.nodes;
        if self.rng.u8(..50) == 0 {
            return self.rng.usize(..nodes);
        }
        (own + nodes + self.rng.usize(..=NEIGHBORS) - NEIGHBORS / 2) % nodes
    }

    /// A random process of that node, running or exited, of this instance or an earlier one.
    fn some_process(&mut self, node: NodeIx) -> Option<ProcIx> {
        let instances: Vec<InstanceIx> =
            (0..self.instances.len()).filter(|ix| self.instances[*ix].node_ix == node).collect();
        let instance = if self.rng.u8(..8) > 0 { self.reachable[node] } else { self.rng.choice(instances) }?;
        let living = self.rng.u8(..8) > 0;
        let procs = if living {
            self.oracle.of_instance(instance).to_vec()
        } else {
            self.oracle.all_of_instance(instance)
        };
        self.rng.choice(procs)
    }

    fn monitor(&mut self, watcher: ProcIx) {
        let instance = self.oracle.procs[watcher].instance;
        let node = self.some_node(self.instances[instance].node_ix);
        let (address, target): (Target, MonitorTarget) = match self.rng.u8(..10) {
            0 => {
                let which = self.rng.u8(..NAMES);
                let name = Name { name: registered(which), node: self.names[node].clone() };
                (name.into(), MonitorTarget::Name(node, which))
            }
            // This pid never exists.
            1 => {
                let Some(home) = self.reachable[node] else { return };
                let pid = Pid::new(self.instances[home].id.clone(), Serial::new(9_999, 1));
                (pid.into(), MonitorTarget::Missing(home))
            }
            _ => {
                let Some(target) = self.some_process(node) else { return };
                if target == watcher {
                    return;
                }
                (self.oracle.procs[target].pid.clone().into(), MonitorTarget::Pid(target))
            }
        };
        // A monitor of the watcher itself never fires, and has no row.
        if let MonitorTarget::Name(node, which) = target
            && self.oracle.holder(node, which, instance) == Some(watcher)
        {
            return;
        }
        let open = self.open_session(instance, node);
        let up = self.nodes_up(instance).into_iter().find(|(up, ..)| *up == node);
        let session = up.map(|(.., session)| session).filter(|session| Some(*session) == open);
        let made = self.oracle.procs[watcher].process().monitor(address).expect("the watcher is running");
        self.counts.monitors += 1;
        let (serial, of) = (made.serial(), self.oracle.procs[watcher].pid.clone());
        self.trace(|w| format!("{of:?} monitors {target:?} of {} as {serial}", w.names[node]));
        self.oracle.monitored(made, MonitorInfo { watcher, target, node, made: self.now, session });
    }

    fn demonitor(&mut self, watcher: ProcIx) {
        let monitors: Vec<usize> = self.oracle.procs[watcher].open.iter().copied().collect();
        let Some(monitor) = self.rng.choice(monitors) else { return };
        let flush = self.rng.bool();
        let reference = self.oracle.monitors[monitor].reference.clone();
        let process = self.oracle.procs[watcher].process();
        let found = if flush { process.demonitor_flush(&reference) } else { process.demonitor(&reference) };
        let was_active = found.expect("the watcher is running") == Demonitored::Active;
        self.counts.demonitors += 1;
        self.counts.demonitors_late += u64::from(!was_active);
        self.trace(|_| format!("demonitor of {reference:?}, flush {flush}: {was_active}"));
        self.oracle.demonitored(monitor, was_active, flush);
    }

    fn monitor_node(&mut self, proc: ProcIx) {
        let instance = self.oracle.procs[proc].instance;
        let node = self.some_node(self.instances[instance].node_ix);
        let name = self.names[node].clone();
        self.oracle.procs[proc].process().monitor_node(name).expect("it is running");
    }

    /// Two nodes request a session at the same time: both dial, if they have no session.
    fn dial_each_other(&mut self, instance: InstanceIx, proc: ProcIx) {
        let own = self.instances[instance].node_ix;
        let node = self.some_node(own);
        let Some(other) =
            self.reachable[node].filter(|other| *other != instance && !self.instances[*other].paused)
        else {
            return;
        };
        let Some(there) = self.rng.choice(self.oracle.of_instance(other).to_vec()) else { return };
        for (of, to, at) in [(proc, node, instance), (there, own, other)] {
            let name = self.names[to].clone();
            self.oracle.procs[of].process().monitor_node(name).expect("it is running");
            self.serve(at);
            self.schedule_run(at);
        }
    }

    fn register(&mut self, proc: ProcIx) {
        let which = self.rng.u8(..NAMES);
        let instance = self.oracle.procs[proc].instance;
        let node = self.instances[instance].node_ix;
        let given = self.oracle.procs[proc].process().register(registered(which)).is_ok();
        match self.oracle.holder(node, which, instance) {
            None if given => self.oracle.registered(node, which, proc, self.now),
            Some(other) if given && other != proc => {
                self.violated("P3", || format!("w{which} of instance {instance} has two holders"));
            }
            _ => {}
        }
    }

    fn disconnect_from(&mut self, instance: InstanceIx) {
        let peers: Vec<NodeIx> = self.instances[instance].sessions.keys().copied().collect();
        let Some(peer) = self.rng.choice(peers) else { return };
        let name = self.names[peer].clone();
        let node = self.instances[instance].node.as_ref().expect("it is running");
        node.disconnect(&name).expect("the service has the capability");
    }

    /// Sends some numbered messages to a process of a node that is up.
    fn send_messages(&mut self, from: ProcIx) {
        let instance = self.oracle.procs[from].instance;
        let up = self.nodes_up(instance);
        let Some((_, peer, session)) = self.rng.choice(up) else { return };
        // A message for a session that is being closed waits for the next one.
        if self.open_session(instance, self.node_of(&peer.name)) != Some(session) {
            return;
        }
        let Some(to) = self.rng.choice(self.oracle.of_instance(instance_of(&peer)).to_vec()) else { return };
        for _ in 0..self.rng.usize(1..6) {
            let sent = self.oracle.next_message(from, to, session);
            let pid = self.oracle.procs[to].pid.clone();
            let body = [session.0.to_le_bytes(), sent.to_le_bytes()].concat();
            if self.oracle.procs[from].process().try_send(pid, body).is_ok() {
                self.oracle.sent(from, to, session);
            }
        }
    }

    /// All processes of a node receive their notices, except slow ones during the workload.
    pub fn receive(&mut self, instance: InstanceIx) {
        for proc in self.oracle.of_instance(instance).to_vec() {
            if !self.busy || !self.oracle.procs[proc].slow {
                self.receive_of(proc);
            }
        }
    }

    pub fn receive_all(&mut self) {
        for instance in 0..self.instances.len() {
            self.receive(instance);
        }
    }

    fn receive_of(&mut self, proc: ProcIx) {
        while let Some(event) =
            self.oracle.procs[proc].process.as_mut().and_then(|process| process.try_recv().ok())
        {
            self.check_event(proc, event);
        }
    }

    /// Ends all processes.
    pub fn end_all_processes(&mut self) {
        for instance in 0..self.instances.len() {
            for proc in self.oracle.of_instance(instance).to_vec() {
                self.end_process(proc);
            }
        }
    }
}

impl Proc {
    fn process(&self) -> &Process {
        self.process.as_ref().expect("it is running")
    }
}

fn registered(which: u8) -> RegName {
    format!("w{which}").parse().expect("a registered name")
}

/// The index of the instance: instances are numbered in the order of their starts.
pub fn instance_of(id: &NodeId) -> InstanceIx {
    id.incarnation.get() as InstanceIx - 1
}
