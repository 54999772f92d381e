//! Faults of the network between nodes.
//!
//! Each fault is recorded for the nodes whose sessions it can end: without a recorded fault, no
//! session may end. A fault that sessions must survive, such as a low packet loss, is not recorded.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use anyhow::{Result, bail};
use harness::net::{Host, Network, firewall::Firewall, relay::Relay};

use super::{Cluster, index, node::Node};

impl Cluster<'_> {
    /// Cuts the network of a node; returns a time just before.
    pub(crate) fn pull(&self, node: &Node) -> Result<Instant> {
        self.hurt(node);
        let before = Instant::now();
        self.net().pull(&*self.host(node)?)?;
        Ok(before)
    }

    /// Restores the network of a node.
    pub(crate) fn plug(&self, node: &Node) -> Result<()> {
        self.net().plug(&*self.host(node)?)
    }

    /// Drops all packets from `from` to `to` from now on; returns a time just before.
    pub(crate) fn deafen(&self, to: &Node, from: &Node) -> Result<Instant> {
        self.hurt(from);
        self.hurt(to);
        let (sender, before) = (ip(from), Instant::now());
        self.filter(to, |firewall| {
            firewall.deaf_to.insert(sender);
        })?;
        Ok(before)
    }

    /// From now on nothing that a node sends reaches the host with that label, which is no node's.
    pub(crate) fn deafen_stranger(&self, label: &str, from: &Node) -> Result<()> {
        let sender = ip(from);
        self.net().host(index(label))?.filter(|firewall| {
            firewall.deaf_to.insert(sender);
        })
    }

    /// How many packets the host with that label, which is no node's, has stopped since its rules
    /// last changed.
    pub(crate) fn stopped_packets(&self, label: &str) -> Result<u64> {
        self.net().host(index(label))?.stopped_packets()
    }

    /// Drops all packets between the two nodes; returns a time just before.
    pub(crate) fn part(&self, one: &Node, other: &Node) -> Result<Instant> {
        let before = self.deafen(one, other)?;
        self.deafen(other, one)?;
        Ok(before)
    }

    /// Answers all packets between the two nodes with a reset; returns a time just before.
    pub(crate) fn reset(&self, one: &Node, other: &Node) -> Result<Instant> {
        self.hurt(one);
        self.hurt(other);
        let before = Instant::now();
        for (at, from) in [(one, other), (other, one)] {
            let sender = ip(from);
            self.filter(at, |firewall| {
                firewall.resets.insert(sender);
            })?;
        }
        Ok(before)
    }

    /// Drops that percentage of the packets that arrive at the node.
    pub(crate) fn lose(&self, node: &Node, percent: u8) -> Result<()> {
        self.filter(node, |firewall| firewall.loss_percent = percent)
    }

    /// Limits the rate at which the node sends, in kilobits per second.
    pub(crate) fn throttle(&self, node: &Node, kilobits: u32) -> Result<()> {
        self.host(node)?.throttle(kilobits)
    }

    /// Reorders and duplicates the packets that the node sends to these nodes.
    pub(crate) fn disorder<'n>(&self, node: &Node, to: impl Iterator<Item = &'n Node>) -> Result<()> {
        let host = self.host(node)?;
        host.detour()?;
        host.filter(|firewall| firewall.doubled_to.extend(to.map(ip)))
    }

    /// The node lets in everything again, and sends everything at once, once, and in order.
    pub(crate) fn heal(&self, node: &Node) -> Result<()> {
        let host = self.host(node)?;
        host.unshape()?;
        host.filter(|firewall| *firewall = Firewall::default())
    }

    /// A relay to where the node with that label listens, on the host with this label.
    pub(crate) fn relay(&self, host: &str, to: &str) -> Result<Relay> {
        let listen = SocketAddr::new(self.address(host).ip(), 0);
        self.at(host, || Relay::start(listen, self.address(to), self.seed()))?
    }

    fn filter(&self, node: &Node, change: impl FnOnce(&mut Firewall)) -> Result<()> {
        self.host(node)?.filter(change)
    }

    /// Returns the host on which a node runs.
    pub(crate) fn host(&self, node: &Node) -> Result<Arc<Host>> {
        // A scenario may inject faults for long without a command to a node, so this call checks
        // whether the nodes were ended.
        if self.children.interrupted() {
            bail!("interrupted");
        }
        self.net().host(index(node.name()))
    }

    /// The network of this cluster.
    fn net(&self) -> &Network {
        self.net.as_ref().expect("a scenario that hurts wires is given a network")
    }

    /// Something is done to all nodes: any session may end from now on.
    pub(crate) fn hurt_all(&self) {
        let nodes = self.state().runs.clone();
        nodes.iter().for_each(|node| self.hurt(node));
    }
}

/// Returns the address of the host on which a node runs.
pub(crate) fn ip(node: &Node) -> Ipv4Addr {
    let address = node.name().split_once('@').and_then(|(_, address)| address.parse().ok());
    match address {
        Some(SocketAddr::V4(address)) => *address.ip(),
        _ => unreachable!("every node here is named by its address, not {}", node.name()),
    }
}
