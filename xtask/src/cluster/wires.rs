//! What can be done to the wires between nodes.
//!
//! Each fault is recorded for the nodes that it can cost a session: where nothing was done, no session may end. What a
//! network must bear without losing anybody, such as a little loss, is not recorded.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use anyhow::{Result, bail};
use harness::net::{Host, Network, firewall::Firewall, relay::Relay};

use super::{Cluster, index, node::Node};

impl Cluster<'_> {
    /// The cable of a node is pulled out; returns a moment before.
    pub(crate) fn pull(&self, node: &Node) -> Result<Instant> {
        self.hurt(node);
        let before = Instant::now();
        self.net().pull(&*self.host(node)?)?;
        Ok(before)
    }

    /// It is plugged in again.
    pub(crate) fn plug(&self, node: &Node) -> Result<()> {
        self.net().plug(&*self.host(node)?)
    }

    /// From now on nothing that `from` sends reaches `to`; returns a moment before.
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

    /// How many packets the host with that label, which is no node's, has stopped since its rules last changed.
    pub(crate) fn stopped_packets(&self, label: &str) -> Result<u64> {
        self.net().host(index(label))?.stopped_packets()
    }

    /// The two hear nothing of each other; returns a moment before.
    pub(crate) fn part(&self, one: &Node, other: &Node) -> Result<Instant> {
        let before = self.deafen(one, other)?;
        self.deafen(other, one)?;
        Ok(before)
    }

    /// Whatever one of the two sends the other is answered with a reset; returns a moment before.
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

    /// Of what arrives at the node so many packets in a hundred are lost.
    pub(crate) fn lose(&self, node: &Node, percent: u8) -> Result<()> {
        self.filter(node, |firewall| firewall.loss_percent = percent)
    }

    /// The node sends at most so many kilobits a second.
    pub(crate) fn throttle(&self, node: &Node, kilobits: u32) -> Result<()> {
        self.host(node)?.throttle(kilobits)
    }

    /// What the node sends to these comes out of order, and twice.
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

    /// The host that a node lives on.
    pub(crate) fn host(&self, node: &Node) -> Result<Arc<Host>> {
        // A story about wires need not speak with a node for long; this is where it learns that its nodes are gone.
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
        let nodes = self.state().lives.clone();
        nodes.iter().for_each(|node| self.hurt(node));
    }
}

/// The address of the host that a node lives on.
pub(crate) fn ip(node: &Node) -> Ipv4Addr {
    let address = node.name().split_once('@').and_then(|(_, address)| address.parse().ok());
    match address {
        Some(SocketAddr::V4(address)) => *address.ip(),
        _ => unreachable!("every node here is named by its address, not {}", node.name()),
    }
}
