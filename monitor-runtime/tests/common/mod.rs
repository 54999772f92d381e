//! Shared by all tests: a cluster in memory, and waiting with a timeout.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod alias_attack;
pub mod alone;
pub mod bare;

use std::{future::Future, time::Duration};

use bare::BarePeer;
use monitor_runtime::{
    Bytes, Config, Down, DownReason, EndKind, Event, ExitReason, Monitor, Node, NodeDown, NodeName, NodeUp,
    Process, RegName,
};
use parking_lot::Mutex;
use peer_service::memory::{Join, Network};

/// Maximum time that a test waits for a condition: long enough for an overloaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    smol::block_on(smol::future::or(test, async {
        smol::Timer::after(PATIENCE).await;
        panic!("the test takes too long");
    }))
}

/// Waits, by polling, until the condition holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE / 2;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
        smol::Timer::after(Duration::from_millis(1)).await;
    }
}

pub fn name(text: &str) -> RegName {
    text.parse().unwrap()
}

/// Hides the backtraces of panics that a test causes on purpose. Other panics of the test's own
/// thread are shown.
pub fn panic_quietly() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some("obit") {
            usual(info);
        }
    }));
}

pub async fn expect_exit(monitor: Monitor, reason: ExitReason) -> Down {
    let down = monitor.await;
    assert_eq!(down.reason, DownReason::Exit(reason));
    down
}

pub async fn expect_no_connection(monitor: Monitor, kind: EndKind) {
    let down = monitor.await;
    assert!(matches!(down.reason, DownReason::NoConnection(end) if end.kind == kind), "{down:?}");
}

/// The body of the next event, which must be a message.
pub async fn next_body(mailbox: &mut Process) -> Bytes {
    match mailbox.recv().await {
        Some(Event::Message(message)) => message.body,
        other => panic!("not a message: {other:?}"),
    }
}

pub async fn next_down(mailbox: &mut Process) -> Down {
    match mailbox.recv().await {
        Some(Event::Down(down)) => down,
        other => panic!("not a down of a process: {other:?}"),
    }
}

pub async fn next_node_up(mailbox: &mut Process) -> NodeUp {
    match mailbox.recv().await {
        Some(Event::NodeUp(up)) => up,
        other => panic!("not an up of a node: {other:?}"),
    }
}

pub async fn next_node_down(mailbox: &mut Process) -> NodeDown {
    match mailbox.recv().await {
        Some(Event::NodeDown(down)) => down,
        other => panic!("not a down of a node: {other:?}"),
    }
}

/// Nodes on one network, in memory, each on its own thread. The network's clock stands still unless
/// a test advances it.
pub struct Cluster {
    pub network: Network,
    /// Keeps nodes alive when a test drops its handle.
    nodes: Mutex<Vec<Node>>,
}

impl Cluster {
    pub fn new() -> Self {
        Cluster { network: Network::new(), nodes: Mutex::default() }
    }

    pub async fn node(&self, label: &str) -> Node {
        self.node_with(label, |config| config).await
    }

    pub async fn node_with(&self, label: &str, set: impl FnOnce(Config) -> Config) -> Node {
        self.hold_on(self.start(Join::new(node_name(label)), set).await)
    }

    pub async fn hidden_node(&self, label: &str) -> Node {
        self.hold_on(self.start(Join::new(node_name(label)).hidden(true), |config| config).await)
    }

    /// A node that is dropped when the test drops its last handle of it.
    pub async fn node_unheld(&self, label: &str) -> Node {
        self.start(Join::new(node_name(label)), |config| config).await
    }

    async fn start(&self, join: Join, set: impl FnOnce(Config) -> Config) -> Node {
        let config = set(Config::new(join.name.clone()));
        Node::with_service(config, self.network.join_with(join)).unwrap()
    }

    fn hold_on(&self, node: Node) -> Node {
        self.nodes.lock().push(node.clone());
        node
    }

    pub async fn bare_peer(&self, label: &str) -> BarePeer {
        BarePeer::new(self.network.join(node_name(label)))
    }

    /// Connects `a` to `b` if necessary, and waits until `b` has received everything that `a` has
    /// sent.
    pub async fn settle(&self, a: &Node, b: &Node) {
        let mut probe = b.process().unwrap();
        a.try_send(probe.pid(), "settle").unwrap();
        assert!(probe.recv().await.is_some());
    }

    /// Holds all frames between the two.
    pub fn cut(&self, a: &Node, b: &Node) {
        self.network.cut(a.name(), b.name());
    }

    /// Holds all frames from `from` to `to`.
    pub fn hold(&self, from: &Node, to: &Node) {
        self.network.cut_one_way(from.name(), to.name());
    }

    /// Delivers the held frames and all later ones.
    pub fn heal(&self, a: &Node, b: &Node) {
        self.network.heal(a.name(), b.name());
    }

    /// Their connection is reset.
    pub fn sever(&self, a: &Node, b: &Node) {
        self.network.sever(a.name(), b.name());
    }

    pub fn freeze(&self, node: &Node) {
        self.network.freeze(node.name());
    }

    pub fn thaw(&self, node: &Node) {
        self.network.thaw(node.name());
    }

    /// Removes the node from the network, as after a power failure.
    pub fn crash(&self, node: &Node) {
        self.network.crash(node.name());
    }
}

fn node_name(label: &str) -> NodeName {
    format!("{label}@local").parse().unwrap()
}
