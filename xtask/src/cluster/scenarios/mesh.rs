//! A cluster in which every node watches every other node, to see which sessions are lost.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::conditions::{SOON, ensure, poll};

use crate::cluster::{
    Cluster,
    heartbeat::Heartbeat,
    node::Node,
    process::{Monitor, NORMAL, Process, Wanted},
    protocol::{Command, Exit},
};

/// The reason that a node reports for a session that ended by a network fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// Silence for the configured timeout; or the other side timed out and closed the session.
    Silence,
    /// The connection was lost.
    Reset,
}

/// Nodes, each with a watcher of all events, a worker, and a monitor on every other node's worker.
pub(super) struct Mesh<'a> {
    cluster: &'a Cluster<'a>,
    heartbeat: Heartbeat,
    pub(super) nodes: Vec<Node>,
    pub(super) watchers: Vec<Process>,
    workers: Vec<Process>,
    /// By the number of the watcher's node and that of the target's.
    monitors: BTreeMap<(usize, usize), Monitor>,
    /// Number of open descriptors of each node while all sessions are up and idle.
    descriptors: Vec<usize>,
}

impl<'a> Mesh<'a> {
    /// Starts that many nodes, and returns when all have sessions with each other.
    pub(super) fn new(cluster: &'a Cluster<'a>, size: usize, heartbeat: Heartbeat) -> Result<Self> {
        let labels = (b'a'..=b'z').take(size).map(|letter| char::from(letter).to_string());
        let start = |label: String| cluster.node_with(&label, |launch| launch.heartbeat = heartbeat);
        Self::of(cluster, labels.map(start).collect::<Result<_>>()?, heartbeat)
    }

    /// The same for nodes that are already started.
    pub(super) fn of(cluster: &'a Cluster<'a>, nodes: Vec<Node>, heartbeat: Heartbeat) -> Result<Self> {
        let mut mesh = Mesh {
            cluster,
            heartbeat,
            watchers: nodes.iter().map(Node::watcher).collect::<Result<_>>()?,
            workers: nodes.iter().map(Node::spawn).collect::<Result<_>>()?,
            monitors: BTreeMap::new(),
            descriptors: Vec::new(),
            nodes,
        };
        let all: Vec<_> = mesh.pairs().collect();
        mesh.join(&all)?;
        mesh.descriptors = mesh.nodes.iter().map(Node::descriptors).collect::<Result<_>>()?;
        Ok(mesh)
    }

    /// Every two nodes, the lower number first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let size = self.nodes.len();
        (0..size).flat_map(move |one| (one + 1..size).map(move |other| (one, other)))
    }

    /// Connects these pairs, which can reach each other, has them watch each other, and waits until
    /// the cluster is idle.
    pub(super) fn join(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        for &(one, other) in pairs {
            self.nodes[one].meet(&self.nodes[other])?;
            self.watch(one, other)?;
        }
        self.cluster.at_rest()
    }

    /// Expects that these pairs have lost each other since that time: both sides must report it
    /// within the configured time, and no other pair may. Returns the longest detection time.
    pub(super) fn expect_lost(
        &self,
        pairs: &[(usize, usize)],
        since: Instant,
        loss: Loss,
    ) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for &(one, other) in pairs {
            for way in [(one, other), (other, one)] {
                slowest = slowest.max(self.expect_told(way, since, loss)?);
            }
        }
        let others: Vec<_> = self.pairs().filter(|pair| !pairs.contains(pair)).collect();
        self.expect_kept(&others)?;
        Ok(slowest)
    }

    /// Expects that the first node has lost the second since that time, and reports it within the
    /// configured time. Returns the detection time.
    pub(super) fn expect_told(&self, way: (usize, usize), since: Instant, loss: Loss) -> Result<Duration> {
        let down = |kinds| self.monitors[&way].expect_down(Wanted::NoConnection(kinds));
        match loss {
            Loss::Silence => self.heartbeat.silence(since, down(&["Timeout", "Closed"])?),
            Loss::Reset => self.heartbeat.sign(since, down(&["Closed"])?),
        }
    }

    /// Expects that these pairs have not lost each other.
    pub(super) fn expect_kept(&self, pairs: &[(usize, usize)]) -> Result<()> {
        for &(one, other) in pairs {
            for way in [(one, other), (other, one)] {
                self.monitors[&way].expect_silence("the two can reach each other")?;
            }
        }
        Ok(())
    }

    /// Expects that no pair has lost its session.
    pub(super) fn expect_all_kept(&self) -> Result<()> {
        self.watchers.iter().try_for_each(Process::drain)?;
        self.expect_kept(&self.pairs().collect::<Vec<_>>())
    }

    /// For every pair of nodes, a process on one is monitored from the other, sends it that many
    /// messages, and exits. Returns the monitors; the caller checks how they ended.
    pub(super) fn traffic(&self, messages: usize) -> Result<Vec<Monitor>> {
        let mut spoken = Vec::new();
        for &(from, to) in self.monitors.keys() {
            let sender = self.nodes[from].spawn()?;
            spoken.push((self.watchers[to].monitor(&sender)?, sender, self.watchers[to].pid()));
        }
        // A monitor that arrives after the exit would only report `NoProc`.
        self.cluster.at_rest()?;
        for (_, sender, to) in &spoken {
            let process = sender.pid().to_owned();
            // On a network that is bad enough to end sessions, there may be no session for the
            // messages.
            let command = Command::Send { process, to: (*to).to_owned(), count: messages };
            sender.node().try_ask(command)?;
            sender.exit(Exit::Normal)?;
        }
        Ok(spoken.into_iter().map(|(monitor, ..)| monitor).collect())
    }

    /// Returns the pairs that have lost each other at any time until now.
    pub(super) fn lost(&self) -> Vec<(usize, usize)> {
        self.pairs()
            .filter(|&(one, other)| {
                self.monitors[&(one, other)].is_down() || self.monitors[&(other, one)].is_down()
            })
            .collect()
    }

    /// The pairs that have lost each other watch each other again, which makes them dial; this does
    /// not wait for a result.
    pub(super) fn watch_again(&mut self) -> Result<()> {
        self.lost().into_iter().try_for_each(|(one, other)| self.watch(one, other))
    }

    fn watch(&mut self, one: usize, other: usize) -> Result<()> {
        for way in [(one, other), (other, one)] {
            self.monitors.insert(way, self.watchers[way.0].monitor(&self.workers[way.1])?);
        }
        Ok(())
    }

    /// Waits until no notice is outstanding and reconnects the pairs that have lost each other,
    /// until no pair is lost.
    pub(super) fn converge(&mut self) -> Result<()> {
        let joined = poll(2 * SOON, || {
            self.cluster.at_rest()?;
            let lost = self.lost();
            if lost.is_empty() {
                return Ok(Some(()));
            }
            self.join(&lost)?;
            Ok(None)
        })?;
        ensure(joined.is_some(), || {
            "nodes lose each other although nothing is the matter any more".to_owned()
        })
    }

    /// All workers exit, all watchers receive their Downs, and nothing is left: no monitor, no
    /// session more than one a pair, no descriptor more than in the beginning.
    pub(super) fn finish(self) -> Result<()> {
        self.workers.iter().try_for_each(|worker| worker.exit(Exit::Normal))?;
        for monitor in self.monitors.values() {
            monitor.expect_down(NORMAL)?;
        }
        let sessions = self.nodes.len() as u64 - 1;
        for (node, before) in self.nodes.iter().zip(&self.descriptors) {
            node.await_tables("no monitors, and a session with each other node", |tables| {
                (tables.active, tables.incoming, tables.sessions) == (0, 0, sessions)
            })?;
            node.await_descriptors(*before)?;
        }
        Ok(())
    }
}
