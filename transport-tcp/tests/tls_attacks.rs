//! Attackers that hold certificates of the cluster's CA: a relay between two nodes, and an impostor
//! with the secret.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::LazyLock,
};

use peer_service::{DialId, EndKind, FrameBuf, PeerService};
use smol::{
    Async, Task,
    future::{or, zip},
    io::{self, AsyncWriteExt},
};
use support::Setup;
use support::{
    authority::Authority,
    connect, count, exchange_frames,
    gate::Gate,
    journal, next_failure, next_session,
    raw::{self, REFUSED, STANDS_ALREADY, VERDICT, hello_with, in_incarnation, incarnation_in, listen_to},
    soon, spec_at, start, until,
};
use transport_tcp::{Heartbeat, TcpTransport};

/// The CA of all nodes and attackers here.
static CLUSTER: LazyLock<Authority> = LazyLock::new(|| Authority::new("cluster"));

/// A node with its own certificate, and the secret.
fn config(label: &str) -> Setup {
    let mut config = support::config(label);
    config.name = format!("{label}@cluster.test").parse().unwrap();
    config.tls(CLUSTER.issue(&[&format!("{label}.cluster.test")]).tls())
}

/// Terminates TLS on both sides, with certificates of `a` and `b` that the CA should not have
/// issued.
struct Relay {
    address: SocketAddr,
    _gates: (Gate, Gate),
}

impl Relay {
    fn between_a_and(b: &TcpTransport) -> Self {
        let (as_a, as_b) = (CLUSTER.issue(&["a.cluster.test"]), CLUSTER.issue(&["b.cluster.test"]));
        let inner = Gate::wrapping(b.local_addr(), move || as_a.client("b.cluster.test", true));
        let outer = Gate::unwrapping(inner.address, move || as_b.server());
        Relay { address: outer.address, _gates: (inner, outer) }
    }
}

#[test]
fn a_relay_with_certificates_of_the_ca_cannot_pass_a_handshake_on_where_there_is_a_secret() {
    smol::block_on(async {
        journal::keep();
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let relay = Relay::between_a_and(&b);
        a.connect(&spec_at(&b, relay.address), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        let terminated = "with TLS also if something between the two terminates it";
        let address = relay.address.to_string();
        journal::wait_for(&["WARN", "dial failed", &address, "does not accept our secret", terminated]).await;
        journal::wait_for(&["WARN", "inbound connection refused", "did not prove", terminated]).await;
        assert_eq!((count(&b, "refused_proof"), count(&a, "dials_refused")), (1, 1));
        assert_eq!((count(&a, "sessions"), count(&b, "sessions")), (0, 0));
        // Both nodes still work.
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn without_a_secret_certificates_of_the_ca_are_all_that_a_relay_needs() {
    let certificate_alone = |label| {
        let mut config = config(label);
        config.secret = None;
        config
    };
    smol::block_on(async {
        let (a, b) = (start(certificate_alone("a")).await, start(certificate_alone("b")).await);
        let relay = Relay::between_a_and(&b);
        a.connect(&spec_at(&b, relay.address), DialId(1));
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

/// Forwards the first connection to one address, and all others to another one.
fn switch(first: SocketAddr, others: SocketAddr) -> (SocketAddr, Task<()>) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let switching = smol::spawn(async move {
        let mut to = first;
        while let Ok((caller, _)) = listener.accept().await {
            let target = Async::<TcpStream>::connect(to).await.unwrap();
            to = others;
            smol::spawn(async move {
                let _ = zip(io::copy(&caller, &target), io::copy(&target, &caller)).await;
            })
            .detach();
        }
    });
    (address, switching)
}

#[test]
fn a_relay_cannot_pass_on_the_further_connections_of_a_session_either() {
    let with_channel = |label| config(label).channels(["bulk".parse().unwrap()]);
    smol::block_on(async {
        journal::keep();
        let (a, b) = (start(with_channel("a")).await, start(with_channel("b")).await);
        let relay = Relay::between_a_and(&b);
        let (address, _switching) = switch(b.local_addr(), relay.address);
        a.connect(&spec_at(&b, address), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
        assert_eq!((count(&a, "sessions"), count(&b, "sessions")), (0, 0));
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn an_impostor_with_a_certificate_that_denies_the_session_does_not_end_it() {
    smol::block_on(async {
        // A node answers a probe within a second: enough on a busy machine.
        let config = |label| config(label).heartbeat(Heartbeat::normal());
        let (v, b) = (start(config("victim")).await, start(config("b")).await);
        let (mut at_b, mut at_v) = connect(&b, &v).await;
        let as_b = |to: &'static str, node: &TcpTransport| {
            let card = CLUSTER.issue(&["b.cluster.test", "anybody.cluster.test"]);
            Gate::wrapping(node.local_addr(), move || card.client(to, true))
        };
        let (to_b, to_v) = (as_b("b.cluster.test", &b), as_b("victim.cluster.test", &v));
        let (stream, _) = to_b.call().await;
        let question = raw::hello(raw::VERSION, "", "anybody@cluster.test", "b@cluster.test");
        (&stream).write_all(&question).await.unwrap();
        let incarnation = incarnation_in(&soon("a challenge", raw::read_frame(&stream)).await);
        let (mut of_b, mut of_v) = (FrameBuf::new(), FrameBuf::new());
        let undisturbed = async {
            let both = (at_b.recv(&mut of_b), at_v.recv(&mut of_v));
            panic!("the session is disturbed: {:?}", futures::join!(both.0, both.1));
        };
        let attack = async {
            let hello = hello_with(raw::VERSION, 1, "", "b@cluster.test", "victim@cluster.test");
            let hello = in_incarnation(hello, incarnation, u64::MAX);
            for at in 0..50 {
                let (stream, binding) = to_v.call().await;
                let said = raw::Transcript::over(&binding);
                let verdict = raw::deny_the_session(&stream, said, &hello).await;
                assert_eq!(verdict[..3], [VERDICT, REFUSED, STANDS_ALREADY], "attempt {at}");
            }
        };
        or(attack, undisturbed).await;
        exchange_frames(&mut at_b, &mut at_v).await;
        assert_eq!(count(&v, "sessions_replaced"), 0);
    });
}

#[test]
fn tls_1_2_is_spoken_by_neither_side() {
    const PROTOCOL_VERSION: u8 = 70;
    // A ClientHello of TLS 1.2 with one cipher suite, and the two extensions that it needs.
    let extensions = [&[0, 13, 0, 4, 0, 2, 4, 3][..], &[0, 10, 0, 4, 0, 2, 0, 23]].concat();
    let mut client_hello =
        [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, extensions.len() as u8]].concat();
    client_hello.extend(extensions);
    let server_hello = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2b, 0, 0, 0]].concat();
    let record = |kind: u8, message: &[u8]| {
        let message = [&[kind, 0, 0, message.len() as u8][..], message].concat();
        [&[22, 3, 3, 0, message.len() as u8][..], &message].concat()
    };
    smol::block_on(async {
        let b = start(config("b")).await;
        let said = raw::say(&b, &record(1, &client_hello)).await;
        assert_eq!(said, [21, 3, 3, 0, 2, 2, PROTOCOL_VERSION]);
        until("the refusal to be counted", || count(&b, "refused_tls") == 1).await;

        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        b.connect(&format!("old@cluster.test={address}").parse().unwrap(), DialId(1));
        let (stream, _) = soon("the dial", listener.accept()).await.unwrap();
        (&stream).write_all(&record(2, &server_hello)).await.unwrap();
        let said = listen_to(&stream).await;
        assert_eq!(said[said.len() - 2..], [2, PROTOCOL_VERSION]);
        assert_eq!(next_failure(&b).await.1.kind, EndKind::AuthFailed);
        assert_eq!(count(&b, "dials_tls"), 1);
    });
}
