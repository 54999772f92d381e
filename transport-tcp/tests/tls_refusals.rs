//! Refusals in TLS: both ends learn the reason, and no other node is disturbed.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::LazyLock,
    time::Duration,
};

use peer_service::{DialId, EndKind, PeerService};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::{AlertDescription, Error};
use smol::{Async, io::AsyncWriteExt};
use support::Setup;
use support::{
    authority::{Authority, Card},
    connect, count, exchange_frames,
    gate::Gate,
    journal, next_failure,
    raw::{self, frame, hello, listen_to},
    sealed::converse,
    soon, spec_at, start, until,
};
use transport_tcp::TcpTransport;

/// The CA of the cluster, and an unrelated one.
static CLUSTER: LazyLock<Authority> = LazyLock::new(|| Authority::new("cluster"));
static ELSEWHERE: LazyLock<Authority> = LazyLock::new(|| Authority::new("elsewhere"));
/// Another CA with the name of the cluster's.
static FORGED: LazyLock<Authority> = LazyLock::new(|| Authority::new("cluster"));

const A: &[&str] = &["a.cluster.test"];
const B: &[&str] = &["b.cluster.test"];

fn config_with(label: &str, card: &Card) -> Setup {
    let mut config = plain(label);
    config.secret = None;
    config.tls(card.tls())
}

fn config(label: &str) -> Setup {
    config_with(label, &CLUSTER.issue(&[&format!("{label}.cluster.test")]))
}

fn plain(label: &str) -> Setup {
    let mut config = support::config(label);
    config.name = format!("{label}@cluster.test").parse().unwrap();
    config
}

fn alert_received(alert: AlertDescription) -> Option<Error> {
    Some(Error::AlertReceived(alert))
}

/// Dials `b` as `a` with that card. Returns the received bytes, the TLS error and the local
/// address.
async fn dial_as_a(b: &TcpTransport, card: &Card, shown: bool) -> (Vec<u8>, Option<Error>, SocketAddr) {
    let tcp = raw::dial(b).await;
    let from = tcp.get_ref().local_addr().unwrap();
    let what = hello(raw::VERSION, "", "a@cluster.test", "b@cluster.test");
    let (received, error) = converse(card.client(B[0], shown), &tcp, &what).await;
    (received, error, from)
}

/// Checks that a node with a session keeps it during `attack`, and accepts new ones.
async fn undisturbed(attack: impl AsyncFnOnce(&TcpTransport)) {
    journal::keep();
    let (b, other) = (start(config("b")).await, start(config("other")).await);
    let (mut at_b, mut at_other) = connect(&b, &other).await;
    attack(&b).await;
    exchange_frames(&mut at_b, &mut at_other).await;
    let newcomer = start(config("newcomer")).await;
    newcomer.connect(&spec_at(&b, b.local_addr()), DialId(1));
    support::next_session(&newcomer).await;
}

#[test]
fn a_newcomer_with_a_bad_certificate_never_says_hello_and_both_ends_know_why() {
    use AlertDescription::{
        CertificateExpired, CertificateRequired, DecryptError, UnknownCA, UnsupportedCertificate,
    };
    let strange = ELSEWHERE.issue(A).trusting(&CLUSTER);
    let cases = [
        (&strange, true, UnknownCA, "of none of the configured CAs"),
        (&FORGED.issue(A).trusting(&CLUSTER), true, DecryptError, "of none of the configured CAs"),
        (&CLUSTER.issue_expired(A), true, CertificateExpired, "has expired"),
        (&CLUSTER.issue_for_later(A), true, CertificateExpired, "is not valid yet"),
        (&CLUSTER.issue_for(ServerAuth, A), true, UnsupportedCertificate, "may not be used for this"),
        (&CLUSTER.issue(A), false, CertificateRequired, "no certificate was presented"),
    ];
    smol::block_on(undisturbed(async |b| {
        for (at, (card, shown, alert, reason)) in cases.iter().enumerate() {
            let (received, error, from) = dial_as_a(b, card, *shown).await;
            assert_eq!((received.as_slice(), error), (&[][..], alert_received(*alert)), "{reason}");
            // Refusals do not flood the log: only the first one is a warning.
            let level = if at == 0 { "WARN" } else { "" };
            journal::wait_for(&[level, "inbound connection refused", &from.to_string(), reason]).await;
            assert_eq!(count(b, "refused_tls"), at as u64 + 1);
        }
    }));
}

#[test]
fn what_answers_a_dial_with_a_bad_certificate_is_not_believed_and_both_ends_know_why() {
    use AlertDescription::{
        BadCertificate, CertificateExpired, DecryptError, UnknownCA, UnsupportedCertificate,
    };
    let strange = ELSEWHERE.issue(B).trusting(&CLUSTER);
    let cases = [
        (strange, UnknownCA, "of none of the configured CAs"),
        (FORGED.issue(B).trusting(&CLUSTER), DecryptError, "of none of the configured CAs"),
        (CLUSTER.issue_expired(B), CertificateExpired, "has expired"),
        (CLUSTER.issue_for_later(B), CertificateExpired, "is not valid yet"),
        (CLUSTER.issue_for(ClientAuth, B), UnsupportedCertificate, "may not be used for this"),
        (CLUSTER.issue(&["c.cluster.test"]), BadCertificate, "is not for b.cluster.test but for"),
        (CLUSTER.issue(&["b.elsewhere.test"]), BadCertificate, "is not for b.cluster.test but for"),
    ];
    smol::block_on(undisturbed(async |_| {
        let a = start(config("a")).await;
        for (at, (card, alert, reason)) in cases.iter().enumerate() {
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
            let address = listener.get_ref().local_addr().unwrap();
            a.connect(&format!("b@cluster.test={address}").parse().unwrap(), DialId(at as u64));
            let (tcp, _) = soon("a dial", listener.accept()).await.unwrap();
            let (received, error) = converse(card.server(), &tcp, b"").await;
            drop(tcp);
            assert_eq!((received.as_slice(), error), (&[][..], alert_received(*alert)), "{reason}");
            assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
            journal::wait_for(&["WARN", "dial failed", "b@cluster.test", &address.to_string(), reason]).await;
            assert_eq!(count(&a, "dials_tls"), at as u64 + 1);
        }
    }));
}

#[test]
fn f30_a_certificate_of_the_same_ca_does_not_lend_another_nodes_name() {
    const NAME_NOT_IN_CERTIFICATE: u8 = 6;
    smol::block_on(undisturbed(async |b| {
        for names in [&["mallory.cluster.test"][..], &["a.elsewhere.test"], &["cluster.test"], &[]] {
            let before = count(b, "refused_tls");
            let (received, error, from) = dial_as_a(b, &CLUSTER.issue(names), true).await;
            assert_eq!(error, None);
            assert_eq!(received, frame(&[raw::REJECT, NAME_NOT_IN_CERTIFICATE, 0, 0, 0, 0]), "{names:?}");
            journal::wait_for(&[
                "inbound connection refused",
                &from.to_string(),
                "is not for a.cluster.test",
            ])
            .await;
            assert_eq!(count(b, "refused_tls"), before + 1);
        }
        // With its own certificate it receives a challenge, which it does not answer: b closes the
        // connection after the set-up timeout.
        let (received, ..) = dial_as_a(b, &CLUSTER.issue(A), true).await;
        assert_eq!(received[1], raw::CHALLENGE);
    }));
}

#[test]
fn nodes_of_two_clusters_of_different_cas_refuse_each_other() {
    smol::block_on(async {
        journal::keep();
        let a = start(config("a")).await;
        let b = start(config_with("b", &ELSEWHERE.issue(B))).await;
        a.connect(&spec_at(&b, b.local_addr()), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        until("the refusal to be counted", || count(&b, "refused_tls") == 1).await;
        assert_eq!(count(&a, "dials_tls"), 1);
        journal::wait_for(&[
            "inbound connection refused",
            "refused by the other end: our certificate is of none",
        ])
        .await;
    });
}

#[test]
fn a_node_with_tls_and_one_without_tell_each_other_so() {
    smol::block_on(async {
        journal::keep();
        let (sealed, open) = (start(config("sealed")).await, start(plain("open")).await);
        open.connect(&spec_at(&sealed, sealed.local_addr()), DialId(1));
        assert_eq!(next_failure(&open).await.1.kind, EndKind::AuthFailed);
        journal::wait_for(&["dial failed", "sealed@", "the other end speaks TLS, and this node does not"])
            .await;
        journal::wait_for(&["inbound connection refused", "the other end does not speak TLS"]).await;

        sealed.connect(&spec_at(&open, open.local_addr()), DialId(2));
        assert_eq!(next_failure(&sealed).await.1.kind, EndKind::AuthFailed);
        journal::wait_for(&["dial failed", "open@", "is TLS configured there?"]).await;
        journal::wait_for(&[
            "inbound connection refused",
            "the other end speaks TLS, and this node does not",
        ])
        .await;
        for node in [&sealed, &open] {
            until("refusals to be counted", || count(node, "refused_tls") == 1).await;
            assert_eq!(count(node, "dials_tls"), 1);
        }
    });
}

#[test]
fn garbage_instead_of_a_client_hello_is_turned_away() {
    // A record longer than the maximum; a handshake message of 16 MiB; an early `close_notify`.
    let overlong = [22, 3, 1, 0xff, 0xff, 1];
    let huge = [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    let close_notify = [21, 3, 3, 0, 2, 2, 0];
    let garbage: [&[u8]; 6] =
        [b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", &[0; 64], &[0xff; 64], &overlong, &huge, &close_notify];
    smol::block_on(undisturbed(async |b| {
        for (at, what) in garbage.iter().enumerate() {
            let said = raw::say(b, what).await;
            assert!(said.len() <= 7, "an alert at most: {said:?}");
            let counted = || count(b, "refused_tls") + count(b, "handshakes_cut") == at as u64 + 1;
            until("the refusal to be counted", counted).await;
        }
        assert_eq!(count(b, "refused_malformed"), 0, "no byte has reached Obit's protocol");
    }));
}

#[test]
fn who_dawdles_in_the_tls_handshake_is_cut_off_after_the_setup_time() {
    smol::block_on(async {
        let b = start(config("b").setup_timeout(Duration::from_millis(200))).await;
        // One connection sends nothing, another one stops in the middle of the handshake.
        let (silent, half) = (raw::dial(&b).await, raw::dial(&b).await);
        (&half).write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        for stream in [&silent, &half] {
            assert!(listen_to(stream).await.is_empty());
        }
        until("both to be counted", || count(&b, "refused_slow") == 2).await;
    });
}

#[test]
fn a_dial_that_is_never_answered_in_tls_ends_with_the_setup_time() {
    smol::block_on(async {
        let a = start(config("a").setup_timeout(Duration::from_millis(200))).await;
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = mute.local_addr().unwrap();
        a.connect(&format!("b@cluster.test={address}").parse().unwrap(), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::SetupTimeout);
    });
}

#[test]
fn a_peer_named_by_an_ip_address_is_not_dialed_in_tls() {
    smol::block_on(async {
        journal::keep();
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        a.connect(&format!("b@127.0.0.1={}", b.local_addr()).parse().unwrap(), DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        journal::wait_for(&["dial failed", "b@127.0.0.1", "name the node by a host name"]).await;
    });
}

/// A connection that is reset in the middle of the handshake is not counted as a fault of either
/// side.
#[test]
fn who_hangs_up_in_the_tls_handshake_is_counted_as_that() {
    smol::block_on(undisturbed(async |b| {
        let stream: Async<TcpStream> = raw::dial(b).await;
        (&stream).write_all(&[22, 3, 1]).await.unwrap();
        drop(stream);
        until("it to be counted", || count(b, "handshakes_cut") == 1).await;
    }));
}

#[test]
fn a_further_connection_needs_a_certificate_of_the_sessions_peer() {
    let channel = "one".parse().unwrap();
    let config = config("b").secret(support::secret()).channels([channel]);
    smol::block_on(async {
        let b = start(config).await;
        // Two gates; each uses the certificate of one node for all connections.
        let gate = |card: Card| Gate::wrapping(b.local_addr(), move || card.client(B[0], true));
        let (as_a, as_mallory) = (gate(CLUSTER.issue(A)), gate(CLUSTER.issue(&["mallory.cluster.test"])));
        let attach = async |gate: &Gate, said: &raw::Transcript| {
            let (stream, binding) = gate.call().await;
            (&stream).write_all(&frame(&said.attach_over(&binding, 1))).await.unwrap();
            stream
        };
        let hello = raw::hello_with(raw::VERSION, 1, "", "a@cluster.test", "b@cluster.test");
        let (first, binding) = as_a.call().await;
        let mut said = raw::Transcript::over(&binding);
        said.absorb(&hello);
        (&first).write_all(&frame(&hello)).await.unwrap();
        said.absorb(&soon("a challenge", raw::read_frame(&first)).await);
        let terms = [&raw::TERMS[..4], b"\x01\x03one"].concat();
        (&first).write_all(&frame(&said.prove(raw::PROOF, &terms))).await.unwrap();
        let verdict = soon("a verdict", raw::read_frame(&first)).await;
        assert_eq!(verdict[..2], [raw::VERDICT, 0], "accepted");
        said.absorb_proved(&verdict);

        // Mallory has the transcript and its proofs.
        let reject = [raw::REJECT, 6];
        assert_eq!(listen_to(&attach(&as_mallory, &said).await).await[1..3], reject);
        until("the refusal to be counted", || count(&b, "refused_tls") == 1).await;
        // A proof for the first connection is invalid on another one, as is one without a binding.
        for unbound in [said.attach(1), said.attach_over(&binding, 1)] {
            let (stream, _) = as_a.call().await;
            (&stream).write_all(&frame(&unbound)).await.unwrap();
            assert_eq!(listen_to(&stream).await[1..3], [raw::REJECT, 5]);
        }
        until("the refusals to be counted", || count(&b, "refused_proof") == 2).await;
        let second = attach(&as_a, &said).await;
        assert_eq!(soon("the answer", raw::read_frame(&second)).await[0], raw::ATTACH);
        assert_eq!(support::next_session(&b).await.peer().node.name.as_str(), "a@cluster.test");
    });
}
