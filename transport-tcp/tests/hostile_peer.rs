//! Peers that have the secret and break the rules of a session: only their own session ends.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{net::TcpStream, time::Duration};

use peer_service::{DialId, EndKind, FrameBuf, PeerService};
use smol::{Async, future::or, io::AsyncWriteExt};
use support::{
    Live, config, connect, count, end_of, exchange_frames, next_session,
    raw::{
        self, DATA, FRAGMENT, GOODBYE, PING, PONG, REFUSED, STANDS_ALREADY, Transcript, VERDICT, VERSION,
        beat, deny_the_session, dial, frame, hello_with, in_incarnation, incarnation_in, join, listen_to,
        read_frame, while_others_talk,
    },
    receive_one, soon, spec, start, until,
};
use transport_tcp::{Heartbeat, TcpTransport};

/// A session with a peer that supports fragments and follows no rule: its connection, and the
/// node's end.
async fn rogue(b: &TcpTransport) -> (Async<TcpStream>, Live) {
    let stream = join(b, &hello_with(VERSION, 1, "", "rogue@h", "b@127.0.0.1")).await;
    let at_b = next_session(b).await;
    assert_eq!(at_b.peer().node.name.as_str(), "rogue@h");
    (stream, at_b)
}

#[test]
fn who_joins_and_then_says_nothing_loses_the_session() {
    while_others_talk(config("b").setup_timeout(Duration::from_millis(300)), async |b| {
        let (stream, mut at_b) = rogue(&b).await;
        let (said, end) = end_of(&mut at_b).await;
        assert_eq!((said.len(), end.kind), (0, EndKind::Timeout));
        // The peer received pings, and the end.
        assert!(listen_to(&stream).await.starts_with(&beat(PING, 1)));
    });
}

#[test]
fn a_node_that_is_slow_to_begin_keeps_the_session() {
    // Not hostile, only starved: its first bytes arrive after the timeout, but within the sum of
    // the timeout and the set-up timeout.
    while_others_talk(config("b").setup_timeout(Duration::from_secs(20)), async |b| {
        let (stream, mut at_b) = rogue(&b).await;
        smol::Timer::after(Heartbeat::fast().timeout() * 2).await;
        (&stream).write_all(&frame(&[DATA, 1])).await.unwrap();
        assert_eq!(receive_one(&mut at_b).await, [1]);
        // From now on the normal timeout applies.
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Timeout);
    });
}

#[test]
fn nothing_counts_after_a_goodbye() {
    while_others_talk(config("b"), async |b| {
        let (stream, mut at_b) = rogue(&b).await;
        let said = [frame(&[DATA, 1]), frame(&[GOODBYE, 1]), frame(&[DATA, 2]), beat(PING, 7), vec![0xff; 9]];
        (&stream).write_all(&said.concat()).await.unwrap();
        let (heard, end) = end_of(&mut at_b).await;
        assert_eq!((heard, end.kind), (vec![vec![1]], EndKind::Left));
        assert_eq!(count(&b, "sessions_protocol"), 0, "bytes after the goodbye are not parsed");
    });
}

/// A fragment of a sequence, of `len` bytes in total, at an offset.
fn fragment(sequence: u32, len: u32, offset: u32, piece: &[u8]) -> Vec<u8> {
    let head = [sequence, len, offset].map(u32::to_be_bytes).concat();
    frame(&[&[FRAGMENT][..], &head, piece].concat())
}

#[test]
fn f14_fragments_out_of_their_order_end_the_session_and_none_of_it_is_handed_over() {
    let begin = fragment(0, 4, 0, b"ab");
    let spoilt = [
        ("a gap", fragment(0, 4, 3, b"d")),
        ("twice the same", fragment(0, 4, 0, b"ab")),
        ("past the end", fragment(0, 4, 2, b"cde")),
        ("another length", fragment(0, 5, 2, b"cde")),
        ("a sequence that was skipped to", fragment(2, 4, 0, b"ab")),
        ("the highest number of all", fragment(u32::MAX, 4, 0, b"ab")),
        ("longer than anything", fragment(1, u32::MAX, 0, b"ab")),
    ];
    while_others_talk(config("b"), async |b| {
        for (what, spoilt) in spoilt {
            let (stream, mut at_b) = rogue(&b).await;
            (&stream).write_all(&[&begin[..], &spoilt].concat()).await.unwrap();
            let (heard, end) = end_of(&mut at_b).await;
            assert_eq!((heard.len(), end.kind), (0, EndKind::Protocol), "{what}");
        }
        // A complete sequence does not begin again.
        let (stream, mut at_b) = rogue(&b).await;
        (&stream).write_all(&[begin, fragment(0, 4, 2, b"cd")].concat()).await.unwrap();
        assert_eq!(receive_one(&mut at_b).await, b"abcd");
        (&stream).write_all(&fragment(0, 4, 0, b"ab")).await.unwrap();
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Protocol);
    });
}

#[test]
fn a_flood_of_pings_is_answered_in_part_and_at_the_latest_by_the_last() {
    const FLOOD: u64 = 200_000;
    while_others_talk(config("b").heartbeat(Heartbeat::normal()), async |b| {
        let (stream, mut at_b) = rogue(&b).await;
        let reading = smol::spawn(async move { end_of(&mut at_b).await.1.kind });
        // 2 MB of pings, and no answer is read meanwhile: only one pong is queued for the peer.
        let flood: Vec<u8> = (1..=FLOOD).flat_map(|number| beat(PING, number)).collect();
        soon("the flood to be taken", (&stream).write_all(&flood)).await.unwrap();
        let mut answers = 0_u64;
        soon("the last answer", async {
            loop {
                let said = read_frame(&stream).await;
                answers += u64::from(said[0] == PONG);
                if said[..] == beat(PONG, FLOOD)[1..] {
                    return;
                }
            }
        })
        .await;
        assert!(answers < FLOOD / 10, "{answers} answers: those that are not written yet are replaced");
        drop(stream);
        assert_eq!(soon("the end", reading).await, EndKind::Closed);
    });
}

#[test]
fn a_pong_that_nobody_has_asked_for_is_no_sign_of_life_when_one_is_asked_for() {
    // The timeout of silence would take far longer than the test.
    let patient = Heartbeat::new(Duration::from_secs(60), Duration::from_secs(120));
    while_others_talk(config("b").heartbeat(patient), async |b| {
        let (stream, mut old) = rogue(&b).await;
        let forged = [beat(PONG, u64::MAX), beat(PONG, 1), frame(&[DATA, 1])].concat();
        (&stream).write_all(&forged).await.unwrap();
        assert_eq!(receive_one(&mut old).await, [1]);

        // Another node with that name connects: the node probes the old session, which is silent.
        let mut again = config("rogue");
        again.name = "rogue@h".parse().unwrap();
        let again = start(again).await;
        again.connect(&spec(&b), DialId(1));
        let replaced = async { end_of(&mut old).await.1.kind };
        let heard = async { Some(next_session(&again).await) };
        let (kind, at_again) = futures::join!(replaced, heard);
        assert_eq!(kind, EndKind::Replaced);
        assert_eq!(at_again.unwrap().peer().node, *b.local());
        until("the replacement to be counted", || count(&b, "sessions_replaced") == 1).await;
        drop(stream);
    });
}

#[test]
fn who_takes_nothing_while_it_talks_on_loses_the_session() {
    while_others_talk(config("b"), async |b| {
        let (stream, mut at_b) = rogue(&b).await;
        let outbox = at_b.outbox();
        let signal = vec![7; 32 * 1024];
        for _ in 0..1000 {
            outbox.push(peer_service::FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(&signal)).unwrap();
        }
        outbox.flush();
        let keep_sending = async {
            loop {
                let _ = (&stream).write_all(&beat(PING, 1)).await;
                smol::Timer::after(Duration::from_millis(20)).await;
            }
        };
        let end = or(async { end_of(&mut at_b).await.1.kind }, keep_sending).await;
        assert_eq!(end, EndKind::Overloaded);
        assert_eq!(count(&b, "sessions_overloaded"), 1);
    });
}

/// The incarnation of a node, which it sends to every caller.
async fn incarnation_of(node: &TcpTransport) -> u64 {
    let stream = dial(node).await;
    let name = node.local().name.as_str();
    (&stream).write_all(&raw::hello(VERSION, "", "anybody@h", name)).await.unwrap();
    incarnation_in(&soon("a challenge", read_frame(&stream)).await)
}

#[test]
fn an_impostor_in_the_same_incarnation_that_denies_the_session_does_not_end_it() {
    while_others_talk(config("victim"), async |v| {
        let b = start(config("b")).await;
        let (mut at_b, mut at_v) = connect(&b, &v).await;
        let incarnation = incarnation_of(&b).await;
        // The users of both ends read, which answers the probes; no frame arrives for them.
        let (mut of_b, mut of_v) = (FrameBuf::new(), FrameBuf::new());
        let undisturbed = async {
            let both = (at_b.recv(&mut of_b), at_v.recv(&mut of_v));
            panic!("the session is disturbed: {:?}", futures::join!(both.0, both.1));
        };
        let attack = async {
            let hello = hello_with(VERSION, 1, "", "b@127.0.0.1", "victim@127.0.0.1");
            for at in 0..50 {
                let number = if at % 2 == 0 { u64::MAX } else { 1 };
                let hello = in_incarnation(hello.clone(), incarnation, number);
                let verdict = deny_the_session(&dial(&v).await, Transcript::default(), &hello).await;
                assert_eq!(verdict[..3], [VERDICT, REFUSED, STANDS_ALREADY], "attempt {at}");
            }
        };
        or(attack, undisturbed).await;
        exchange_frames(&mut at_b, &mut at_v).await;
        assert_eq!(count(&v, "sessions_replaced"), 0);
        until("all refusals to be counted", || count(&v, "refused_standing") == 50).await;
    });
}

#[test]
fn a_crowd_of_impostors_neither_ends_a_session_nor_floods_it_with_probes() {
    const CROWD: usize = 40;
    while_others_talk(config("victim"), async |v| {
        let b = start(config("b")).await;
        let (mut at_b, mut at_v) = connect(&b, &v).await;
        let incarnation = incarnation_of(&b).await;
        let (mut of_b, mut of_v) = (FrameBuf::new(), FrameBuf::new());
        let undisturbed = async {
            let both = (at_b.recv(&mut of_b), at_v.recv(&mut of_v));
            panic!("the session is disturbed: {:?}", futures::join!(both.0, both.1));
        };
        let attack = async {
            let hello = hello_with(VERSION, 1, "", "b@127.0.0.1", "victim@127.0.0.1");
            let one = async |number: usize| {
                let hello = in_incarnation(hello.clone(), incarnation, number as u64);
                deny_the_session(&dial(&v).await, Transcript::default(), &hello).await
            };
            for verdict in futures::future::join_all((0..CROWD).map(one)).await {
                assert_eq!(verdict[..2], [VERDICT, REFUSED]);
            }
        };
        or(attack, undisturbed).await;
        exchange_frames(&mut at_b, &mut at_v).await;
        assert_eq!(count(&v, "sessions_replaced"), 0);
    });
}
