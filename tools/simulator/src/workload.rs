//! What the processes of the cluster do: they come and go, monitor each other, change their minds,
//! talk, and listen.

use monitor_runtime::{Demonitor, ExitReason, NodeType, NodesOptions, Process};
use peer_service::{NodeId, SessionId};
use refs::{Name, Pid, RegName, Serial, Target};

use crate::{
    conn::{LifeIx, NodeIx},
    oracle::{Aim, Monitored, Proc, ProcIx},
    time::{MS, Time},
    world::{Event, World},
};

/// So many registered names there are on each node.
const NAMES: u8 = 3;
/// How long one node does nothing, on average.
const IDLE: Time = 200 * MS;
/// Most of what a node does is with its next neighbours, so that a large cluster is no full mesh.
const NEIGHBOURS: usize = 7;

impl World {
    /// A node that has started gets its first processes; the first of them wants to know of all
    /// nodes.
    pub fn settle_in(&mut self, life: LifeIx) {
        for _ in 0..3 {
            self.spawn(life);
        }
        let first = self.oracle.of_life(life)[0];
        let proc = &mut self.oracle.procs[first];
        proc.slow = false;
        proc.subscribed = true;
        let options = NodesOptions::new().nodedown_reason(true);
        let up = proc.process().monitor_nodes(options).expect("the node lives");
        assert!(up.is_empty(), "a node that has just started has no sessions");
    }

    /// Some process does something, and the next one will.
    pub fn act(&mut self) {
        if !self.busy {
            return;
        }
        let pause = 2 * IDLE / self.settings.nodes as u64;
        self.agenda.plan(self.now + self.rng.u64(1..=pause), Event::Act);
        let life = self.rng.usize(..self.lives.len());
        if !self.lives[life].alive || self.lives[life].paused {
            return;
        }
        let procs = self.oracle.of_life(life).to_vec();
        let Some(proc) = self.rng.choice(procs) else { return self.spawn(life) };
        match self.rng.u8(..100) {
            0..14 => self.spawn(life),
            14..26 => self.exit(proc),
            26..58 => self.monitor(proc),
            58..68 => self.demonitor(proc),
            68..88 => self.talk(proc),
            88..92 => self.monitor_node(proc),
            92..95 => self.register(proc),
            95 if self.settings.faults != Default::default() => self.disconnect_from(life),
            96..98 => self.meet(life, proc),
            _ => self.receive_of(proc),
        }
        self.serve(life);
        self.touch(life);
    }

    fn spawn(&mut self, life: LifeIx) {
        // What a slow one is told waits for it, and must not grow without limit.
        if self.oracle.of_life(life).len() > 12 {
            return;
        }
        let node = self.lives[life].node.as_ref().expect("it lives");
        let process = node.process().expect("it was not stopped");
        let slow = self.settings.faults.slow && self.rng.u8(..5) == 0;
        self.counts.slow += u64::from(slow);
        self.counts.processes += 1;
        self.oracle.spawned(life, process, slow);
    }

    fn exit(&mut self, proc: ProcIx) {
        // The subscriber stays: it is the witness of all nodes' comings and goings.
        if self.oracle.procs[proc].subscribed {
            return;
        }
        self.end_process(proc);
    }

    /// It exits, of a reason that no other has.
    pub fn end_process(&mut self, proc: ProcIx) {
        self.receive_of(proc);
        let life = self.oracle.procs[proc].life;
        let up = self.nodes_up(life);
        let Some(process) = self.oracle.exited(proc, self.now, &up) else { return };
        self.counts.exits += 1;
        self.trace(|w| format!("{:?} exits", w.oracle.procs[proc].pid));
        process.exit(ExitReason::other(proc.to_string()).expect("a short reason"));
        self.touch(life);
    }

    /// The nodes that are up for that life, and their sessions.
    pub fn nodes_up(&self, life: LifeIx) -> Vec<(NodeIx, NodeId, SessionId)> {
        let Some(node) = &self.lives[life].node else { return Vec::new() };
        let up = node.nodes(NodeType::All).into_iter();
        up.map(|info| (self.node_of(&info.node.name), info.node, info.session)).collect()
    }

    /// The session with that node that takes what is pushed now. One that has ended at this end
    /// takes nothing any more, though the node may not have been told yet: what is asked for then
    /// goes to the next session.
    fn open_session(&mut self, life: LifeIx, node: NodeIx) -> Option<SessionId> {
        let conn = *self.lives[life].sessions.get(&node)?;
        let line = (0..2).find_map(|side| {
            let end = self.conns[conn].end(side).filter(|end| end.life == life)?;
            end.line().cloned()
        });
        line.filter(|line| line.is_open()).map(|line| line.session)
    }

    /// Another node, mostly a neighbour.
    fn some_node(&mut self, own: NodeIx) -> NodeIx {
        let nodes = self.settings.nodes;
        if self.rng.u8(..50) == 0 {
            return self.rng.usize(..nodes);
        }
        (own + nodes + self.rng.usize(..=NEIGHBOURS) - NEIGHBOURS / 2) % nodes
    }

    /// A process that lives on that node, or has lived there, in this life or an earlier one.
    fn some_process(&mut self, node: NodeIx) -> Option<ProcIx> {
        let lives: Vec<LifeIx> = (0..self.lives.len()).filter(|ix| self.lives[*ix].node_ix == node).collect();
        let life = if self.rng.u8(..8) > 0 { self.homes[node] } else { self.rng.choice(lives) }?;
        let living = self.rng.u8(..8) > 0;
        let procs = if living { self.oracle.of_life(life).to_vec() } else { self.oracle.ever_of_life(life) };
        self.rng.choice(procs)
    }

    fn monitor(&mut self, watcher: ProcIx) {
        let life = self.oracle.procs[watcher].life;
        let node = self.some_node(self.lives[life].node_ix);
        let (target, aim): (Target, Aim) = match self.rng.u8(..10) {
            0 => {
                let which = self.rng.u8(..NAMES);
                let name = Name { name: registered(which), node: self.names[node].clone() };
                (name.into(), Aim::Name(node, which))
            }
            // Nobody has ever had that number.
            1 => {
                let Some(home) = self.homes[node] else { return };
                let pid = Pid::new(self.lives[home].id.clone(), Serial::new(9_999, 1));
                (pid.into(), Aim::Nobody(home))
            }
            _ => {
                let Some(target) = self.some_process(node) else { return };
                if target == watcher {
                    return;
                }
                (self.oracle.procs[target].pid.clone().into(), Aim::Pid(target))
            }
        };
        // To monitor oneself never fires, and leaves no row.
        if let Aim::Name(node, which) = aim
            && self.oracle.holder(node, which, life) == Some(watcher)
        {
            return;
        }
        let open = self.open_session(life, node);
        let up = self.nodes_up(life).into_iter().find(|(up, ..)| *up == node);
        let session = up.map(|(.., session)| session).filter(|session| Some(*session) == open);
        let made = self.oracle.procs[watcher].process().monitor(target).expect("the watcher lives");
        self.counts.monitors += 1;
        let (serial, of) = (made.serial(), self.oracle.procs[watcher].pid.clone());
        self.trace(|w| format!("{of:?} monitors {aim:?} of {} as {serial}", w.names[node]));
        self.oracle.monitored(made, Monitored { watcher, aim, node, made: self.now, session });
    }

    fn demonitor(&mut self, watcher: ProcIx) {
        let monitors: Vec<usize> = self.oracle.procs[watcher].open.iter().copied().collect();
        let Some(monitor) = self.rng.choice(monitors) else { return };
        let mut options = Demonitor::new().info();
        options.flush = self.rng.bool();
        let reference = self.oracle.monitors[monitor].reference.clone();
        let process = self.oracle.procs[watcher].process();
        let was_active = process.demonitor_with(&reference, options).expect("the watcher lives");
        self.counts.demonitors += 1;
        self.counts.demonitors_late += u64::from(!was_active);
        self.trace(|_| format!("demonitor of {reference:?}, {options:?}: {was_active}"));
        self.oracle.demonitored(monitor, was_active, options.flush);
    }

    fn monitor_node(&mut self, proc: ProcIx) {
        let life = self.oracle.procs[proc].life;
        let node = self.some_node(self.lives[life].node_ix);
        let name = self.names[node].clone();
        self.oracle.procs[proc].process().monitor_node(name).expect("it lives");
    }

    /// Two nodes want each other at the same time: both dial, if they have no session.
    fn meet(&mut self, life: LifeIx, proc: ProcIx) {
        let own = self.lives[life].node_ix;
        let node = self.some_node(own);
        let Some(other) = self.homes[node].filter(|other| *other != life && !self.lives[*other].paused)
        else {
            return;
        };
        let Some(there) = self.rng.choice(self.oracle.of_life(other).to_vec()) else { return };
        for (of, to, at) in [(proc, node, life), (there, own, other)] {
            let name = self.names[to].clone();
            self.oracle.procs[of].process().monitor_node(name).expect("it lives");
            self.serve(at);
            self.touch(at);
        }
    }

    fn register(&mut self, proc: ProcIx) {
        let which = self.rng.u8(..NAMES);
        let life = self.oracle.procs[proc].life;
        let node = self.lives[life].node_ix;
        let given = self.oracle.procs[proc].process().register(registered(which)).is_ok();
        match self.oracle.holder(node, which, life) {
            None if given => self.oracle.registered(node, which, proc, self.now),
            Some(other) if given && other != proc => {
                self.violated("P3", || format!("w{which} of life {life} has two holders"));
            }
            _ => {}
        }
    }

    fn disconnect_from(&mut self, life: LifeIx) {
        let peers: Vec<NodeIx> = self.lives[life].sessions.keys().copied().collect();
        let Some(peer) = self.rng.choice(peers) else { return };
        let name = self.names[peer].clone();
        let node = self.lives[life].node.as_ref().expect("it lives");
        node.disconnect(&name).expect("the service can do that");
    }

    /// Some numbered messages to a process of a node that is up.
    fn talk(&mut self, from: ProcIx) {
        let life = self.oracle.procs[from].life;
        let up = self.nodes_up(life);
        let Some((_, peer, session)) = self.rng.choice(up) else { return };
        // What is sent on a session that is being closed waits for the next one.
        if self.open_session(life, self.node_of(&peer.name)) != Some(session) {
            return;
        }
        let Some(to) = self.rng.choice(self.oracle.of_life(life_of(&peer)).to_vec()) else { return };
        for _ in 0..self.rng.usize(1..6) {
            let sent = self.oracle.next_message(from, to, session);
            let pid = self.oracle.procs[to].pid.clone();
            let body = [session.0.to_le_bytes(), sent.to_le_bytes()].concat();
            if self.oracle.procs[from].process().send(pid, body).is_ok() {
                self.oracle.sent(from, to, session);
            }
        }
    }

    /// All processes of a node receive what waits for them, but for the slow ones.
    pub fn receive(&mut self, life: LifeIx) {
        for proc in self.oracle.of_life(life).to_vec() {
            if !self.busy || !self.oracle.procs[proc].slow {
                self.receive_of(proc);
            }
        }
    }

    pub fn receive_all(&mut self) {
        for life in 0..self.lives.len() {
            self.receive(life);
        }
    }

    fn receive_of(&mut self, proc: ProcIx) {
        while let Some(event) =
            self.oracle.procs[proc].process.as_mut().and_then(|process| process.try_recv().ok())
        {
            self.told(proc, event);
        }
    }

    /// Everybody goes.
    pub fn empty(&mut self) {
        for life in 0..self.lives.len() {
            for proc in self.oracle.of_life(life).to_vec() {
                self.end_process(proc);
            }
        }
    }
}

impl Proc {
    fn process(&self) -> &Process {
        self.process.as_ref().expect("it lives")
    }
}

fn registered(which: u8) -> RegName {
    format!("w{which}").parse().expect("a registered name")
}

/// The world numbers lives as they begin.
pub fn life_of(id: &NodeId) -> LifeIx {
    id.incarnation.get() as LifeIx - 1
}
