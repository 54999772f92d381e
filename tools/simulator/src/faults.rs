//! What breaks, by name, and how it is mended.

use peer_service::EndKind;

use crate::{
    conn::{ACCEPTOR, ConnIx, LifeIx, NodeIx, Packet},
    time::{MS, SECOND, Time},
    world::{Event, World},
};

/// Which faults there are in a run.
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
    /// All of them, by name.
    pub const NAMES: [&str; 10] =
        ["loss", "oneway", "partition", "crash", "duplicate", "pause", "skew", "slow", "flap", "panic"];

    /// Reads `all`, `none`, or names with commas between them.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut set = FaultSet::default();
        for name in list.split(',').filter(|name| *name != "none") {
            for name in if name == "all" { Self::NAMES.to_vec() } else { vec![name] } {
                *set.flag(name).ok_or_else(|| format!("no fault is called {name:?}"))? = true;
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

/// Ways that are cut.
pub enum Cut {
    /// From one node to the other, and not back.
    OneWay(NodeIx, NodeIx),
    Both(NodeIx, NodeIx),
    /// Each node belongs to a side; nothing passes between the sides.
    Halves(Vec<bool>),
    /// As halves, but one node still reaches both sides.
    Bridge(Vec<bool>, NodeIx),
    /// Each node reaches its neighbours only, in this order round.
    Ring(Vec<usize>),
}

impl Cut {
    pub fn holds_up(&self, from: NodeIx, to: NodeIx) -> bool {
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
    /// Breaks something, and plans the next time.
    pub fn break_something(&mut self) {
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
        if let (Some(kind), Some(life)) = (self.rng.choice(chosen), self.homes[node]) {
            match kind {
                0 => self.reset_some(life),
                1 => self.cut_one_way(node),
                2 => self.partition(),
                3 => self.crash_and_restart(life),
                4 => self.duplicate(node),
                5 => {
                    let time = self.rng.u64(10 * MS..12 * SECOND);
                    self.pause(life, time);
                }
                6 => self.flap(life),
                _ if self.rng.bool() && !self.lives[life].paused => self.lose_task(life),
                _ => self.plan_panic(life),
            }
        }
        // Larger clusters break more often.
        let often = 40 * SECOND / self.settings.nodes as u64;
        let pause = self.rng.u64(often / 10..often);
        self.agenda.plan(self.now + pause, Event::Break);
    }

    /// Connections of a node are reset, and what was on its way is lost from some point on.
    fn reset_some(&mut self, life: LifeIx) {
        let ends = self.ends_of(life);
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
        // Several at once leave nothing to be cut.
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
        self.agenda.plan(self.now + time, Event::Mend(self.cuts.len()));
        self.cuts.push(Some(cut));
    }

    pub fn mend(&mut self, cut: usize) {
        if let Some(cut) = self.cuts[cut].take() {
            self.trace(|_| format!("the network is mended: {}", cut.name()));
            self.mended = self.now;
            self.move_again();
        }
    }

    fn crash_and_restart(&mut self, life: LifeIx) {
        let node = self.lives[life].node_ix;
        let host_too = self.rng.bool();
        self.counts.crashes += 1;
        self.crash(life, host_too);
        let time =
            if self.rng.bool() { self.rng.u64(MS..200 * MS) } else { self.rng.u64(SECOND..10 * SECOND) };
        self.agenda.plan(self.now + time, Event::Restart(node));
    }

    /// A second node bears the name for a while: it dials others, and nobody reaches it.
    fn duplicate(&mut self, node: NodeIx) {
        self.counts.duplicates += 1;
        let life = self.lives.len();
        self.start(node, false);
        let time = self.rng.u64(SECOND..15 * SECOND);
        self.agenda.plan(self.now + time, Event::Leave(life));
    }

    /// The link of a node to some peer comes and goes.
    fn flap(&mut self, life: LifeIx) {
        let from = self.lives[life].node_ix;
        let peers: Vec<NodeIx> = self.lives[life].sessions.keys().copied().collect();
        let Some(to) = self.rng.choice(peers) else { return };
        self.counts.flaps += 1;
        for _ in 0..3 {
            if let Some(conn) = self.lives[life].sessions.get(&to).copied() {
                for side in 0..2 {
                    self.send(conn, side, Packet::Reset);
                    self.lose_tail(conn, 1 - side);
                }
            }
            let time = self.rng.u64(50 * MS..7 * SECOND);
            self.cut(Cut::Both(from, to), time);
        }
    }

    /// A task of the transport is lost, and what it owes is paid as `io::tasks` of `transport-tcp`
    /// pays it.
    fn lose_task(&mut self, of: LifeIx) {
        // Handshakes are short: of them there is hardly ever one on a node that was chosen before.
        let shaking = self.ends_without_session();
        let chosen = if self.rng.bool() { self.rng.choice(shaking) } else { None };
        let connections = self.ends_of(of);
        let Some((conn, side)) = chosen.or_else(|| self.rng.choice(connections)) else { return };
        let Some(life) = self.conns[conn].end(side).map(|end| end.life) else { return };
        let to = self.conns[conn].nodes[1 - side];
        let line = self.conns[conn].ends[side].as_ref().and_then(|end| end.line().cloned());
        self.counts.lost_tasks += 1;
        self.trace(|w| format!("{} loses a task for its connection {conn}", w.lives[life].id));
        if let Some(line) = line {
            line.end_now(EndKind::Internal.into());
            self.serve(life);
        } else if side == ACCEPTOR {
            self.inbound_over(conn);
        } else {
            self.hang_up(conn, side, Packet::Fin);
            self.lives[life].dialling.remove(&to);
            let (name, random) = (self.names[to].clone(), self.rng.u64(..));
            self.report(life, |table, now| table.dialer_lost(&name, now, random));
        }
    }

    /// The ends of connections that are no sessions yet, of nodes that run.
    fn ends_without_session(&self) -> Vec<(ConnIx, usize)> {
        let lives = self.lives.iter().filter(|life| life.alive && !life.paused);
        let ends = lives.flat_map(|life| life.conns.values().copied());
        ends.filter(|(conn, side)| {
            self.conns[*conn].ends[*side].as_ref().is_some_and(|end| end.line().is_none())
        })
        .collect()
    }

    /// One of the next tasks of the runtime that run on a node will panic.
    fn plan_panic(&mut self, life: LifeIx) {
        let polls = self.rng.usize(1..100);
        if let Some(tasks) = &self.lives[life].tasks {
            tasks.plan_panic(polls);
        }
    }

    /// A task of the runtime has panicked. What depended on it has ended, and says so.
    pub fn struck(&mut self, life: LifeIx, task: &str) {
        self.counts.panics += 1;
        self.lives[life].struck.push(self.now);
        self.trace(|w| format!("a task of {} has panicked: {task}", w.lives[life].id));
    }

    /// The faults stop: everything that was broken is mended, and nobody bears another's name.
    pub fn heal(&mut self) {
        self.trace(|_| "the faults stop".to_owned());
        for cut in 0..self.cuts.len() {
            self.cuts[cut] = None;
        }
        for life in 0..self.lives.len() {
            if let Some(tasks) = &self.lives[life].tasks {
                tasks.cancel_panic();
            }
            self.resume(life);
            let lost = self.lives[life].alive && self.homes[self.lives[life].node_ix] != Some(life);
            if lost {
                self.crash(life, false);
            }
        }
        for node in 0..self.settings.nodes {
            self.restart(node);
        }
        self.mended = self.now;
        self.move_again();
        self.receive_all();
    }
}
