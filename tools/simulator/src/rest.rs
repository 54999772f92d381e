//! Holds the tables of all nodes against each other and against the truth: P9 to P11 of
//! `docs/RACES.md`, and that nothing is stuck once the faults have stopped.

use crate::{
    conn::LifeIx,
    oracle::{Aim, Fate, Monitor},
    workload::life_of,
    world::World,
};

impl World {
    /// A node keeps a row for every monitor that was neither ended nor received, and for no other.
    pub fn judge_tables(&mut self, life: LifeIx) {
        let Some(node) = &self.lives[life].node else { return };
        let stats = node.stats();
        let (rows, open) = (stats.monitors + stats.fired, self.oracle.rows(life));
        let right = if stats.backlog == 0 { rows == open } else { rows >= open };
        if !right {
            self.violated("P11", || format!("life {life} keeps {rows} rows for {open} monitors: {stats:?}"));
        }
        let lost = stats.count("tasks_failed").expect("a count");
        let (struck, failures) =
            (self.lives[life].struck.len() as u64, stats.count("node_failures").expect("a count"));
        if lost != struck || failures > 0 {
            self.violated("panic", || format!("life {life}: {struck} tasks were to panic: {stats:?}"));
        }
        // What dead watchers leave goes within the backlog; nothing else may be there.
    }

    /// The faults have stopped long ago.
    pub fn judge_rest(&mut self) {
        self.receive_all();
        for life in 0..self.lives.len() {
            if self.lives[life].alive && self.violation.is_none() {
                self.judge_links(life);
                self.judge_tables(life);
                self.judge_incoming(life);
            }
        }
        self.judge_monitors();
        let ends: u64 = self.counts.ends.values().sum();
        if self.settings.faults == Default::default() && ends > 0 {
            self.violated("P9", || format!("{ends} sessions have ended, and there was no fault"));
        }
    }

    /// Nothing waits, and both ends of each session agree that it is there.
    fn judge_links(&mut self, life: LifeIx) {
        let of = &self.lives[life];
        let stuck = self.names.iter().any(|name| of.table.is_undecided(name)) || !of.dialling.is_empty();
        let alone = of.sessions.iter().find(|(to, conn)| {
            let other = self.homes[**to].map(|other| &self.lives[other]);
            other.is_none_or(|other| other.sessions.get(&of.node_ix) != Some(conn))
        });
        let alone = alone.map(|(to, conn)| (*to, *conn));
        let up: Vec<_> =
            self.nodes_up(life).into_iter().map(|(to, id, _)| (to, Some(life_of(&id)))).collect();
        let true_: Vec<_> = of.sessions.keys().map(|to| (*to, self.homes[*to])).collect();
        let stats = of.node.as_ref().map(|node| node.stats());
        let waits = stats.filter(|stats| stats.waiting > 0 || stats.backlog > 0);
        if stuck {
            self.violated("P9", || format!("a dial or an inbound connection of life {life} waits for ever"));
        } else if let Some((to, conn)) = alone {
            self.violated("P9", || {
                format!("life {life} has a session with node {to} ({conn}) which has it not")
            });
        } else if up != true_ {
            self.violated("P9", || format!("life {life} says that {up:?} are up, and there are {true_:?}"));
        } else if let Some(stats) = waits {
            self.violated("P2", || format!("something waits for ever in life {life}: {stats:?}"));
        }
    }

    /// What others watch on a node is what it knows of.
    fn judge_incoming(&mut self, life: LifeIx) {
        let node = self.lives[life].node_ix;
        let remote = |monitor: &&Monitor| {
            let watcher = self.oracle.procs[monitor.of.watcher].life;
            monitor.fate == Fate::Open && monitor.of.node == node && watcher != life
        };
        let watched = self.oracle.monitors.iter().filter(remote).count();
        let known = self.lives[life].node.as_ref().map_or(0, |node| node.stats().incoming_monitors);
        if watched != known {
            self.violated("P10", || {
                format!("others hold {watched} monitors on life {life}, it knows of {known}")
            });
        }
    }

    /// Whoever is still watched, lives and can be reached.
    fn judge_monitors(&mut self) {
        let lost = self.oracle.monitors.iter().filter(|monitor| monitor.fate == Fate::Open).find(|monitor| {
            let watcher = &self.lives[self.oracle.procs[monitor.of.watcher].life];
            let lives = match monitor.of.aim {
                Aim::Pid(target) => self.oracle.procs[target].process.is_some(),
                Aim::Nobody(_) => false,
                Aim::Name(node, which) => {
                    let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
                    let late = |to: Option<u64>| to.is_none_or(|to| to >= monitor.of.made);
                    held.into_iter()
                        .any(|held| late(held.to) && self.oracle.procs[held.proc].process.is_some())
                }
            };
            let reached =
                watcher.node_ix == monitor.of.node || watcher.sessions.contains_key(&monitor.of.node);
            !lives || !reached
        });
        if let Some(lost) = lost.map(|lost| lost.reference.clone()) {
            self.violated("P2", || format!("{lost:?} has never fired"));
        }
    }

    /// All processes have exited.
    pub fn judge_emptiness(&mut self) {
        for life in 0..self.lives.len() {
            let Some(stats) = self.lives[life].node.as_ref().map(|node| node.stats()) else { continue };
            let left = stats.processes
                + stats.monitors
                + stats.fired
                + stats.incoming_monitors
                + stats.node_monitors
                + stats.nodes_subscriptions
                + stats.waiting
                + stats.backlog;
            if left > 0 {
                self.violated("P10", || format!("life {life} is empty and still holds {stats:?}"));
            }
        }
    }
}
