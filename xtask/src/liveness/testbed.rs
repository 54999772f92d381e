//! Pairs of nodes to measure on.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use harness::{
    children::Children,
    net::{self, Host, Network},
};

use crate::cluster::{
    heartbeat::Heartbeat,
    node::{Launch, Node},
    process::{Monitor, Process},
};

/// The settings that all nodes share.
pub(super) struct Testbed<'a> {
    pub(super) children: &'a Children,
    pub(super) program: PathBuf,
    pub(super) secret: String,
    pub(super) logs: PathBuf,
}

/// One node, with a process that is subscribed to node events and a process that others may watch.
pub(super) struct Side {
    pub(super) host: Arc<Host>,
    pub(super) node: Node,
    pub(super) watcher: Process,
    worker: Process,
}

/// Two nodes that watch each other.
pub(super) struct Pair {
    pub(super) heartbeat: Heartbeat,
    pub(super) sides: [Side; 2],
}

impl Testbed<'_> {
    /// Starts a node on that host of the network.
    pub(super) fn start(
        &self,
        net: &Network,
        host: usize,
        heartbeat: Heartbeat,
        peers: Vec<String>,
    ) -> Result<Side> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let host = net.host(host)?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let launch = Launch {
            program: self.program.clone(),
            name: name(host.index()),
            secret: self.secret.clone(),
            heartbeat,
            hidden: false,
            home: Some(host.namespace().clone()),
            peers,
            listen: None,
            by: Vec::new(),
            log_reader: None,
            log: self.logs.join(format!("{number}")),
        };
        let node = Node::start(self.children, launch)?;
        Ok(Side { watcher: node.watcher()?, worker: node.spawn()?, node, host })
    }

    /// Starts two nodes, on the hosts of these numbers.
    pub(super) fn pair(&self, net: &Network, hosts: [usize; 2], heartbeat: Heartbeat) -> Result<Pair> {
        let start = |host| self.start(net, host, heartbeat, Vec::new());
        Ok(Pair { heartbeat, sides: [start(hosts[0])?, start(hosts[1])?] })
    }

    /// The node of that side, which has been killed, starts again.
    pub(super) fn revive(&self, net: &Network, pair: &mut Pair, side: usize) -> Result<()> {
        pair.sides[side] = self.start(net, pair.sides[side].host.index(), pair.heartbeat, Vec::new())?;
        Ok(())
    }
}

impl Pair {
    /// Connects the two nodes and has them watch each other: the first monitor belongs to the first
    /// node. Returns when both monitors have arrived.
    pub(super) fn watch(&self) -> Result<[Monitor; 2]> {
        let [one, other] = &self.sides;
        one.node.meet(&other.node)?;
        let monitors = [one.watcher.monitor(&other.worker)?, other.watcher.monitor(&one.worker)?];
        for side in &self.sides {
            side.node
                .await_tables("one monitor each way", |tables| (tables.active, tables.incoming) == (1, 1))?;
        }
        Ok(monitors)
    }
}

/// The name of the node on the host of that number.
pub(super) fn name(host: usize) -> String {
    format!("n{host}@{}", net::node_address(host))
}
