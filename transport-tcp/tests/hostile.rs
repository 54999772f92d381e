//! Peers that are not nodes of the cluster: they are refused and counted, and disturb no other
//! node.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use peer_service::{DialId, EndKind, NodeSpec, PeerEvent, PeerService};
use smol::{Async, io::AsyncWriteExt};
use support::Setup;
use support::{
    config, connect, count, end_of, exchange_frames, next_failure, next_session,
    proxy::Proxy,
    raw::{
        TERMS, Transcript, VERDICT, VERSION, dial, frame, hello, listen_to, read_frame, say,
        while_others_talk,
    },
    soon, spec, spec_at, start, until, unused_address,
};
use transport_tcp::{Secret, StartError};

#[test]
fn garbage_is_turned_away() {
    while_others_talk(config("b"), async |b| {
        let garbage: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
            &[0],
            &[0xff; 64],
            // A HELLO without the magic, and one that is cut short.
            &frame(&[16; 100]),
            &frame(b"\x10OBIT\x00\x01"),
        ];
        for (at, what) in garbage.iter().enumerate() {
            assert!(say(&b, what).await.is_empty());
            until("the refusal to be counted", || count(&b, "refused_malformed") == at as u64 + 1).await;
        }
    });
}

#[test]
fn who_speaks_tls_is_told_in_tls_that_nobody_here_does() {
    while_others_talk(config("b"), async |b| {
        let client = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and what else a TLS client says";
        let protocol_version = [21, 3, 3, 0, 2, 2, 70];
        assert_eq!(say(&b, client).await, protocol_version);
        until("the refusal to be counted", || count(&b, "refused_tls") == 1).await;
    });
}

#[test]
fn a_frame_of_a_handshake_has_at_most_1024_bytes() {
    while_others_talk(config("b"), async |b| {
        // The length alone is refused: the node does not wait for the body and allocates nothing.
        assert!(say(&b, &[0x81, 0x08]).await.is_empty());
        until("the refusal to be counted", || count(&b, "refused_malformed") == 1).await;
        // Four bytes of length that announce a quarter of a gigabyte.
        assert!(say(&b, &[0xff, 0xff, 0xff, 0x7f]).await.is_empty());
        until("the refusal to be counted", || count(&b, "refused_malformed") == 2).await;
    });
}

#[test]
fn a_frame_that_comes_out_of_turn_ends_the_handshake() {
    while_others_talk(config("b"), async |b| {
        let mut twice = hello(VERSION, "", "x@h", "b@127.0.0.1");
        twice.extend_from_slice(&twice.clone());
        assert!(!say(&b, &twice).await.is_empty(), "a challenge");
        assert!(say(&b, &frame(&[0, 1, 2, 3])).await.is_empty());
        until("the refusals to be counted", || count(&b, "refused_malformed") == 2).await;
    });
}

#[test]
fn f31_a_version_that_nobody_here_speaks_is_rejected_with_those_that_are_spoken() {
    while_others_talk(config("b"), async |b| {
        let said = say(&b, &hello((7, 9), "", "x@h", "b@127.0.0.1")).await;
        assert_eq!(said, frame(&[21, 1, 0, 2, 0, 2]));
        until("the refusal to be counted", || count(&b, "refused_version") == 1).await;
    });
}

#[test]
fn another_cluster_another_name_and_the_own_name_are_rejected() {
    while_others_talk(config("b"), async |b| {
        assert_eq!(say(&b, &hello(VERSION, "red", "x@h", "b@127.0.0.1")).await[1..3], [21, 2]);
        assert_eq!(say(&b, &hello(VERSION, "", "x@h", "c@127.0.0.1")).await[1..3], [21, 3]);
        assert_eq!(say(&b, &hello(VERSION, "", "b@127.0.0.1", "b@127.0.0.1")).await[1..3], [21, 4]);
        until("the refusals to be counted", || {
            (count(&b, "refused_cluster"), count(&b, "refused_name")) == (1, 2)
        })
        .await;
    });
}

#[test]
fn f30_a_wrong_secret_ends_in_auth_failed() {
    while_others_talk(config("b"), async |b| {
        let stranger = start(config("stranger").secret(Secret::generate())).await;
        stranger.connect(&spec(&b), DialId(1));
        assert_eq!(next_failure(&stranger).await.1.kind, EndKind::AuthFailed);
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
        // And in the other direction.
        b.connect(&spec(&stranger), DialId(2));
        let (dial, end) = next_failure(&b).await;
        assert_eq!((dial, end.kind), (DialId(2), EndKind::AuthFailed));
    });
}

#[test]
fn without_a_secret_nobody_gets_in_where_there_is_one() {
    while_others_talk(config("b"), async |b| {
        let mut open = config("open");
        open.secret = None;
        let open = start(open).await;
        open.connect(&spec(&b), DialId(1));
        assert_eq!(next_failure(&open).await.1.kind, EndKind::AuthFailed);
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
    });
}

#[test]
fn while_the_secret_is_changed_nodes_of_neighbouring_rounds_accept_each_other() {
    smol::block_on(async {
        let (old, new) = (support::secret(), Secret::generate());
        let rounds = [
            config("old"),
            config("both").also_accept(new.clone()),
            config("swapped").secret(new.clone()).also_accept(old),
            config("new").secret(new),
        ];
        let mut nodes = Vec::new();
        for round in rounds {
            nodes.push(start(round).await);
        }
        for pair in nodes.windows(2) {
            for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let (mut at_from, mut at_to) = connect(from, to).await;
                exchange_frames(&mut at_from, &mut at_to).await;
                at_from.outbox().close(EndKind::Left);
                end_of(&mut at_to).await;
                end_of(&mut at_from).await;
            }
        }
        // A node whose secret the other node does not accept, or no longer accepts, is refused.
        for (from, to) in [(2, 0), (1, 3), (0, 3), (3, 0)] {
            nodes[from].connect(&spec(&nodes[to]), DialId(1));
            assert_eq!(next_failure(&nodes[from]).await.1.kind, EndKind::AuthFailed);
        }
    });
}

#[test]
fn f27_who_dawdles_is_cut_off_after_the_setup_time() {
    while_others_talk(config("b").setup_timeout(Duration::from_millis(300)), async |b| {
        let silent = dial(&b).await;
        let halfway = dial(&b).await;
        (&halfway).write_all(&hello(VERSION, "", "x@h", "b@127.0.0.1")[..40]).await.unwrap();
        let unproved = dial(&b).await;
        (&unproved).write_all(&hello(VERSION, "", "x@h", "b@127.0.0.1")).await.unwrap();
        for stream in [&silent, &halfway, &unproved] {
            listen_to(stream).await;
        }
        until("the refusals to be counted", || count(&b, "refused_slow") == 3).await;
    });
}

#[test]
fn what_was_said_once_does_not_open_the_door_again() {
    while_others_talk(config("b"), async |b| {
        let c = start(config("c")).await;
        let wire = Proxy::to(b.local_addr());
        c.connect(&spec_at(&b, wire.address), DialId(1));
        let (at_c, mut at_b) = (next_session(&c).await, next_session(&b).await);
        let said = wire.said_by("c@127.0.0.1");
        drop(at_c);
        end_of(&mut at_b).await;

        let sessions = count(&b, "sessions");
        say(&b, &said).await;
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
        assert_eq!(count(&b, "sessions"), sessions);
    });
}

/// Kind and body of the CHALLENGE of a node `b`.
fn challenge() -> Vec<u8> {
    let mut challenge = vec![17, 0, 2];
    challenge.extend_from_slice(&[0; 8]);
    challenge.extend_from_slice(&5_u64.to_be_bytes());
    challenge.extend_from_slice(&[4; 32]);
    challenge.extend_from_slice(b"\x0bb@127.0.0.1");
    challenge
}

#[test]
fn what_trails_a_challenge_is_part_of_what_is_proved() {
    /// The result at `a` when it dials a node with the secret that sends `said`, and proves a
    /// transcript with `proved`.
    async fn answered_by(said: Vec<u8>, proved: Vec<u8>) -> Result<(), EndKind> {
        let a = start(config("a")).await;
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        a.connect(&format!("b@127.0.0.1={address}").parse().unwrap(), DialId(1));
        let (stream, _) = soon("the dial", listener.accept()).await.unwrap();
        let mut transcript = Transcript::default();
        transcript.absorb(&read_frame(&stream).await);
        transcript.absorb(&proved);
        (&stream).write_all(&frame(&said)).await.unwrap();
        transcript.absorb_proved(&read_frame(&stream).await);
        let accepted = [&[0], &TERMS[..]].concat();
        let verdict = transcript.prove_as(b"obit handshake, acceptor", VERDICT, &accepted);
        (&stream).write_all(&frame(&verdict)).await.unwrap();
        match soon("a session or none", a.next()).await {
            Some(PeerEvent::Session(_)) => Ok(()),
            Some(PeerEvent::Failed { end, .. }) => Err(end.kind),
            None => panic!("the end of all events"),
        }
    }
    smol::block_on(async {
        let with_tail = [&challenge()[..], b"fields of a later version"].concat();
        assert_eq!(answered_by(challenge(), challenge()).await, Ok(()));
        assert_eq!(answered_by(with_tail.clone(), with_tail.clone()).await, Ok(()));
        // An attacker on the path has removed the tail, or appended it.
        assert_eq!(answered_by(challenge(), with_tail.clone()).await, Err(EndKind::AuthFailed));
        assert_eq!(answered_by(with_tail, challenge()).await, Err(EndKind::AuthFailed));
    });
}

#[test]
fn a_proof_that_is_reflected_proves_nothing() {
    smol::block_on(async {
        let a = start(config("a")).await;
        let mirror = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let spec: NodeSpec =
            format!("b@127.0.0.1={}", mirror.get_ref().local_addr().unwrap()).parse().unwrap();
        let reflect = smol::spawn(async move {
            let (stream, _) = mirror.accept().await.unwrap();
            read_frame(&stream).await;
            (&stream).write_all(&frame(&challenge())).await.unwrap();
            let proof = read_frame(&stream).await;
            // "Accepted", with the same terms and proof.
            let mut verdict = vec![19, 0];
            verdict.extend_from_slice(&proof[1..]);
            (&stream).write_all(&frame(&verdict)).await.unwrap();
            listen_to(&stream).await;
        });
        a.connect(&spec, DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
        assert_eq!(count(&a, "dials_unproved"), 1);
        soon("the mirror", reflect).await;
    });
}

#[test]
fn what_answers_a_dial_and_is_no_node_is_no_danger() {
    // The bytes of the server, and the end of the dial.
    let answers: [(&[u8], EndKind); 5] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", EndKind::AuthFailed),
        (&[2, 3, 0], EndKind::AuthFailed),
        (&[6, 21, 1, 0, 7, 0, 9], EndKind::Version),
        (&[6, 21, 4, 0, 0, 0, 0], EndKind::DuplicateName),
        (b"", EndKind::Refused),
    ];
    smol::block_on(async {
        let a = start(config("a")).await;
        for (at, (answer, expected)) in answers.into_iter().enumerate() {
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
            let address = listener.get_ref().local_addr().unwrap();
            let server = smol::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                read_frame(&stream).await;
                (&stream).write_all(answer).await.unwrap();
            });
            a.connect(&format!("s{at}@127.0.0.1={address}").parse().unwrap(), DialId(at as u64));
            let (dial, end) = next_failure(&a).await;
            assert_eq!((dial, end.kind), (DialId(at as u64), expected), "after {answer:?}");
            soon("the server", server).await;
        }
        a.connect(&format!("unused_address@127.0.0.1={}", unused_address()).parse().unwrap(), DialId(9));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Refused);
        a.connect(&"unknown@127.0.0.1".parse().unwrap(), DialId(10));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Unreachable);
    });
}

#[test]
fn f30_a_wrong_name_or_cluster_is_told_to_who_dials() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let red = start(config("red").cluster("red")).await;
        let elsewhere: NodeSpec = format!("c@127.0.0.1={}", b.local_addr()).parse().unwrap();
        for (dial, spec) in [(1, elsewhere), (2, spec(&red))] {
            a.connect(&spec, DialId(dial));
            let (failed, end) = next_failure(&a).await;
            assert_eq!((failed, end.kind), (DialId(dial), EndKind::AuthFailed));
        }
        until("the refusals to be counted", || {
            (count(&b, "refused_name"), count(&red, "refused_cluster")) == (1, 1)
        })
        .await;
    });
}

#[test]
fn f13_what_no_session_may_say_ends_that_session_only() {
    let too_long: &[u8] = &[0xff, 0xff, 0xff, 0x7f];
    let ping_without_number: &[u8] = &[1, 2];
    let reserved: &[u8] = &[1, 5];
    let fragment_of_nothing: &[u8] = &[2, 1, 0];
    let fragment_of_no_sequence: &[u8] = &[14, 1, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 1];
    let fragment_of_too_much: &[u8] = &[14, 1, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1];
    // Longer than the fragments in which it should be sent.
    let too_long_for_one: &[u8] = &[0x82, 0x88, 0x04, 0];
    let out_of_place: &[u8] = &[2, 16, 0];
    let unknown: &[u8] = &[1, 200];
    let fragments = [fragment_of_nothing, fragment_of_no_sequence, fragment_of_too_much, too_long_for_one];
    let others = [too_long, ping_without_number, reserved, out_of_place, unknown];
    for spoilt in others.into_iter().chain(fragments) {
        while_others_talk(config("b"), async |b| {
            let c = start(config("c")).await;
            let wire = Proxy::to(b.local_addr());
            c.connect(&spec_at(&b, wire.address), DialId(1));
            let (mut at_c, mut at_b) = (next_session(&c).await, next_session(&b).await);
            exchange_frames(&mut at_c, &mut at_b).await;
            assert!(wire.inject("c@127.0.0.1", spoilt).await);
            assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Protocol, "after {spoilt:?}");
            assert_eq!(end_of(&mut at_c).await.1.kind, EndKind::Closed);
            assert_eq!(count(&b, "sessions_protocol"), 1);
        });
    }
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_with_its_field() {
    let refused = |config: Setup| {
        let started = smol::block_on(config.start(1, support::spawner()));
        started.expect_err("it must not start").to_string()
    };
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut open = config("a").listen(anywhere);
    open.secret = None;
    assert!(refused(open.clone()).starts_with("secret: "), "every program could join");
    assert!(refused(config("a").cluster("c".repeat(65))).starts_with("cluster: "));
    assert!(refused(config("a").max_frame(10)).starts_with("max_frame: "));
    assert!(refused(Setup::new("a@127.0.0.1")).starts_with("listen: "));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(refused(config("a").listen(taken.local_addr().unwrap())).starts_with("listen: "));
    let heartbeat = transport_tcp::Heartbeat::new(Duration::from_secs(1), Duration::from_secs(1));
    assert!(refused(config("a").heartbeat(heartbeat)).starts_with("heartbeat: "));

    let allowed = open.insecure_allow_remote(true);
    let started = smol::block_on(allowed.start(1, support::spawner()));
    assert!(started.is_ok());
    assert!(matches!(
        smol::block_on(Setup::new("a@host.invalid:1").secret(support::secret()).start(1, support::spawner())),
        Err(StartError::Resolve { .. })
    ));
}
