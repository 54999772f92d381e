//! A separate network for one cluster: each node has a host of its own, all hosts are on one
//! bridge, and the bridge is not connected to the network of the machine.
//!
//! ```text
//!      host a           host b           host c         each a network namespace with one card, `eth0`
//!        |                |                |
//!     port-0           port-1           port-2          pulled out and plugged in here: [`Network::pull`]
//!        +--------------- bridge --------------+        a namespace too
//! ```
//!
//! The [`firewall`] of a host decides which packets it accepts; [`shaping`] sets the rate and the
//! order in which it sends. Both use the kernel on real packets. A kernel without `netem` cannot
//! delay packets: a [`relay`] between two nodes does this instead, with the differences that its
//! page lists.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result};

use self::{firewall::Firewall, namespace::Namespace};

pub mod firewall;
pub mod namespace;
pub mod relay;
pub mod shaping;
mod tools;

pub use tools::available;

/// The port of every node: each has a host of its own.
pub const PORT: u16 = 7000;

/// The hosts of one cluster, removed on drop.
pub struct Network {
    bridge: Namespace,
    /// Distinguishes the networks of one run.
    number: usize,
    hosts: Mutex<Vec<Arc<Host>>>,
}

/// One host.
pub struct Host {
    index: usize,
    namespace: Arc<Namespace>,
    firewall: Mutex<Firewall>,
}

impl Network {
    /// A bridge and this number of hosts. A host without a node refuses connections, as any machine
    /// does.
    pub fn new(hosts: usize) -> Result<Self> {
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let bridge = Namespace::new(&format!("{number}-bridge"))?;
        bridge.ip("link add bridge type bridge\nlink set bridge up\n")?;
        let network = Network { bridge, number, hosts: Mutex::default() };
        (0..hosts).try_for_each(|index| network.host(index).map(drop))?;
        Ok(network)
    }

    /// The host of that number, from 0. It is created when it is first requested.
    pub fn host(&self, index: usize) -> Result<Arc<Host>> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.iter().find(|host| host.index == index) {
            return Ok(host.clone());
        }
        let host = Arc::new(Host {
            index,
            namespace: Arc::new(Namespace::new(&format!("{}-{index}", self.number))?),
            firewall: Mutex::default(),
        });
        self.cable(&host)?;
        hosts.push(host.clone());
        Ok(host)
    }

    fn cable(&self, host: &Host) -> Result<()> {
        let (namespace, port) = (host.namespace.name(), host.port());
        self.bridge.ip(&format!(
            "link add {port} type veth peer name eth0 netns {namespace}\nlink set {port} master bridge up\n"
        ))?;
        host.namespace
            .ip(&format!("link set lo up\naddress add {}/16 dev eth0\nlink set eth0 up\n", host.address()))
    }

    /// Disconnects the cable of a host: no packet passes, and its card reports that it has no
    /// carrier.
    pub fn pull(&self, host: &Host) -> Result<()> {
        self.bridge.ip(&format!("link set {} down\n", host.port()))
    }

    /// Reconnects the cable of a host.
    pub fn plug(&self, host: &Host) -> Result<()> {
        self.bridge.ip(&format!("link set {} up\n", host.port()))
    }
}

impl Host {
    /// The address of the host and of its node, from the block that RFC 2544 reserves for tests of
    /// networks.
    pub fn address(&self) -> Ipv4Addr {
        address(self.index)
    }

    /// The number of the host.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The namespace for processes on this host.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Changes the firewall of the host atomically.
    pub fn filter(&self, change: impl FnOnce(&mut Firewall)) -> Result<()> {
        let mut firewall = lock(&self.firewall);
        change(&mut firewall);
        self.namespace.nft(&firewall.rules())
    }

    /// Number of packets that the host has dropped since its rules last changed.
    pub fn stopped_packets(&self) -> Result<u64> {
        firewall::stopped(&self.namespace.nft_query(&["list", "counters"])?)
    }

    /// The value of a TCP counter of the host, by its name in `/proc/net/netstat`.
    pub fn tcp_count(&self, name: &str) -> Result<u64> {
        const FILE: &str = "/proc/thread-self/net/netstat";
        let text = self
            .namespace
            .run(|| std::fs::read_to_string(FILE))?
            .with_context(|| format!("cannot read {FILE}"))?;
        Ok(tcp_count(&text, name).unwrap_or_default())
    }

    /// Limits the rate at which the host sends, in kilobits per second.
    pub fn throttle(&self, kilobits: u32) -> Result<()> {
        self.namespace.tc(&shaping::throttle(kilobits))
    }

    /// Sends some packets by a detour, on which other packets overtake them.
    pub fn detour(&self) -> Result<()> {
        self.namespace.tc(&shaping::detour())?;
        self.filter(|firewall| firewall.detour = true)
    }

    /// Removes the limit and the detour.
    pub fn unshape(&self) -> Result<()> {
        self.namespace.tc(shaping::CLEAR)
    }

    fn port(&self) -> String {
        format!("port-{}", self.index)
    }
}

/// A number of `/proc/net/netstat`, where each line with names is followed by a line with the
/// numbers.
fn tcp_count(text: &str, name: &str) -> Option<u64> {
    let lines: Vec<_> = text.lines().collect();
    let mut named = lines.chunks_exact(2).flat_map(|pair| pair[0].split(' ').zip(pair[1].split(' ')));
    named.find(|(found, _)| *found == name)?.1.parse().ok()
}

/// The address of the host of that number.
pub fn address(index: usize) -> Ipv4Addr {
    let number = u16::try_from(index + 1).expect("a network has few hosts").to_be_bytes();
    Ipv4Addr::new(198, 18, number[0], number[1])
}

/// The address at which the node on the host of that number listens.
pub fn node_address(index: usize) -> SocketAddr {
    SocketAddrV4::new(address(index), PORT).into()
}

/// Ignores poisoning: a panic elsewhere leaves the guarded values consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_hosts_share_an_address() {
        assert_eq!(address(0).to_string(), "198.18.0.1");
        assert_eq!(address(255).to_string(), "198.18.1.0");
        assert_eq!(node_address(3).to_string(), "198.18.0.4:7000");
    }

    #[test]
    fn a_number_stands_below_its_name() {
        let text = "TcpExt: SyncookiesSent TCPOFOQueue\nTcpExt: 3 17\nIpExt: InNoRoutes\nIpExt: 5\n";
        assert_eq!(tcp_count(text, "TCPOFOQueue"), Some(17));
        assert_eq!(tcp_count(text, "InNoRoutes"), Some(5));
        assert_eq!(tcp_count(text, "TCPLoss"), None);
    }
}
