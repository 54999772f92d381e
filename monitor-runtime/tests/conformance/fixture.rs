//! The fixtures of the cases: one node, two nodes in memory, or two nodes over real TCP on
//! loopback.

use std::{sync::Arc, time::Duration};

use monitor_runtime::{Config, EndKind, Incarnation, MonitorRef, NodeType, Secret, TcpConfig, prelude::*};
use parking_lot::Mutex;
use transport_tcp::TcpTransport;

use crate::{
    common::{Cluster, bare::BarePeer, eventually},
    wire::Wire,
};

/// Makes one test for each fixture on which a case runs; the case is an `async fn` of that name
/// that takes the [`Fixture`].
macro_rules! cases {
    ($($case:ident: $($place:ident),+;)+) => {$(
        mod $case {
            $(#[test]
            fn $place() {
                $crate::common::run(async { super::$case($crate::fixture::Fixture::$place().await).await });
            })+
        }
    )+};
}

/// Two nodes: watchers are on `here`, their targets on `there`. In a local case they are the same
/// node.
pub struct Fixture {
    pub here: Node,
    pub there: Node,
    pub network: Network,
}

pub enum Network {
    None,
    Memory(Cluster),
    Tcp(Tcp),
}

impl Fixture {
    pub async fn local() -> Fixture {
        let here = Cluster::new().node("here").await;
        Fixture { there: here.clone(), here, network: Network::None }
    }

    pub async fn memory() -> Fixture {
        Self::on(Network::Memory(Cluster::new())).await
    }

    pub async fn tcp() -> Fixture {
        Self::on(Network::Tcp(Tcp::new())).await
    }

    /// The same with two nodes that have short heartbeat timeouts.
    pub async fn hasty(self) -> Fixture {
        let hasty = |config: Config| config.fast();
        let here = self.network.node_with("hasty-here", hasty).await;
        let there = self.network.node_with("hasty-there", hasty).await;
        Fixture { here, there, network: self.network }
    }

    async fn on(network: Network) -> Fixture {
        let (here, there) = (network.node("here").await, network.node("there").await);
        Fixture { here, there, network }
    }

    /// A watcher on `here`, and a process on `there`.
    pub fn processes(&self) -> (Process, Process) {
        (self.here.process().unwrap(), self.there.process().unwrap())
    }

    /// Connects the two nodes, and waits until both have reported the session.
    pub async fn connected(&self) {
        if self.is_remote() {
            self.here.connect(self.there.name()).unwrap();
            eventually("both are up", || is_up(&self.here, &self.there) && is_up(&self.there, &self.here))
                .await;
        }
    }

    /// Waits until both nodes have reported the end of the session.
    pub async fn disconnected(&self) {
        eventually("both are down", || !is_up(&self.here, &self.there) && !is_up(&self.there, &self.here))
            .await;
    }

    /// Waits until each node has received everything that the other has sent.
    pub async fn settled(&self) {
        for (from, to) in [(&self.here, &self.there), (&self.there, &self.here)] {
            let mut probe = to.process().unwrap();
            from.try_send(probe.pid(), "settle").unwrap();
            assert!(probe.recv().await.is_some());
        }
    }

    /// Waits until the process on `there` has that many monitors on it.
    pub async fn watched(&self, target: &Process, count: usize) {
        eventually("the target's node has the monitors", || watchers_of(&self.there, target.pid()) == count)
            .await;
    }

    /// Waits until that many monitors in all have arrived at the targets' node.
    pub async fn arrived(&self, count: usize) {
        eventually("the targets' node has the monitors", || {
            let stats = self.there.stats();
            count == if self.is_remote() { stats.incoming_monitors } else { stats.monitors }
        })
        .await;
    }

    /// Waits until neither node has a row of any monitor.
    pub async fn nothing_left(&self) {
        eventually("the tables of both are empty", || {
            let of = |node: &Node| {
                let stats = node.stats();
                stats.monitors + stats.fired + stats.incoming_monitors + stats.waiting
            };
            of(&self.here) + of(&self.there) == 0
        })
        .await;
    }

    pub fn is_remote(&self) -> bool {
        !matches!(self.network, Network::None)
    }

    /// Resets the connection between the two, and waits until both have reported it.
    pub async fn cut(&self) {
        self.sever();
        self.disconnected().await;
    }

    /// Resets the connection between the two.
    pub fn sever(&self) {
        match &self.network {
            Network::None => unreachable!("there is no link within a node"),
            Network::Memory(cluster) => cluster.sever(&self.here, &self.there),
            Network::Tcp(tcp) => tcp.sever_all(),
        }
    }

    /// Removes `there` from the network, as after a kill.
    pub fn crash(&self) {
        match &self.network {
            Network::None => unreachable!("a case about a crash needs another node"),
            Network::Memory(cluster) => cluster.crash(&self.there),
            Network::Tcp(tcp) => tcp.vanish(&self.there),
        }
    }

    /// Starts `there` again after a crash or a stop, as a new incarnation.
    pub async fn restart(&mut self) {
        self.there = self.network.node(self.there.name().label()).await;
    }

    /// Holds all frames between the two until [`Fixture::release`].
    pub async fn hold(&self) {
        match &self.network {
            Network::None => {}
            Network::Memory(cluster) => cluster.cut(&self.here, &self.there),
            Network::Tcp(tcp) => tcp.hold().await,
        }
    }

    /// Holds all frames from `there` until [`Fixture::release`]; `here` must have dialled.
    pub async fn hold_back(&self) {
        match &self.network {
            Network::None => unreachable!("within a node there are no directions"),
            Network::Memory(cluster) => cluster.hold(&self.there, &self.here),
            Network::Tcp(tcp) => tcp.wire(self.there.name().label()).hold_back().await,
        }
    }

    pub fn release(&self) {
        match &self.network {
            Network::None => {}
            Network::Memory(cluster) => cluster.heal(&self.here, &self.there),
            Network::Tcp(tcp) => tcp.release(),
        }
    }

    /// Sends until the queue is full; returns the number of messages.
    pub fn fill(&self, from: &Process, to: &Process) -> usize {
        let body = vec![0; 64 * 1024];
        (0..100_000)
            .find(|_| from.try_send(to.pid(), body.clone()).is_err_and(|error| error.is_full()))
            .expect("there is a limit")
    }

    /// Advances the clock past the timeouts of a silent session and of an unanswered dial. Over TCP
    /// real time passes.
    pub fn silence_passes(&self) {
        if let Network::Memory(cluster) = &self.network {
            cluster.network.advance(Duration::from_secs(5));
        }
    }
}

impl Network {
    pub async fn node(&self, label: &str) -> Node {
        self.node_with(label, |config| config).await
    }

    pub async fn hidden_node(&self, label: &str) -> Node {
        match self {
            Network::Memory(cluster) => cluster.hidden_node(label).await,
            _ => self.node_with(label, |config| config.hidden(true)).await,
        }
    }

    pub async fn node_with(&self, label: &str, set: impl FnOnce(Config) -> Config) -> Node {
        match self {
            Network::None => unreachable!("a local case has one node"),
            Network::Memory(cluster) => cluster.node_with(label, set).await,
            Network::Tcp(tcp) => tcp.node_with(label, set).await,
        }
    }

    /// A peer without a node, which can send arbitrary frames.
    pub async fn bare_peer(&self, label: &str) -> BarePeer {
        match self {
            Network::None => unreachable!("a local case has no peers"),
            Network::Memory(cluster) => cluster.bare_peer(label).await,
            Network::Tcp(tcp) => tcp.bare_peer(label).await,
        }
    }
}

/// Nodes on loopback, each behind a [`Wire`] whose port is in its name, so that the name is enough
/// to dial it.
pub struct Tcp {
    secret: Secret,
    wires: Mutex<Vec<(String, Arc<Wire>)>>,
    /// Keeps nodes alive when a test drops its handle.
    nodes: Mutex<Vec<Node>>,
}

impl Tcp {
    fn new() -> Self {
        Tcp { secret: Secret::generate(), wires: Mutex::default(), nodes: Mutex::default() }
    }

    async fn node_with(&self, label: &str, set: impl FnOnce(Config) -> Config) -> Node {
        let wire = self.wire(label);
        let config = Config::new(format!("{label}@127.0.0.1:{}", wire.port))
            .listen("127.0.0.1:0".parse().unwrap())
            .secret(self.secret.clone())
            // A node that a test holds still does not time out.
            .heartbeat(Duration::from_secs(1), Duration::from_secs(60))
            .setup_timeout(Duration::from_secs(5));
        let node = Node::start(set(config)).await.unwrap();
        wire.lead_to(node.local_addr());
        self.nodes.lock().push(node.clone());
        node
    }

    async fn bare_peer(&self, label: &str) -> BarePeer {
        let config = TcpConfig::new(format!("{label}@127.0.0.1").parse().unwrap())
            .listen("127.0.0.1:0".parse().unwrap())
            .secret(self.secret.clone());
        let spawner = Arc::new(|task| smol::spawn(task).detach());
        BarePeer::new(TcpTransport::start(config, Incarnation::new(1).unwrap(), spawner).await.unwrap())
    }

    /// The wire to the node of that label, in any incarnation.
    fn wire(&self, label: &str) -> Arc<Wire> {
        let mut wires = self.wires.lock();
        if let Some((_, wire)) = wires.iter().find(|(of, _)| of == label) {
            return wire.clone();
        }
        let wire = Arc::new(Wire::new());
        wires.push((label.to_owned(), wire.clone()));
        wire
    }

    fn all(&self) -> Vec<Arc<Wire>> {
        self.wires.lock().iter().map(|(_, wire)| wire.clone()).collect()
    }

    fn sever_all(&self) {
        self.all().iter().for_each(|wire| wire.sever());
    }

    fn vanish(&self, node: &Node) {
        self.wire(node.name().label()).lead_to(None);
        self.sever_all();
    }

    async fn hold(&self) {
        for wire in self.all() {
            wire.hold().await;
        }
    }

    fn release(&self) {
        self.all().iter().for_each(|wire| wire.release());
    }
}

pub fn is_up(at: &Node, node: &Node) -> bool {
    at.nodes(NodeType::All).iter().any(|info| info.node == *node.id())
}

/// Number of monitors on a process, as its node lists them.
pub fn watchers_of(node: &Node, pid: &Pid) -> usize {
    let inspect = node.inspect();
    inspect.processes.iter().find(|process| process.pid == *pid).map_or(0, |process| process.monitored_by)
}

/// The next event, which must be the `Down` of that monitor.
pub async fn expect_down(watcher: &mut Process, monitor: &MonitorRef) -> DownReason {
    let down = crate::common::next_down(watcher).await;
    assert_eq!(down.monitor, *monitor);
    down.reason
}

pub fn exit(reason: ExitReason) -> DownReason {
    DownReason::Exit(reason)
}

/// The kind of end of the connection; panics for another reason.
pub fn no_connection(reason: &DownReason) -> EndKind {
    match reason {
        DownReason::NoConnection(end) => end.kind,
        other => panic!("not for want of a connection: {other}"),
    }
}
