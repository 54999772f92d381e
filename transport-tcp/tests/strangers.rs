//! The limits for unauthenticated connections: number, time and bytes; nodes of the cluster can
//! still connect. The system handles half-open connections, whose SYN was never followed up;
//! programs do not see them.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::time::{Duration, Instant};

use smol::{Timer, io::AsyncWriteExt};
use support::{
    config, connect, count, exchange_frames, next_session,
    raw::{
        ATTACH, CHALLENGE, PROOF, REJECT, TERMS, Transcript, VERDICT, VERSION, dial, dial_from, frame, hello,
        hello_with, join, listen_to, proof, read_frame, say, while_others_talk,
    },
    soon, start, until,
};

const B: &str = "b@127.0.0.1";

/// No timeout expires within a test.
const FOR_EVER: Duration = Duration::from_secs(600);

#[test]
fn silent_strangers_at_every_place_keep_no_true_node_out() {
    // The default limits, all places taken by a few addresses; no stranger closes its connection.
    while_others_talk(config("b").setup_timeout(FOR_EVER), async |b| {
        let mut silent = Vec::new();
        for at in 0..128 {
            silent.push(dial_from([127, 0, 0, 2 + (at % 4) as u8], &b).await);
        }
        until("all to be accepted", || count(&b, "accepted") as usize == silent.len() + 1).await;
        assert_eq!(count(&b, "refused_busy"), 0);
        for label in ["c", "d", "e"] {
            let c = start(config(label)).await;
            let (mut at_c, mut at_b) = connect(&c, &b).await;
            exchange_frames(&mut at_c, &mut at_b).await;
        }
        // One stranger was evicted. Once the node had its session, its place was free again for the
        // next one.
        until("a stranger to be evicted", || count(&b, "refused_busy") == 1).await;
        listen_to(&silent[0]).await;
    });
}

#[test]
fn a_true_node_at_the_door_is_not_pushed_out_by_those_who_come_later() {
    let limits = config("b").setup_timeout(FOR_EVER).max_pending(4);
    while_others_talk(limits, async |b| {
        // It has not sent everything when the crowd arrives.
        let slow = hello_with(VERSION, 0, "", "slow@h", B);
        let early = dial(&b).await;
        (&early).write_all(&frame(&slow)).await.unwrap();
        let challenge = read_frame(&early).await;
        let mut crowd = Vec::new();
        for at in 0..60 {
            crowd.push(dial_from([127, 0, 0, 2 + at % 3], &b).await);
        }
        until("the crowd to be evicted", || count(&b, "refused_busy") == 57).await;
        (&early).write_all(&frame(&proof(&[&slow, &challenge], &TERMS))).await.unwrap();
        assert_eq!(next_session(&b).await.peer().node.name.as_str(), "slow@h");
    });
}

#[test]
fn one_address_gets_its_share_and_no_more() {
    let limits = config("b").setup_timeout(FOR_EVER).max_pending_per_address(2);
    while_others_talk(limits, async |b| {
        let there = [127, 0, 0, 2];
        let silent = [dial_from(there, &b).await, dial_from(there, &b).await];
        until("both to be accepted", || count(&b, "accepted") == 3).await;
        assert!(listen_to(&dial_from(there, &b).await).await.is_empty());
        until("the refusal to be counted", || count(&b, "refused_busy_address") == 1).await;

        let c = start(config("c")).await;
        let (mut at_c, mut at_b) = connect(&c, &b).await;
        exchange_frames(&mut at_c, &mut at_b).await;
        drop(silent);
        until("the places to be free", || count(&b, "handshakes_cut") == 2).await;
        let next = dial_from(there, &b).await;
        (&next).write_all(&hello(VERSION, "", "x@h", B)).await.unwrap();
        assert_eq!(soon("a challenge", read_frame(&next)).await[0], CHALLENGE);
    });
}

#[test]
fn a_byte_now_and_then_buys_no_time() {
    let limit = Duration::from_millis(400);
    while_others_talk(config("b").setup_timeout(limit), async |b| {
        let stream = dial(&b).await;
        let begun = Instant::now();
        // The bytes are so frequent that a timeout of single reads would never expire.
        for byte in hello(VERSION, "", "x@h", B) {
            if (&stream).write_all(&[byte]).await.is_err() || count(&b, "refused_slow") == 1 {
                break;
            }
            Timer::after(limit / 20).await;
        }
        assert!(listen_to(&stream).await.is_empty());
        assert!(begun.elapsed() >= limit);
        until("the refusal to be counted", || count(&b, "refused_slow") == 1).await;
    });
}

/// A frame whose length is encoded in that many bytes, more than necessary.
fn with_length_of(width: usize, kind_and_body: &[u8]) -> Vec<u8> {
    let length =
        |at: usize| (kind_and_body.len() >> (7 * at)) as u8 & 0x7f | if at + 1 < width { 0x80 } else { 0 };
    (0..width).map(length).chain(kind_and_body.iter().copied()).collect()
}

#[test]
fn a_length_has_four_bytes_at_most_and_every_way_to_write_it_means_the_same() {
    while_others_talk(config("b"), async |b| {
        let hello = hello_with(VERSION, 0, "", "x@h", B);
        for width in 1..=4 {
            let stream = dial(&b).await;
            (&stream).write_all(&with_length_of(width, &hello)).await.unwrap();
            assert_eq!(soon("a challenge", read_frame(&stream)).await[0], CHALLENGE, "{width} bytes");
        }
        // Zero, in all widths; too many bytes of length; a value too large for each width.
        let refused: [&[u8]; 9] = [
            &[0],
            &[0x80, 0],
            &[0x80, 0x80, 0],
            &[0x80, 0x80, 0x80, 0],
            &[0x80, 0x80, 0x80, 0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0xff, 0x7f],
            &[0xff, 0xff, 0x7f],
            &[0xff, 0xff, 0xff, 0x7f],
        ];
        for (at, length) in refused.into_iter().enumerate() {
            assert!(say(&b, length).await.is_empty(), "{length:?}");
            until("the refusal to be counted", || count(&b, "refused_malformed") == at as u64 + 1).await;
        }
    });
}

#[test]
fn a_hello_of_1024_bytes_is_read_with_what_trails_it_and_one_of_1025_is_not() {
    while_others_talk(config("b"), async |b| {
        let mut hello = hello_with(VERSION, 0, "", "x@h", B);
        hello.resize(1020, 0xaa);
        let longest = with_length_of(4, &hello);
        assert_eq!(longest.len(), 1024);
        let stream = dial(&b).await;
        (&stream).write_all(&longest).await.unwrap();
        assert_eq!(soon("a challenge", read_frame(&stream)).await[0], CHALLENGE);

        hello.push(0xaa);
        assert!(say(&b, &with_length_of(4, &hello)).await.is_empty());
        until("the refusal to be counted", || count(&b, "refused_malformed") == 1).await;
    });
}

#[test]
fn what_trails_a_hello_is_part_of_what_is_proved() {
    while_others_talk(config("b"), async |b| {
        let said = hello_with(VERSION, 0, "", "x@h", B);
        let with_tail = [&said[..], b"fields of a later version"].concat();
        join(&b, &with_tail).await;
        assert_eq!(next_session(&b).await.peer().node.name.as_str(), "x@h");
        // The removal of the tail on the path is detected.
        let stream = dial(&b).await;
        (&stream).write_all(&frame(&said)).await.unwrap();
        let challenge = read_frame(&stream).await;
        (&stream).write_all(&frame(&proof(&[&with_tail, &challenge], &TERMS))).await.unwrap();
        assert_eq!(listen_to(&stream).await[1..3], [REJECT, 5]);
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
    });
}

#[test]
fn f31_who_claims_to_speak_everything_gets_what_is_spoken_here() {
    while_others_talk(config("b"), async |b| {
        let everything = hello_with((0, u16::MAX), u64::MAX, "", "x@h", B);
        let stream = dial(&b).await;
        (&stream).write_all(&frame(&everything)).await.unwrap();
        let challenge = soon("a challenge", read_frame(&stream)).await;
        assert_eq!(challenge[1..3], [0, 2], "version 2");
        let features = u64::from_be_bytes(challenge[3..11].try_into().unwrap());
        assert_eq!(features, 1, "fragments, and nothing that nobody here knows");
        assert_eq!(say(&b, &hello((u16::MAX, 0), "", "x@h", B)).await[1..3], [REJECT, 1]);
        assert_eq!(say(&b, &hello((u16::MAX, u16::MAX), "", "x@h", B)).await[1..3], [REJECT, 1]);
    });
}

#[test]
fn a_proof_for_one_connection_opens_no_other_though_both_began_alike() {
    while_others_talk(config("b"), async |b| {
        let said = hello_with(VERSION, 0, "", "x@h", B);
        let (one, other) = (dial(&b).await, dial(&b).await);
        let mut challenges = Vec::new();
        for stream in [&one, &other] {
            (&*stream).write_all(&frame(&said)).await.unwrap();
            challenges.push(read_frame(stream).await);
        }
        assert_ne!(challenges[0], challenges[1]);
        let for_one = frame(&proof(&[&said, &challenges[0]], &TERMS));
        (&other).write_all(&for_one).await.unwrap();
        assert_eq!(listen_to(&other).await[1..3], [REJECT, 5]);
        (&one).write_all(&for_one).await.unwrap();
        assert_eq!(next_session(&b).await.peer().node.name.as_str(), "x@h");
    });
}

#[test]
fn a_further_connection_is_taken_once_for_its_channel_and_from_who_proves_it() {
    let channels = ["one", "two"].map(|name| name.parse().unwrap());
    while_others_talk(config("b").channels(channels), async |b| {
        let attach = async |what: &[u8]| {
            let stream = dial(&b).await;
            (&stream).write_all(&frame(what)).await.unwrap();
            stream
        };
        // Not for any session, and an incomplete frame of that kind.
        for nonsense in [&[ATTACH; 66][..], &[ATTACH; 65], &[ATTACH]] {
            assert!(listen_to(&attach(nonsense).await).await.is_empty());
        }
        until("the refusals to be counted", || count(&b, "refused_malformed") == 3).await;

        let hello = hello_with(VERSION, 1, "", "x@h", B);
        let mut said = Transcript::default();
        said.absorb(&hello);
        let first = dial(&b).await;
        (&first).write_all(&frame(&hello)).await.unwrap();
        said.absorb(&read_frame(&first).await);
        let terms = [&TERMS[..4], b"\x02\x03one\x03two"].concat();
        (&first).write_all(&frame(&said.prove(PROOF, &terms))).await.unwrap();
        let verdict = read_frame(&first).await;
        assert_eq!(verdict[..2], [VERDICT, 0], "accepted");
        said.absorb_proved(&verdict);

        let one = attach(&said.attach(1)).await;
        // An eavesdropper on the path can see the session's id, and the proof of the first channel.
        let mut forged = said.attach(1);
        forged[33] = 2;
        assert_eq!(listen_to(&attach(&forged).await).await[1..3], [REJECT, 5]);
        until("the refusal to be counted", || count(&b, "refused_proof") == 1).await;
        for spoilt in [said.attach(1), said.attach(0), said.attach(3), said.attach(255)] {
            assert!(listen_to(&attach(&spoilt).await).await.is_empty(), "taken, or none of the session's");
        }
        let two = attach(&said.attach(2)).await;
        assert_eq!(next_session(&b).await.peer().node.name.as_str(), "x@h");
        for further in [&one, &two] {
            assert_eq!(soon("the answer", read_frame(further)).await[0], ATTACH);
        }
        assert!(listen_to(&attach(&said.attach(1)).await).await.is_empty(), "too late");
    });
}
