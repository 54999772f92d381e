//! Counters of the ends of sessions and dials, by their reasons.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use peer_service::{DialId, EndKind, FrameMeta, NodeSpec, PeerService, PushError};
use support::{
    config, connect, count, end_of, next_failure, next_session, proxy::Proxy, spec_at, start, until,
};

#[test]
fn sessions_are_counted_by_how_they_end() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        // The session is dropped: it ends without a goodbye.
        drop(at_a);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        until("it to be counted", || count(&b, "sessions_closed") == 1).await;

        let (mut at_a, mut at_b) = connect(&a, &b).await;
        at_a.outbox().close(EndKind::Left);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Left);
        assert_eq!((count(&b, "sessions_left"), count(&b, "sessions_closed")), (1, 1));
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Left);
        assert_eq!(count(&a, "sessions_left"), 0, "the peer has not left");
    });
}

#[test]
fn a_session_of_several_connections_is_counted_once() {
    smol::block_on(async {
        let channels = |label| config(label).channels(["bulk", "control"].map(|name| name.parse().unwrap()));
        let (a, b) = (start(channels("a")).await, start(channels("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        drop(at_a);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        until("the end at a to be counted", || count(&a, "sessions_closed") > 0).await;

        let (mut at_a, mut at_b) = connect(&a, &b).await;
        at_a.outbox().close(EndKind::Left);
        let (one, other) = futures::join!(end_of(&mut at_a), end_of(&mut at_b));
        assert_eq!((one.1.kind, other.1.kind), (EndKind::Left, EndKind::Left));

        // All connections of both have ended once a third session has begun and ended.
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        at_b.outbox().close(EndKind::Disconnected);
        futures::join!(end_of(&mut at_a), end_of(&mut at_b));
        for (node, left) in [(&a, 0), (&b, 1)] {
            let counted = ["sessions", "sessions_closed", "sessions_left"].map(|name| count(node, name));
            assert_eq!(counted, [3, 1, left]);
        }
    });
}

#[test]
fn what_was_not_sent_is_counted_though_the_connection_broke_in_a_write() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let wire = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, wire.address), DialId(1));
        let (at_a, _at_b) = (next_session(&a).await, next_session(&b).await);
        let outbox = at_a.outbox();
        let mut pushed = 0;
        // More than the system accepts, to a peer that does not read; then the connection is reset.
        // The session continues until it is read, so the writer detects the reset.
        while outbox.push(FrameMeta::message(1), &mut |out| out.extend([7; 64 * 1024])).is_ok() {
            outbox.flush();
            pushed += 1;
        }
        assert!(outbox.queued() > 0, "{pushed} messages were taken");
        wire.sever_all();
        until("the writer to notice", || outbox.queued() == 0).await;
        drop(at_a);
        until("the end", || count(&a, "sessions_closed") == 1).await;
        assert!(count(&a, "unsent_bytes") > 0);
    });
}

#[test]
fn a_frame_that_the_peer_does_not_take_is_counted() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (at_a, _at_b) = connect(&a, &b).await;
        let too_long = at_a.peer().max_frame + 1;
        let write = &mut |frame: &mut Vec<u8>| frame.resize(frame.len() + too_long, 0);
        assert_eq!(at_a.outbox().push(FrameMeta::message(1), write), Err(PushError::TooLarge));
        assert_eq!(count(&a, "frames_too_large"), 1);
    });
}

#[test]
fn a_dial_that_leads_nowhere_is_counted() {
    smol::block_on(async {
        let a = start(config("a")).await;
        // The specification has no address, and none is known.
        let unknown: NodeSpec = "b@no-such-host.invalid".parse().unwrap();
        a.connect(&unknown, DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Unreachable);
        assert!(count(&a, "dials_nowhere") >= 1);
        assert_eq!(count(&a, "dials"), 0);
    });
}
