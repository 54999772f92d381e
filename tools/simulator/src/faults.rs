//! The faults by name, and their repair.

use peer_service::EndKind;

use crate::{
    conn::{ACCEPTOR, ConnIx, InstanceIx, NodeIx, Packet},
    time::{MS, SECOND, Time},
    world::{Event, World},
};

/// The kinds of faults of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSet {
    pub loss: bool,
    pub oneway: bool,
    pub partition: bool,
    pub crash: bool,
    pub duplicate: bool,
    pub pause: bool,
    pub skew: bool,
    pub slow: bool,
    pub flap: bool,
    pub panic: bool,
}

impl FaultSet {
    /// The names of all faults.
    pub const NAMES: [&str; 10] =
        ["loss", "oneway", "partition", "crash", "duplicate", "pause", "skew", "slow", "flap", "panic"];

    /// Parses `all`, `none`, or a list of names separated by commas.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut set = FaultSet::default();
        for name in list.split(',').filter(|name| *name != "none") {
            for name in if name == "all" { Self::NAMES.to_vec() } else { vec![name] } {
                *set.flag(name).ok_or_else(|| format!("unknown fault {name:?}"))? = true;
            }
        }
        Ok(set)
    }

    fn flag(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "loss" => &mut self.loss,
            "oneway" => &mut self.oneway,
            "partition" => &mut self.partition,
            "crash" => &mut self.crash,
            "duplicate" => &mut self.duplicate,
            "pause" => &mut self.pause,
            "skew" => &mut self.skew,
            "slow" => &mut self.slow,
            "flap" => &mut self.flap,
            "panic" => &mut self.panic,
            _ => return None,
        })
    }
}

/// Cuts of the network.
pub enum Cut {
    /// From the first node to the second, and not back.
    OneWay(NodeIx, NodeIx),
    Both(NodeIx, NodeIx),
    /// Each node is on one side; no packet passes between the sides.
    Halves(Vec<bool>),
    /// As `Halves`, but one node still reaches both sides.
    Bridge(Vec<bool>, NodeIx),
    /// Each node reaches only its neighbors in this ring.
    Ring(Vec<usize>),
}

impl Cut {
    pub fn cuts(&self, from: NodeIx, to: NodeIx) -> bool {
        match self {
            Cut::OneWay(a, b) => (from, to) == (*a, *b),
            Cut::Both(a, b) => (from, to) == (*a, *b) || (to, from) == (*a, *b),
            Cut::Halves(side) => side[from] != side[to],
            Cut::Bridge(side, bridge) => side[from] != side[to] && from != *bridge && to != *bridge,
            Cut::Ring(place) => {
                let apart = place[from].abs_diff(place[to]);
                apart > 1 && apart < place.len() - 1
            }
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Cut::OneWay(..) => "one way",
            Cut::Both(..) => "both ways",
            Cut::Halves(_) => "halves",
            Cut::Bridge(..) => "bridge",
            Cut::Ring(_) => "ring",
        }
    }
}

impl World {
    /// Injects a fault, and schedules the next one.
    pub fn inject_fault(&mut self) {
        if !self.busy {
            return;
        }
        let faults = self.settings.faults;
        let node = self.rng.usize(..self.settings.nodes);
        let kinds = [
            faults.loss,
            faults.oneway,
            faults.partition,
            faults.crash,
            faults.duplicate,
            faults.pause,
            faults.flap,
            faults.panic,
        ];
        let chosen: Vec<usize> = (0..kinds.len()).filter(|kind| kinds[*kind]).collect();
        if let (Some(kind), Some(instance)) = (self.rng.choice(chosen), self.reachable[node]) {
            match kind {
                0 => self.reset_some(instance),
                1 => self.cut_one_way(node),
                2 => self.partition(),
                3 => self.crash_and_restart(instance),
                4 => self.duplicate(node),
                5 => {
                    let time = self.rng.u64(10 * MS..12 * SECOND);
                    self.pause(instance, time);
                }
                6 => self.flap(instance),
                _ if self.rng.bool() && !self.instances[instance].paused => self.lose_task(instance),
                _ => self.plan_panic(instance),
            }
        }
        // Larger clusters have more faults.
        let often = 40 * SECOND / self.settings.nodes as u64;
        let pause = self.rng.u64(often / 10..often);
        self.queue.schedule(self.now + pause, Event::Fault);
    }

    /// Resets connections of a node. The packets on their way are lost from some point on.
    fn reset_some(&mut self, instance: InstanceIx) {
        let ends = self.ends_of(instance);
        let some: Vec<_> = ends.into_iter().filter(|_| self.rng.bool()).collect();
        for (conn, side) in some {
            self.counts.resets += 1;
            for side in [side, 1 - side] {
                self.send(conn, side, Packet::Reset);
                self.lose_tail(conn, 1 - side);
            }
        }
    }

    fn cut_one_way(&mut self, from: NodeIx) {
        let to = self.rng.usize(..self.settings.nodes);
        let time = self.rng.u64(SECOND / 2..15 * SECOND);
        self.counts.one_way += 1;
        self.cut(Cut::OneWay(from, to), time);
    }

    fn partition(&mut self) {
        // One large cut at a time: a second one could leave no connection to cut.
        if self.cuts.iter().flatten().any(|cut| !matches!(cut, Cut::OneWay(..) | Cut::Both(..))) {
            return;
        }
        let nodes = self.settings.nodes;
        let sides: Vec<bool> = (0..nodes).map(|_| self.rng.bool()).collect();
        let cut = match self.rng.u8(..3) {
            0 => Cut::Halves(sides),
            1 => Cut::Bridge(sides, self.rng.usize(..nodes)),
            _ => {
                let mut places: Vec<usize> = (0..nodes).collect();
                self.rng.shuffle(&mut places);
                Cut::Ring(places)
            }
        };
        let time = self.rng.u64(SECOND..12 * SECOND);
        self.counts.partitions += 1;
        self.cut(cut, time);
    }

    fn cut(&mut self, cut: Cut, time: Time) {
        self.trace(|_| format!("the network is cut for {} ms: {}", time / MS, cut.name()));
        self.queue.schedule(self.now + time, Event::Repair(self.cuts.len()));
        self.cuts.push(Some(cut));
    }

    pub fn repair(&mut self, cut: usize) {
        if let Some(cut) = self.cuts[cut].take() {
            self.trace(|_| format!("the network is repaired: {}", cut.name()));
            self.repaired = self.now;
            self.resume_delivery();
        }
    }

    fn crash_and_restart(&mut self, instance: InstanceIx) {
        let node = self.instances[instance].node_ix;
        let host_too = self.rng.bool();
        self.counts.crashes += 1;
        self.crash(instance, host_too);
        let time =
            if self.rng.bool() { self.rng.u64(MS..200 * MS) } else { self.rng.u64(SECOND..10 * SECOND) };
        self.queue.schedule(self.now + time, Event::Restart(node));
    }

    /// Starts a second node of the same name for a while: it dials, and no node can dial it.
    fn duplicate(&mut self, node: NodeIx) {
        self.counts.duplicates += 1;
        let instance = self.instances.len();
        self.start(node, false);
        let time = self.rng.u64(SECOND..15 * SECOND);
        self.queue.schedule(self.now + time, Event::Leave(instance));
    }

    /// Cuts and repairs the connection of a node to a peer several times.
    fn flap(&mut self, instance: InstanceIx) {
        let from = self.instances[instance].node_ix;
        let peers: Vec<NodeIx> = self.instances[instance].sessions.keys().copied().collect();
        let Some(to) = self.rng.choice(peers) else { return };
        self.counts.flaps += 1;
        for _ in 0..3 {
            if let Some(conn) = self.instances[instance].sessions.get(&to).copied() {
                for side in 0..2 {
                    self.send(conn, side, Packet::Reset);
                    self.lose_tail(conn, 1 - side);
                }
            }
            let time = self.rng.u64(50 * MS..7 * SECOND);
            self.cut(Cut::Both(from, to), time);
        }
    }

    /// Drops a task of the transport. Its promise is settled as `io::tasks` of `transport-tcp`
    /// does.
    fn lose_task(&mut self, of: InstanceIx) {
        // Handshakes are short, so the chosen node rarely has one: half of the time this chooses
        // among the handshakes of all nodes.
        let shaking = self.ends_without_session();
        let chosen = if self.rng.bool() { self.rng.choice(shaking) } else { None };
        let connections = self.ends_of(of);
        let Some((conn, side)) = chosen.or_else(|| self.rng.choice(connections)) else { return };
        let Some(instance) = self.conns[conn].end(side).map(|end| end.instance) else { return };
        let to = self.conns[conn].nodes[1 - side];
        let endpoint = self.conns[conn].ends[side].as_ref().and_then(|end| end.endpoint().cloned());
        self.counts.lost_tasks += 1;
        self.trace(|w| format!("{} loses a task for its connection {conn}", w.instances[instance].id));
        if let Some(endpoint) = endpoint {
            endpoint.end_now(EndKind::Internal.into());
            self.serve(instance);
        } else if side == ACCEPTOR {
            self.inbound_over(conn);
        } else {
            self.hang_up(conn, side, Packet::Fin);
            self.instances[instance].dialing.remove(&to);
            let (name, random) = (self.names[to].clone(), self.rng.u64(..));
            self.report(instance, |table, now| table.dialer_lost(&name, now, random));
        }
    }

    /// The ends of connections without a session, of all running nodes.
    fn ends_without_session(&self) -> Vec<(ConnIx, usize)> {
        let instances = self.instances.iter().filter(|instance| instance.alive && !instance.paused);
        let ends = instances.flat_map(|instance| instance.conns.values().copied());
        ends.filter(|(conn, side)| {
            self.conns[*conn].ends[*side].as_ref().is_some_and(|end| end.endpoint().is_none())
        })
        .collect()
    }

    /// Schedules a panic of one of the next tasks of the runtime on a node.
    fn plan_panic(&mut self, instance: InstanceIx) {
        let polls = self.rng.usize(1..100);
        if let Some(tasks) = &self.instances[instance].tasks {
            tasks.plan_panic(polls);
        }
    }

    /// Records that a task of the runtime has panicked. The promise of the task is settled with an
    /// internal error.
    pub fn panicked(&mut self, instance: InstanceIx, task: &str) {
        self.counts.panics += 1;
        self.instances[instance].panicked.push(self.now);
        self.trace(|w| format!("a task of {} has panicked: {task}", w.instances[instance].id));
    }

    /// Ends the faults: repairs all cuts, resumes and restarts nodes, and ends nodes with duplicate
    /// names.
    pub fn repair_all(&mut self) {
        self.trace(|_| "the faults stop".to_owned());
        for cut in 0..self.cuts.len() {
            self.cuts[cut] = None;
        }
        for instance in 0..self.instances.len() {
            if let Some(tasks) = &self.instances[instance].tasks {
                tasks.cancel_panic();
            }
            self.resume(instance);
            let lost = self.instances[instance].alive
                && self.reachable[self.instances[instance].node_ix] != Some(instance);
            if lost {
                self.crash(instance, false);
            }
        }
        for node in 0..self.settings.nodes {
            self.restart(node);
        }
        self.repaired = self.now;
        self.resume_delivery();
        self.receive_all();
    }
}
