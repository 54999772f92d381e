//! Frames longer than a fragment: they arrive whole and in order, and delay no other frame.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::time::Duration;

use peer_service::{DialId, EndKind, FrameBuf, FrameMeta, PeerService, PushError};
use support::Setup;
use support::{Live, config, connect, end_of, next_session, proxy::Proxy, receive_one, soon, spec_at, start};
use transport_tcp::Heartbeat;

const LARGEST: usize = 16 << 20;

/// A body without repetitions.
fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i >> 16) as u8).collect()
}

fn push(session: &Live, meta: FrameMeta, body: &[u8]) -> Result<(), PushError> {
    session.outbox().push(meta, &mut |out| out.extend_from_slice(body))
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

/// A node whose peer may be silent for a long time.
fn patient(label: &str) -> Setup {
    let heartbeat = Heartbeat::new(Duration::from_secs(5), Duration::from_secs(60));
    config(label).heartbeat(heartbeat).max_message_queue(1 << 30)
}

#[test]
fn frames_of_every_length_arrive_whole_in_both_directions() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        let piece = 65 * 1024;
        for len in [piece - 12, piece, piece + 1, 2 * (piece - 12), 1 << 20, LARGEST, a.max_frame()] {
            let whole = body(len);
            for _ in 0..2 {
                push(&at_a, FrameMeta::message(1), &whole).unwrap();
                at_a.outbox().flush();
                assert!(receive(&mut at_b, 1).await[0] == whole, "{len} bytes");
                std::mem::swap(&mut at_a, &mut at_b);
            }
        }
        assert_eq!(at_a.peer().max_frame, a.max_frame());
        assert_eq!(push(&at_a, FrameMeta::message(1), &body(a.max_frame() + 1)), Err(PushError::TooLarge));
    });
}

#[test]
fn while_a_long_message_waits_for_a_slow_peer_pongs_and_the_signals_of_others_pass() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let wire = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, wire.address), DialId(1));
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);

        // b does not read: more is in transit than the systems of the two nodes buffer.
        let whole = body(LARGEST);
        for _ in 0..4 {
            push(&at_a, FrameMeta::message(1), &whole).unwrap();
        }
        at_a.outbox().flush();
        push(&at_a, FrameMeta::signal(1), b"the sender's own end").unwrap();
        push(&at_a, FrameMeta::signal(2), b"another's end").unwrap();
        at_a.outbox().flush();
        // A ping, and a frame whose arrival shows that the ping was read and answered.
        assert!(wire.inject_back("a@127.0.0.1", b"\x09\x02\0\0\0\0\0\0\0\x07\x02\0!").await);
        assert_eq!(receive_one(&mut at_a).await, b"!");

        let received = receive(&mut at_b, 6).await;
        let another = received.iter().position(|frame| frame == b"another's end").unwrap();
        assert!(another < 4, "it overtakes the long messages");
        assert_eq!(received.iter().filter(|frame| **frame == whole).count(), 4);
        assert_eq!(received[5], b"the sender's own end");

        let kinds = kinds(&wire.said_by("a@127.0.0.1"));
        let is = |kind| move |(_, other): &(usize, u8)| *other == kind;
        let fragments: Vec<usize> =
            kinds.iter().copied().enumerate().filter(is(1)).map(|(at, _)| at).collect();
        let pong = kinds.iter().position(|kind| *kind == 3).unwrap();
        assert!((fragments[0]..fragments[fragments.len() - 1]).contains(&pong));
    });
}

/// The kinds of all frames in these bytes.
fn kinds(mut said: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while !said.is_empty() {
        let header = said.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let digits = said[..header].iter().rev();
        let len = digits.fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
        kinds.push(said[header]);
        said = &said[header + len..];
    }
    kinds
}

#[test]
fn a_session_that_is_closed_in_good_order_sends_the_last_fragment_first() {
    smol::block_on(async {
        let (a, b) = (start(patient("a")).await, start(patient("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        push(&at_a, FrameMeta::message(1), &body(LARGEST)).unwrap();
        push(&at_a, FrameMeta::signal(1), b"down").unwrap();
        at_a.outbox().close(EndKind::Left);
        let (frames, end) = end_of(&mut at_b).await;
        assert_eq!(end.kind, EndKind::Left);
        assert!(frames == [body(LARGEST), b"down".to_vec()]);
    });
}

#[test]
fn a_message_longer_than_may_wait_is_accepted_alone() {
    smol::block_on(async {
        let (a, b) = (start(patient("a").max_message_queue(1 << 20)).await, start(patient("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        assert_eq!(push(&at_a, FrameMeta::message(1), &body(LARGEST)), Ok(()));
        assert_eq!(push(&at_a, FrameMeta::message(2), b"more"), Err(PushError::Full));
        assert_eq!(push(&at_a, FrameMeta::signal(2), b"signal"), Ok(()));
        at_a.outbox().flush();
        let received = receive(&mut at_b, 2).await;
        assert!(received[0] == b"signal" && received[1] == body(LARGEST));
        let outbox = at_a.outbox();
        soon("room", std::future::poll_fn(|cx| outbox.poll_ready(peer_service::ChannelId::DEFAULT, cx)))
            .await
            .unwrap();
        assert_eq!(push(&at_a, FrameMeta::message(2), b"more"), Ok(()));
    });
}
