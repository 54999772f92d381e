//! Nodes on the loopback interface, and faults of their connections.
#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

#[cfg(feature = "tls")]
pub mod authority;
#[cfg(feature = "tls")]
pub mod gate;
#[cfg(feature = "tls")]
pub mod journal;
pub mod loopback;
pub mod proxy;
pub mod raw;
#[cfg(feature = "tls")]
pub mod sealed;
pub mod setup;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use peer_service::{
    DialId, FrameBuf, FrameMeta, NodeSpec, PeerEvent, PeerService, Session, SessionEnd, Spawner,
};
pub use setup::Setup;
use smol::Timer;
use transport_tcp::{Heartbeat, Secret, TcpTransport};

/// Maximum time that a test waits before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &[u8; 37] = b"the secret that all these tests share";

/// The secret of all nodes of a test run.
pub fn secret() -> Secret {
    Secret::new(*SECRET).unwrap()
}

/// The configuration of a node with that label and its own address, with fast heartbeats.
pub fn config(label: &str) -> Setup {
    Setup::new(&format!("{label}@127.0.0.1"))
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .secret(secret())
        .heartbeat(Heartbeat::fast())
        .setup_timeout(Duration::from_secs(2))
}

/// Starts a node, in an incarnation that no other node has.
pub async fn start(config: Setup) -> Arc<TcpTransport> {
    static INCARNATIONS: AtomicU64 = AtomicU64::new(1);
    config.start(INCARNATIONS.fetch_add(1, Ordering::Relaxed), spawner()).await.unwrap()
}

pub fn spawner() -> Spawner {
    Arc::new(|task| smol::spawn(task).detach())
}

/// The address of a node.
pub fn spec(node: &TcpTransport) -> NodeSpec {
    spec_at(node, node.local_addr())
}

/// A node at another address.
pub fn spec_at(node: &TcpTransport, address: SocketAddr) -> NodeSpec {
    NodeSpec::new(node.local().name.clone()).at(address.to_string().parse().unwrap()).unwrap()
}

/// An address of this machine on which no program listens.
pub fn unused_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until the deadline.
pub async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let late = async {
        Timer::after(PATIENCE).await;
        panic!("no {what} within {PATIENCE:?}")
    };
    smol::future::or(wait, late).await
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            Timer::after(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub type Live = Box<dyn Session>;

/// The next session of a node.
pub async fn next_session(node: &TcpTransport) -> Live {
    match soon("a session", node.next()).await {
        Some(PeerEvent::Session(session)) => session,
        Some(PeerEvent::Failed { node, end, .. }) => panic!("expected a session with {node}, got: {end}"),
        None => panic!("expected a session, got the end of all events"),
    }
}

/// The next failure of a node.
pub async fn next_failure(node: &TcpTransport) -> (DialId, SessionEnd) {
    match soon("the failure of a dial", node.next()).await {
        Some(PeerEvent::Failed { dial, end, .. }) => (dial, end),
        Some(PeerEvent::Session(session)) => {
            panic!("expected a failure, got a session with {}", session.peer().node)
        }
        None => panic!("expected a failure, got the end of all events"),
    }
}

/// A session between two nodes, dialed by the first: both of its ends.
pub async fn connect(a: &TcpTransport, b: &TcpTransport) -> (Live, Live) {
    a.connect(&spec(b), DialId(1));
    (next_session(a).await, next_session(b).await)
}

/// All frames that still arrive, and the end.
pub async fn end_of(session: &mut Live) -> (Vec<Vec<u8>>, SessionEnd) {
    let mut frames = FrameBuf::new();
    loop {
        if let Err(end) = soon("the end of a session", session.recv(&mut frames)).await {
            return (frames.iter().map(<[u8]>::to_vec).collect(), end);
        }
    }
}

/// Sends one signal.
pub fn say(session: &Live, what: &[u8]) {
    let outbox = session.outbox();
    outbox.push(FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(what)).unwrap();
    outbox.flush();
}

/// The next frame, which must be the only one.
pub async fn receive_one(session: &mut Live) -> Vec<u8> {
    let mut frames = FrameBuf::new();
    soon("a frame", session.recv(&mut frames)).await.unwrap();
    let received: Vec<&[u8]> = frames.iter().collect();
    assert_eq!(received.len(), 1);
    received[0].to_vec()
}

/// Checks that these are both ends of one open session.
pub async fn exchange_frames(x: &mut Live, y: &mut Live) {
    say(x, b"ping from x");
    assert_eq!(receive_one(y).await, b"ping from x");
    say(y, b"pong from y");
    assert_eq!(receive_one(x).await, b"pong from y");
}

/// One counter of a node.
pub fn count(node: &TcpTransport, name: &str) -> u64 {
    node.counters().into_iter().find(|(counter, _)| *counter == name).expect("a counter of that name").1
}

/// The descriptors of this process, in their order.
#[cfg(target_os = "linux")]
pub fn descriptors() -> Vec<u64> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut numbers: Vec<u64> =
        open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}
