//! Dials of a node that has several addresses, one of which needs a resolver that does not answer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use peer_service::{DialId, PeerEvent, SessionEnd, Spawner};
use refs::{Incarnation, NodeId};
use smol::block_on;

use super::*;
use crate::{TcpTransport, config::TcpConfig, net::lookup::tests::Silent, proto::handshake::Identity};

/// Maximum time that a test waits before it fails. No dial ends on its own before that.
const PATIENCE: Duration = Duration::from_secs(60);

fn spawner() -> Spawner {
    Arc::new(|task| smol::spawn(task).detach())
}

fn config() -> TcpConfig {
    TcpConfig::new().listen(([127, 0, 0, 1], 0).into()).setup_timeout(2 * PATIENCE)
}

fn id(label: &str, incarnation: u64) -> NodeId {
    NodeId::new(format!("{label}@127.0.0.1").parse().unwrap(), Incarnation::new(incarnation).unwrap())
}

/// The node that is dialed.
async fn node(label: &str) -> Arc<TcpTransport> {
    TcpTransport::start(id(label, 2), config(), spawner()).await.unwrap()
}

/// The node that dials, and its resolver.
fn dialer(setup_timeout: Duration) -> (Arc<Endpoint>, Silent) {
    let silent = Silent::new(8);
    // Each endpoint has a name of its own: its peer does not read, and may not have noticed yet
    // that an earlier endpoint is gone.
    static NODES: AtomicU64 = AtomicU64::new(0);
    let config = config().setup_timeout(setup_timeout);
    let node = id(&format!("a{}", NODES.fetch_add(1, Ordering::Relaxed)), 1);
    let identity = Identity::new(node, &config);
    let mut endpoint = Endpoint::new(config, identity, spawner(), super::start);
    endpoint.lookups = silent.lookups.clone();
    (Arc::new(endpoint), silent)
}

impl Endpoint {
    fn dial_at(self: &Arc<Self>, places: &[&str], dial: u64) {
        self.connect(&format!("b@127.0.0.1={}", places.join(",")).parse().unwrap(), DialId(dial));
    }

    async fn event(&self) -> PeerEvent {
        let late = async {
            Timer::after(PATIENCE).await;
            panic!("waited {PATIENCE:?} in vain for an answer to a dial")
        };
        or(async { self.events.next().await.expect("the endpoint is not shut down") }, late).await
    }

    async fn expect_session(&self) {
        match self.event().await {
            PeerEvent::Session(session) => assert_eq!(session.peer().node.name.label(), "b"),
            PeerEvent::Failed { end, .. } => panic!("expected a session, got: {end}"),
        }
    }

    async fn expect_failure(&self) -> SessionEnd {
        match self.event().await {
            PeerEvent::Failed { end, .. } => end,
            PeerEvent::Session(_) => panic!("expected a failure, got a session"),
        }
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.list().into_iter().find(|(counter, _)| *counter == name).unwrap().1
    }
}

fn unused_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_literal_address_connects_while_the_resolver_is_silent_wherever_it_stands() {
    block_on(async {
        for first in [true, false] {
            // A new node for each dial: a node that has a session would probe it first, and refuse
            // the next dial meanwhile.
            let b = node("b").await;
            let mut places = [&*b.local_addr().to_string(), "old-host.example:7001"];
            if !first {
                places.reverse();
            }
            let (endpoint, _silent) = dialer(2 * PATIENCE);
            endpoint.dial_at(&places, 1);
            endpoint.expect_session().await;
            assert_eq!((endpoint.count("dials"), endpoint.count("dials_failed")), (1, 0));
        }
    });
}

#[test]
fn a_host_that_was_looked_up_late_is_dialed_after_the_others_have_failed() {
    block_on(async {
        let b = node("b").await;
        let (endpoint, silent) = dialer(2 * PATIENCE);
        endpoint.dial_at(&[&format!("slow-host.example:{}", b.local_addr().port()), &unused_address()], 1);
        while endpoint.count("dials_failed") == 0 {
            Timer::after(Duration::from_millis(2)).await;
        }
        silent.answer(&["127.0.0.1:0"]);
        endpoint.expect_session().await;
        assert_eq!(
            (endpoint.count("dials"), endpoint.count("dials_failed"), endpoint.count("dials_nowhere")),
            (2, 1, 0)
        );
    });
}

#[test]
fn a_dial_whose_lookups_are_all_silent_is_answered_in_time() {
    block_on(async {
        let (endpoint, _silent) = dialer(Duration::from_millis(100));
        endpoint.dial_at(&["old-host.example:7001", "older-host.example:7001"], 1);
        assert_eq!(endpoint.expect_failure().await.kind, EndKind::SetupTimeout);
        assert_eq!(
            (endpoint.count("dials"), endpoint.count("dials_failed"), endpoint.count("dials_nowhere")),
            (0, 0, 1)
        );
        // The failure is that of the known address, although the deadline passed because of the
        // other one.
        endpoint.dial_at(&["old-host.example:7001", &unused_address()], 2);
        assert_eq!(endpoint.expect_failure().await.kind, EndKind::Refused);
    });
}

#[test]
fn an_address_that_takes_connections_and_says_nothing_uses_up_a_share_of_the_time_only() {
    block_on(async {
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let b = node("b").await;
        let (endpoint, _silent) = dialer(Duration::from_secs(2));
        endpoint.dial_at(&[&mute.local_addr().unwrap().to_string(), &b.local_addr().to_string()], 1);
        endpoint.expect_session().await;
        assert_eq!((endpoint.count("dials"), endpoint.count("dials_slow")), (2, 1));
    });
}

#[test]
fn an_address_that_is_given_during_a_dial_is_tried_by_that_dial() {
    block_on(async {
        let b = node("b").await;
        let (endpoint, silent) = dialer(2 * PATIENCE);
        endpoint.dial_at(&["old-host.example:7001"], 1);
        silent.await_asked(1);
        endpoint.dial_at(&[&b.local_addr().to_string()], 2);
        endpoint.expect_session().await;
    });
}

#[test]
fn a_dial_that_waits_for_the_resolver_makes_room_for_the_peers_own() {
    block_on(async {
        let (endpoint, silent) = dialer(2 * PATIENCE);
        endpoint.dial_at(&["old-host.example:7001"], 1);
        silent.await_asked(1);
        // As if the peer had dialed meanwhile.
        let node = peer_service::NodeId::new("b@127.0.0.1".parse().unwrap(), Incarnation::new(2).unwrap());
        let decision = endpoint.propose(&node, 7, ConnId(1000)).recv().await;
        assert_eq!(decision, Ok(crate::proto::peers::action::InboundDecision::Accepted));
    });
}
