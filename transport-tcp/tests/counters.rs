//! How sessions and dials come to their ends is counted by why.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use peer_service::{DialId, EndKind, FrameMeta, NodeSpec, PeerService, PushError};
use support::{config, connect, count, end_of, next_failure, start, until};

#[test]
fn sessions_are_counted_by_how_they_end() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        // Nobody reads it any more: it ends without a goodbye.
        drop(at_a);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        until("it to be counted", || count(&b, "sessions_closed") == 1).await;

        let (at_a, mut at_b) = connect(&a, &b).await;
        at_a.outbox().close(EndKind::Left);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Left);
        assert_eq!((count(&b, "sessions_left"), count(&b, "sessions_closed")), (1, 1));
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
        // There is no address in it, and none is known.
        let unknown: NodeSpec = "b@no-such-host.invalid".parse().unwrap();
        a.connect(&unknown, DialId(1));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Unreachable);
        assert!(count(&a, "dials_nowhere") >= 1);
        assert_eq!(count(&a, "dials"), 0);
    });
}
