//! Checks the tables of all nodes against each other and against the oracle: P9 to P11 of
//! `docs/RACES.md`, and that nothing is stuck once the faults have stopped.

use crate::{
    conn::InstanceIx,
    oracle::{Monitor, MonitorState, MonitorTarget},
    workload::instance_of,
    world::World,
};

impl World {
    /// Checks that a node has a row for every monitor that was neither removed nor received, and
    /// for no other.
    pub fn check_rows(&mut self, instance: InstanceIx) {
        let Some(node) = &self.instances[instance].node else { return };
        let stats = node.stats();
        let (rows, open) = (stats.monitors + stats.fired, self.oracle.rows(instance));
        let right = if stats.backlog == 0 { rows == open } else { rows >= open };
        if !right {
            self.violated("P11", || {
                format!("instance {instance} has {rows} rows for {open} monitors: {stats:?}")
            });
        }
        let lost = stats.count("tasks_failed").expect("a count");
        let (panicked, failures) =
            (self.instances[instance].panicked.len() as u64, stats.count("node_failures").expect("a count"));
        if lost != panicked || failures > 0 {
            self.violated("panic", || {
                format!("instance {instance}: {panicked} panics were planned: {stats:?}")
            });
        }
        // Rows of exited watchers may remain only while there is a backlog.
    }

    /// Checks the cluster long after the faults have stopped.
    pub fn check_quiescence(&mut self) {
        self.receive_all();
        for instance in 0..self.instances.len() {
            if self.instances[instance].alive && self.violation.is_none() {
                self.check_sessions(instance);
                self.check_rows(instance);
                self.check_incoming_monitors(instance);
            }
        }
        self.check_open_monitors();
        let ends: u64 = self.counts.ends.values().sum();
        if self.settings.faults == Default::default() && ends > 0 {
            self.violated("P9", || format!("{ends} sessions have ended without a fault"));
        }
    }

    /// Checks that nothing waits, and that both ends of each session agree that it exists.
    fn check_sessions(&mut self, instance: InstanceIx) {
        let of = &self.instances[instance];
        let stuck = self.names.iter().any(|name| of.table.is_undecided(name)) || !of.dialing.is_empty();
        let alone = of.sessions.iter().find(|(to, conn)| {
            let other = self.reachable[**to].map(|other| &self.instances[other]);
            other.is_none_or(|other| other.sessions.get(&of.node_ix) != Some(conn))
        });
        let alone = alone.map(|(to, conn)| (*to, *conn));
        let up: Vec<_> =
            self.nodes_up(instance).into_iter().map(|(to, id, _)| (to, Some(instance_of(&id)))).collect();
        let expected: Vec<_> = of.sessions.keys().map(|to| (*to, self.reachable[*to])).collect();
        let stats = of.node.as_ref().map(|node| node.stats());
        let waits = stats.filter(|stats| stats.waiting > 0 || stats.backlog > 0);
        if stuck {
            self.violated("P9", || {
                format!("a dial or an inbound connection of instance {instance} waits forever")
            });
        } else if let Some((to, conn)) = alone {
            self.violated("P9", || {
                format!("instance {instance} has a session with node {to} ({conn}), and node {to} has not")
            });
        } else if up != expected {
            self.violated("P9", || {
                format!("instance {instance} reports {up:?} as up, and has sessions with {expected:?}")
            });
        } else if let Some(stats) = waits {
            self.violated("P2", || format!("instance {instance} has waiting calls or a backlog: {stats:?}"));
        }
    }

    /// Checks that a node has exactly the incoming monitors that other nodes hold on it.
    fn check_incoming_monitors(&mut self, instance: InstanceIx) {
        let node = self.instances[instance].node_ix;
        let remote = |monitor: &&Monitor| {
            let watcher = self.oracle.procs[monitor.of.watcher].instance;
            monitor.state == MonitorState::Open && monitor.of.node == node && watcher != instance
        };
        let watched = self.oracle.monitors.iter().filter(remote).count();
        let known = self.instances[instance].node.as_ref().map_or(0, |node| node.stats().incoming_monitors);
        if watched != known {
            self.violated("P10", || {
                format!("other nodes hold {watched} monitors on instance {instance}, which has {known} rows for them")
            });
        }
    }

    /// Checks that every open monitor has a running target that its watcher can reach.
    fn check_open_monitors(&mut self) {
        let lost = self.oracle.monitors.iter().filter(|monitor| monitor.state == MonitorState::Open).find(
            |monitor| {
                let watcher = &self.instances[self.oracle.procs[monitor.of.watcher].instance];
                let is_alive = match monitor.of.target {
                    MonitorTarget::Pid(target) => self.oracle.procs[target].process.is_some(),
                    MonitorTarget::Missing(_) => false,
                    MonitorTarget::Name(node, which) => {
                        let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
                        let late = |to: Option<u64>| to.is_none_or(|to| to >= monitor.of.made);
                        held.into_iter()
                            .any(|held| late(held.to) && self.oracle.procs[held.proc].process.is_some())
                    }
                };
                let reached =
                    watcher.node_ix == monitor.of.node || watcher.sessions.contains_key(&monitor.of.node);
                !is_alive || !reached
            },
        );
        if let Some(lost) = lost.map(|lost| lost.reference.clone()) {
            self.violated("P2", || format!("{lost:?} has never fired"));
        }
    }

    /// Checks that no node holds anything after all processes have exited.
    pub fn check_leaks(&mut self) {
        for instance in 0..self.instances.len() {
            let Some(stats) = self.instances[instance].node.as_ref().map(|node| node.stats()) else {
                continue;
            };
            let left = stats.processes
                + stats.monitors
                + stats.fired
                + stats.incoming_monitors
                + stats.node_monitors
                + stats.nodes_subscriptions
                + stats.waiting
                + stats.backlog;
            if left > 0 {
                self.violated("P10", || {
                    format!("instance {instance} has no process and still holds {stats:?}")
                });
            }
        }
    }
}
