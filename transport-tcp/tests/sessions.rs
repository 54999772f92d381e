//! Sessions: which node dials when, and how sessions end.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{FutureExt, future::join_all};
use peer_service::{DialId, EndKind, FrameBuf, FrameMeta, NodeName, PeerEvent, PeerService, PushError};
use smol::Timer;
use support::Setup;
use support::{
    Live, config, connect, count, end_of, exchange_frames, next_failure, next_session, proxy::Proxy,
    receive_one, say, soon, spawner, spec, spec_at, start, until, unused_address,
};
use transport_tcp::TcpTransport;

fn name(label: &str) -> NodeName {
    format!("{label}@127.0.0.1").parse().unwrap()
}

/// A node in a given incarnation.
async fn start_as(config: Setup, incarnation: u64) -> Arc<TcpTransport> {
    config.start(incarnation, spawner()).await.unwrap()
}

fn no_event(node: &TcpTransport) {
    match node.next().now_or_never() {
        None => {}
        Some(Some(PeerEvent::Session(session))) => panic!("a session with {} too many", session.peer().node),
        Some(Some(PeerEvent::Failed { dial, end, .. })) => panic!("{dial:?} has failed: {end}"),
        Some(None) => panic!("the events are over"),
    }
}

#[test]
fn all_pairs_that_dial_at_once_get_one_session_each() {
    const NODES: usize = 5;
    smol::block_on(async {
        for _ in 0..10 {
            let nodes: Vec<_> = join_all((0..NODES).map(|at| start(config(&format!("n{at}"))))).await;
            for from in &nodes {
                for to in nodes.iter().filter(|to| to.local() != from.local()) {
                    from.connect(&spec(to), DialId(1));
                }
            }
            let mut sessions: Vec<Vec<Live>> = Vec::new();
            for node in &nodes {
                let mut of_node = Vec::new();
                for _ in 1..NODES {
                    of_node.push(next_session(node).await);
                }
                let peers: BTreeSet<_> = of_node.iter().map(|session| session.peer().node.clone()).collect();
                assert_eq!(peers.len(), NODES - 1);
                sessions.push(of_node);
            }
            // Every session is the same one at both ends, and none has ended.
            for (node, of_node) in nodes.iter().zip(&sessions) {
                of_node.iter().for_each(|session| say(session, node.local().name.as_str().as_bytes()));
            }
            for session in sessions.iter_mut().flatten() {
                let peer = session.peer().node.name.clone();
                assert_eq!(receive_one(session).await, peer.as_str().as_bytes());
            }
            nodes.iter().for_each(|node| no_event(node));
            nodes.iter().for_each(|node| assert_eq!(count(node, "sessions_replaced"), 0));
        }
    });
}

#[test]
fn r16_two_that_dial_at_once_again_and_again_get_one_session_each_time() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        for round in 0..50 {
            a.connect(&spec(&b), DialId(round));
            b.connect(&spec(&a), DialId(round));
            let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
            exchange_frames(&mut at_a, &mut at_b).await;
            no_event(&a);
            no_event(&b);
            at_a.outbox().close(EndKind::Left);
            assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Left);
            assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Left);
        }
    });
}

#[test]
fn a_listed_peer_is_dialed_until_it_is_there_and_whenever_it_is_lost() {
    smol::block_on(async {
        let address = unused_address();
        let wire = Proxy::to(address);
        let listed = format!("b@127.0.0.1={}", wire.address).parse().unwrap();
        let a = start(config("a").peer(listed)).await;
        until("a few failed dials", || count(&a, "dials_failed") >= 3).await;
        no_event(&a);

        let b = start(config("b").listen(address)).await;
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        wire.sever_all();
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Closed);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn a_listed_peer_that_was_disconnected_is_not_dialed_before_the_next_demand() {
    smol::block_on(async {
        let b = start(config("b")).await;
        let a = start(config("a").peer(spec(&b))).await;
        // Whichever of the two nodes disconnects, the other one does not redial.
        for disconnects in [&a, &b] {
            let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
            let peer = if disconnects.local() == a.local() { name("b") } else { name("a") };
            disconnects.disconnect(&peer);
            let (one, other) = futures::join!(end_of(&mut at_a), end_of(&mut at_b));
            assert_eq!((one.1.kind, other.1.kind), (EndKind::Disconnected, EndKind::Disconnected));
            let dials = count(&a, "dials");
            Timer::after(Duration::from_millis(300)).await;
            assert_eq!(count(&a, "dials"), dials);
            a.connect(&name("b").into(), DialId(2));
        }
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn the_address_book_serves_calls_without_addresses() {
    smol::block_on(async {
        let b = start(config("b")).await;
        let a = start(config("a").peer(spec(&b))).await;
        let c = start(config("c").peers([spec(&a), spec(&b)])).await;
        let peers =
            [next_session(&c).await, next_session(&c).await].map(|session| session.peer().node.name.clone());
        assert_eq!(BTreeSet::from(peers), BTreeSet::from([name("a"), name("b")]));
    });
}

#[test]
fn of_several_addresses_the_first_that_leads_to_the_node_is_taken() {
    smol::block_on(async {
        let (a, b, other) =
            (start(config("a")).await, start(config("b")).await, start(config("other")).await);
        let addresses =
            [unused_address(), other.local_addr(), b.local_addr()].map(|address| address.to_string());
        let spec = format!("b@127.0.0.1={}", addresses.join(","));
        a.connect(&spec.parse().unwrap(), DialId(1));
        assert_eq!(next_session(&a).await.peer().node, *b.local());
        // If no address leads to the node, the failure of the attempt that got furthest is
        // reported.
        let spec = format!("c@127.0.0.1={},{}", addresses[1], addresses[0]);
        a.connect(&spec.parse().unwrap(), DialId(2));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::AuthFailed);
    });
}

#[test]
fn a_node_that_was_restarted_gets_in_though_its_old_life_has_not_been_buried() {
    smol::block_on(async {
        // Slow heartbeats: only the probe can detect the dead session in time.
        let slow = transport_tcp::Heartbeat::wan();
        let a = start_as(config("a").heartbeat(slow), 1).await;
        let wire = Proxy::to(a.local_addr());
        let old = start_as(config("b").heartbeat(slow), 2).await;
        old.connect(&spec_at(&a, wire.address), DialId(1));
        let (mut at_a, _at_old) = (next_session(&a).await, next_session(&old).await);
        // The machine of the old node has lost its power.
        wire.silence("b@127.0.0.1");

        let new = start_as(config("b").heartbeat(slow), 3).await;
        new.connect(&spec(&a), DialId(1));
        // The user of the old session reads: unread bytes might contain the answer to the probe.
        let (mut at_new, (_, end)) = futures::join!(next_session(&new), end_of(&mut at_a));
        assert_eq!(end.kind, EndKind::Replaced);
        let mut again = next_session(&a).await;
        assert_eq!(again.peer().node, *new.local());
        exchange_frames(&mut again, &mut at_new).await;
    });
}

#[test]
fn r19_a_second_live_node_of_the_same_name_is_refused_and_the_first_is_undisturbed() {
    smol::block_on(async {
        let (a, first) = (start_as(config("a"), 1).await, start_as(config("b"), 2).await);
        let (mut at_first, mut at_a) = connect(&first, &a).await;
        let second = start_as(config("b"), 3).await;
        // The users of both ends read, which answers the probe; no frame arrives for them.
        let (mut at_a_frames, mut at_first_frames) = (FrameBuf::new(), FrameBuf::new());
        let refused = {
            let quiet = async {
                let both = (at_a.recv(&mut at_a_frames), at_first.recv(&mut at_first_frames));
                panic!("the session is disturbed: {:?}", futures::join!(both.0, both.1));
            };
            let dialing = async {
                second.connect(&spec(&a), DialId(1));
                next_failure(&second).await.1
            };
            smol::future::or(dialing, quiet).await
        };
        assert_eq!(refused.kind, EndKind::DuplicateName);
        exchange_frames(&mut at_a, &mut at_first).await;
        assert_eq!(count(&a, "refused_duplicate"), 1);
        no_event(&a);
    });
}

#[test]
fn r18_a_session_that_only_one_side_has_lost_is_replaced_when_that_side_dials() {
    smol::block_on(async {
        let slow = transport_tcp::Heartbeat::wan();
        let (a, b) = (start(config("a").heartbeat(slow)).await, start(config("b").heartbeat(slow)).await);
        let wire = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, wire.address), DialId(1));
        let (at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        wire.silence("a@127.0.0.1");
        drop(at_a);
        a.connect(&spec(&b), DialId(2));
        // b reads meanwhile: an unread ping of a would count as received bytes.
        let (mut at_a, (_, end)) = futures::join!(next_session(&a), end_of(&mut at_b));
        assert_eq!(end.kind, EndKind::Replaced);
        let mut at_b = next_session(&b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn who_does_not_read_is_not_taken_for_dead_and_takes_nobody_for_dead() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        // More than the buffers between the two hold, so that even a ping is blocked.
        let message = vec![5; 64 * 1024];
        let mut sent = 0;
        while at_a.outbox().push(FrameMeta::message(1), &mut |out| out.extend_from_slice(&message))
            != Err(PushError::Full)
        {
            at_a.outbox().flush();
            sent += 1;
        }
        // Three times the heartbeat's timeout.
        let pause = Timer::after(Duration::from_millis(1500));
        let mut frames = FrameBuf::new();
        let reading = async {
            let got = at_a.recv(&mut frames).await;
            panic!("a receives nothing while b does not read, but got {got:?}");
        };
        smol::future::or(reading, async { _ = pause.await }).await;
        let mut frames = FrameBuf::new();
        while frames.len() < sent {
            soon("the remaining frames", at_b.recv(&mut frames)).await.unwrap();
        }
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn a_demand_after_many_failures_is_dialed_however_short_the_time_for_the_set_up() {
    smol::block_on(async {
        let a = start(config("a").setup_timeout(Duration::from_millis(400))).await;
        let absent: refs::NodeSpec = format!("b@127.0.0.1={}", unused_address()).parse().unwrap();
        // Without a limit the delay after the fifth failure would exceed the set-up timeout.
        for dial in 0..10 {
            a.connect(&absent, DialId(dial));
            let (answered, end) = next_failure(&a).await;
            assert_eq!((answered, end.kind), (DialId(dial), EndKind::Refused));
        }
    });
}

#[test]
fn a_stream_in_one_direction_between_different_heartbeats_ends_no_session() {
    smol::block_on(async {
        let hasty = config("a").heartbeat(transport_tcp::Heartbeat::fast());
        let patient = config("b").heartbeat(transport_tcp::Heartbeat::wan());
        let (a, b) = (start(hasty).await, start(patient).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        for _ in 0..2 {
            // Three times the heartbeat's timeout.
            let lasting = Timer::after(Duration::from_millis(1500));
            let (stream, mut at_b_frames, mut at_a_frames) =
                (at_a.outbox(), FrameBuf::new(), FrameBuf::new());
            let streaming = async {
                loop {
                    stream.push(FrameMeta::message(1), &mut |out| out.extend([7; 100])).unwrap();
                    stream.flush();
                    Timer::after(Duration::from_millis(5)).await;
                }
            };
            let reading = async {
                loop {
                    at_b_frames.clear();
                    at_b.recv(&mut at_b_frames).await.expect("the end that receives the stream");
                }
            };
            let hearing =
                async { at_a.recv(&mut at_a_frames).await.expect("the end that receives only pongs") };
            let both = async { futures::join!(streaming, reading, hearing) };
            smol::future::or(async { _ = both.await }, async { _ = lasting.await }).await;
            // Then in the other direction.
            std::mem::swap(&mut at_a, &mut at_b);
        }
        assert_eq!((count(&a, "sessions_timeout"), count(&b, "sessions_timeout")), (0, 0));
    });
}

#[test]
fn a_peer_that_takes_no_signals_for_the_timeout_loses_the_session() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        let signal = vec![5; 1 << 20];
        // Far below the limit, but more than the system buffers.
        for _ in 0..32 {
            at_a.outbox().push(FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(&signal)).unwrap();
        }
        at_a.outbox().flush();
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Overloaded);
        let (arrived, end) = end_of(&mut at_b).await;
        assert_eq!(end.kind, EndKind::Closed);
        assert!(arrived.len() < 32 && arrived.iter().all(|frame| *frame == signal));
    });
}

#[test]
fn both_may_leave_at_once_and_nothing_is_lost() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        let frame = vec![5; 10_000];
        for session in [&at_a, &at_b] {
            for _ in 0..300 {
                session.outbox().push(FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(&frame)).unwrap();
            }
            session.outbox().close(EndKind::Left);
        }
        let (of_b, of_a) = futures::join!(end_of(&mut at_a), end_of(&mut at_b));
        assert_eq!((of_b.0.len(), of_a.0.len()), (300, 300));
        assert_eq!((of_b.1.kind, of_a.1.kind), (EndKind::Left, EndKind::Left));
    });
}

#[test]
fn r28_a_session_that_is_dropped_while_it_is_closed_still_says_everything() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        // b sends bytes that a never reads: a plain close would reset the connection and lose the
        // frames of a.
        say(&at_b, &[1; 100_000]);
        let frame = vec![5; 10_000];
        for _ in 0..500 {
            at_a.outbox().push(FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(&frame)).unwrap();
        }
        at_a.outbox().close(EndKind::Left);
        drop(at_a);
        let (arrived, end) = end_of(&mut at_b).await;
        assert_eq!((arrived.len(), end.kind), (500, EndKind::Left));
    });
}

#[test]
fn an_outbox_outlives_its_session_and_refuses() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let (at_a, mut at_b) = connect(&a, &b).await;
        let outbox = at_a.outbox();
        drop(at_a);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        assert_eq!(outbox.push(FrameMeta::SIGNAL, &mut |out| out.push(1)), Err(PushError::Closed));
        outbox.flush();
        outbox.close(EndKind::Left);
        assert!(
            std::future::poll_fn(|cx| outbox.poll_ready(peer_service::ChannelId::DEFAULT, cx)).await.is_err()
        );
    });
}

#[test]
fn a_session_is_hidden_if_either_end_is_and_frames_fit_both() {
    smol::block_on(async {
        let a = start(config("a").hidden(true)).await;
        let b = start(config("b").max_frame(2000)).await;
        let (at_a, mut at_b) = connect(&a, &b).await;
        assert!(at_a.peer().hidden && at_b.peer().hidden);
        let push = |len| at_a.outbox().push(FrameMeta::SIGNAL, &mut |out| out.resize(out.len() + len, 7));
        assert_eq!(push(2001), Err(PushError::TooLarge));
        assert_eq!(push(2000), Ok(()));
        at_a.outbox().flush();
        assert_eq!(receive_one(&mut at_b).await.len(), 2000);
    });
}

#[test]
fn a_transport_that_is_dropped_leaves_its_sessions_to_their_users() {
    smol::block_on(async {
        let (a, b) = (start(config("a")).await, start(config("b")).await);
        let address = a.local_addr();
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        drop(a);
        exchange_frames(&mut at_a, &mut at_b).await;
        until("the port to be free", || std::net::TcpListener::bind(address).is_ok()).await;
        drop(at_a);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
    });
}

#[test]
fn the_shutdown_fails_the_dials_that_wait() {
    smol::block_on(async {
        let a = start(config("a")).await;
        // A listener that accepts and sends nothing.
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        a.connect(&format!("mute@127.0.0.1={}", mute.local_addr().unwrap()).parse().unwrap(), DialId(4));
        until("the dial", || count(&a, "dials") == 1).await;
        a.shutdown();
        let (dial, end) = next_failure(&a).await;
        assert_eq!((dial, end.kind), (DialId(4), EndKind::LocalShutdown));
        assert!(soon("the end of events", a.next()).await.is_none());
    });
}
