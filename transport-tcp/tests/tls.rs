//! With TLS, nodes keep all promises that they keep without it, and their traffic is encrypted.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use peer_service::{DialId, EndKind, FrameBuf, FrameMeta, NodeName, PeerService};
use support::Setup;
use support::{
    Live,
    authority::{Authority, Card},
    connect, count, end_of, exchange_frames,
    gate::Gate,
    loopback::{Entrance, Loopback, Way},
    next_failure, next_session,
    proxy::Proxy,
    receive_one, say, soon, spec_at, start,
};
use transport_tcp::{Heartbeat, Secret};

/// The CA of all nodes here.
static CLUSTER: LazyLock<Authority> = LazyLock::new(|| Authority::new("cluster"));

/// A node with that label that proves its name with a certificate alone.
fn config(label: &str) -> Setup {
    let mut config = support::config(label);
    config.secret = None;
    config.name = format!("{label}@cluster.test").parse().unwrap();
    config.tls(CLUSTER.issue(&[&format!("{label}.cluster.test")]).tls())
}

/// A node whose peer may be silent for a long time.
fn patient(label: &str) -> Setup {
    let heartbeat = Heartbeat::new(Duration::from_secs(5), Duration::from_secs(60));
    config(label).heartbeat(heartbeat).max_message_queue(1 << 30)
}

/// Nodes with TLS and two gates, between which a proxy sees plain frames.
struct Sealed {
    /// The card of the gates.
    anybody: Card,
}

impl Way for Sealed {
    const HOST: &'static str = "cluster.test";

    fn config(&self, label: &str) -> Setup {
        config(label)
    }

    fn entrance(&self, to: &NodeName, at: SocketAddr) -> Entrance {
        let (behind, before) = (self.anybody.clone(), self.anybody.clone());
        let to = format!("{}.cluster.test", to.label());
        let inner = Gate::wrapping(at, move || behind.client(&to, true));
        let proxy = Arc::new(Proxy::to(inner.address));
        let outer = Gate::unwrapping(proxy.address, move || before.server());
        Entrance { address: outer.address, proxy, keep: Box::new((inner, outer)) }
    }
}

mod contract {
    use super::{CLUSTER, Loopback, Sealed};

    peer_service::conformance_tests!(Loopback::new(Sealed { anybody: CLUSTER.issue(&["*.cluster.test"]) }));
}

const LARGEST: usize = 16 << 20;

/// A body without repetitions.
fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i >> 16) as u8).collect()
}

fn push(session: &Live, meta: FrameMeta, body: &[u8]) {
    session.outbox().push(meta, &mut |out| out.extend_from_slice(body)).unwrap();
}

/// The next `count` frames.
async fn receive(session: &mut Live, count: usize) -> Vec<Vec<u8>> {
    let mut frames = FrameBuf::new();
    while frames.len() < count {
        soon("frames", session.recv(&mut frames)).await.unwrap();
    }
    assert_eq!(frames.len(), count);
    frames.iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn what_nodes_say_cannot_be_read_on_the_way() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let wire = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, wire.address), DialId(1));
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        say(&at_a, b"between ourselves");
        assert_eq!(receive_one(&mut at_b).await, b"between ourselves");
        let said = wire.said_by("");
        assert!(said.len() > 500, "handshake and records");
        for plain in [&b"between ourselves"[..], b"OBIT", b"a@cluster.test", b"cluster.test"] {
            assert!(!said.windows(plain.len()).any(|window| window == plain), "{plain:?}");
        }
    });
}

#[test]
fn a_changed_byte_ends_the_session_and_nothing_forged_is_handed_over() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let wire = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, wire.address), DialId(1));
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        // A well-formed record of an attacker on the path.
        assert!(wire.inject("", &[&[23, 3, 3, 0, 40][..], &[7; 40]].concat()).await);
        let (frames, end) = end_of(&mut at_b).await;
        assert_eq!((frames.len(), end.kind), (0, EndKind::Closed));
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Closed);
    });
}

#[test]
fn long_messages_arrive_whole_in_both_directions_at_once() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        let whole = body(LARGEST);
        for session in [&at_a, &at_b] {
            (0..2).for_each(|_| push(session, FrameMeta::message(1), &whole));
            session.outbox().flush();
        }
        let both = futures::future::join(receive(&mut at_a, 2), receive(&mut at_b, 2)).await;
        assert!(both.0.iter().chain(&both.1).all(|frame| *frame == whole));
    });
}

#[test]
fn a_peer_that_reads_nothing_for_a_while_gets_everything_in_order_afterwards() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        // More than the systems of the two nodes buffer: the writer is blocked in the middle of a
        // record.
        let whole = body(LARGEST);
        (0..3).for_each(|_| push(&at_a, FrameMeta::message(1), &whole));
        at_a.outbox().flush();
        push(&at_a, FrameMeta::signal(1), b"the sender's end");
        at_a.outbox().flush();
        let received = receive(&mut at_b, 4).await;
        assert!(received[..3].iter().all(|frame| *frame == whole));
        assert_eq!(received[3], b"the sender's end");
    });
}

#[test]
fn a_close_in_good_order_loses_nothing_and_the_other_half_goes_on() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        push(&at_a, FrameMeta::message(1), &body(LARGEST));
        push(&at_a, FrameMeta::signal(1), b"down");
        at_a.outbox().close(EndKind::Left);
        say(&at_b, b"said while the other was leaving");
        let (frames, end) = end_of(&mut at_b).await;
        assert_eq!(end.kind, EndKind::Left);
        assert!(frames == [body(LARGEST), b"down".to_vec()]);
        assert_eq!(end_of(&mut at_a).await.0, [b"said while the other was leaving"]);
    });
}

#[test]
fn while_the_ca_is_changed_nodes_of_neighbouring_rounds_accept_each_other() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let node = |label: &str, round: usize| {
        let name = format!("{label}.cluster.test");
        let card = if round < 2 { old.issue(&[&name]) } else { new.issue(&[&name]) };
        let trusted = match round {
            0 => old.pem().to_owned(),
            1 | 2 => [old.pem(), new.pem()].concat(),
            _ => new.pem().to_owned(),
        };
        config(label).tls(Card { ca: trusted, ..card }.tls())
    };
    smol::block_on(async {
        for (x, y) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)] {
            let (a, b) = (start(node("a", x)).await, start(node("b", y)).await);
            let (mut at_a, mut at_b) = connect(&a, &b).await;
            exchange_frames(&mut at_a, &mut at_b).await;
        }
    });
}

#[test]
fn a_secret_is_asked_for_inside_of_tls_as_well() {
    smol::block_on(async {
        let a = start(config("a").secret(Secret::generate())).await;
        let b = start(config("b").secret(Secret::generate())).await;
        a.connect(&spec_at(&b, b.local_addr()), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        assert_eq!((count(&b, "refused_proof"), count(&b, "refused_tls")), (1, 0));

        let shared = Secret::generate();
        let c = start(config("c").secret(shared.clone())).await;
        let d = start(config("d").secret(shared)).await;
        let (mut at_c, mut at_d) = connect(&c, &d).await;
        exchange_frames(&mut at_c, &mut at_d).await;
    });
}
