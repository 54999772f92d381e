//! A small network of its own for one cluster: every node on a host of its own, all hosts on one
//! bridge, and nothing of the machine's own network anywhere near it.
//!
//! ```text
//!      host a           host b           host c         each a network namespace with one card, `eth0`
//!        |                |                |
//!     port-0           port-1           port-2          pulled out and plugged in here: [`Network::pull`]
//!        +--------------- bridge --------------+        a namespace too
//! ```
//!
//! What a host lets in is its [`firewall`]'s; how fast and in what order it sends is [`shaping`].
//! Both are the kernel's own work on real packets. What a kernel without `netem` cannot do, delay
//! most of all, a [`relay`] does: a program between two nodes, which is not the same, and says so.

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

/// On which port every node listens: each has a host to itself.
pub const PORT: u16 = 7000;

/// The hosts of one cluster. They go with it.
pub struct Network {
    bridge: Namespace,
    /// Tells the networks of one run apart.
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
    /// A bridge and so many hosts: where no node listens on one of them, a call is refused, as by
    /// any machine.
    pub fn new(hosts: usize) -> Result<Self> {
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let bridge = Namespace::new(&format!("{number}-bridge"))?;
        bridge.ip("link add bridge type bridge\nlink set bridge up\n")?;
        let network = Network { bridge, number, hosts: Mutex::default() };
        (0..hosts).try_for_each(|index| network.host(index).map(drop))?;
        Ok(network)
    }

    /// The host of that number, from 0; it is made when it is first asked for.
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

    /// The host's cable is pulled: nothing goes in or out, and its card notices.
    pub fn pull(&self, host: &Host) -> Result<()> {
        self.bridge.ip(&format!("link set {} down\n", host.port()))
    }

    /// The host's cable is plugged in.
    pub fn plug(&self, host: &Host) -> Result<()> {
        self.bridge.ip(&format!("link set {} up\n", host.port()))
    }
}

impl Host {
    /// Its address, and that of its node. From the block that is set aside for tests of networks
    /// (RFC 2544): it is nobody's, anywhere.
    pub fn address(&self) -> Ipv4Addr {
        address(self.index)
    }

    /// Its number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where processes run that live on this host.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Changes what the host lets in, all at once.
    pub fn filter(&self, change: impl FnOnce(&mut Firewall)) -> Result<()> {
        let mut firewall = lock(&self.firewall);
        change(&mut firewall);
        self.namespace.nft(&firewall.rules())
    }

    /// How many packets the host has stopped since its rules last changed.
    pub fn stopped_packets(&self) -> Result<u64> {
        firewall::stopped(&self.namespace.nft_query(&["list", "counters"])?)
    }

    /// How often the host's TCP has counted something, by the name in `/proc/net/netstat`.
    pub fn tcp_count(&self, name: &str) -> Result<u64> {
        const FILE: &str = "/proc/thread-self/net/netstat";
        let text = self
            .namespace
            .run(|| std::fs::read_to_string(FILE))?
            .with_context(|| format!("cannot read {FILE}"))?;
        Ok(tcp_count(&text, name).unwrap_or_default())
    }

    /// Sends no faster than so many kilobits a second.
    pub fn throttle(&self, kilobits: u32) -> Result<()> {
        self.namespace.tc(&shaping::throttle(kilobits))
    }

    /// Sends some packets by a way around, on which others overtake them.
    pub fn detour(&self) -> Result<()> {
        self.namespace.tc(&shaping::detour())?;
        self.filter(|firewall| firewall.detour = true)
    }

    /// Sends as fast as it can, and by one way.
    pub fn unshape(&self) -> Result<()> {
        self.namespace.tc(shaping::CLEAR)
    }

    fn port(&self) -> String {
        format!("port-{}", self.index)
    }
}

/// A number of `/proc/net/netstat`: there are lines with names, and each is followed by one with
/// their numbers.
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

/// Where the node of the host of that number listens.
pub fn node_address(index: usize) -> SocketAddr {
    SocketAddrV4::new(address(index), PORT).into()
}

/// What these locks guard is whole between any two statements.
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
