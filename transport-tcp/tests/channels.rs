//! A session of several connections begins and ends as one.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{sync::Arc, time::Duration};

use peer_service::{ChannelId, Channels, DialId, EndKind, FrameMeta, PeerService};
use support::Setup;
use support::{Live, end_of, exchange_frames, next_session, proxy::Proxy, soon, spec_at};
use transport_tcp::{Heartbeat, TcpTransport};

const BULK: ChannelId = ChannelId::new(1).expect("a node has more");
const CONTROL: ChannelId = ChannelId::new(2).expect("a node has more");
/// The proxy's name for connections that do not begin with a name: those after the first one.
const FURTHER: &str = "";

fn config(label: &str) -> Setup {
    support::config(label).channels(["bulk", "control"].map(|name| name.parse().unwrap()))
}

/// With heartbeats so slow that none is sent in a test.
fn patient(label: &str) -> Setup {
    let slow = Heartbeat::new(Duration::from_secs(300), Duration::from_secs(600));
    config(label).heartbeat(slow)
}

/// Two nodes with a session of three connections, dialed by a through a proxy.
struct Pair {
    a: Arc<TcpTransport>,
    b: Arc<TcpTransport>,
    proxy: Proxy,
    at_a: Live,
    at_b: Live,
}

impl Pair {
    async fn new() -> Self {
        let (a, b) = (support::start(config("a")).await, support::start(config("b")).await);
        let proxy = Proxy::to(b.local_addr());
        a.connect(&spec_at(&b, proxy.address), DialId(1));
        let (at_a, at_b) = (next_session(&a).await, next_session(&b).await);
        assert_eq!(at_a.peer().channels, Channels::DEFAULT.with(BULK).with(CONTROL));
        Pair { a, b, proxy, at_a, at_b }
    }

    async fn expect_ends(&mut self, kinds: &[EndKind]) {
        for session in [&mut self.at_a, &mut self.at_b] {
            let (_, end) = end_of(session).await;
            assert!(kinds.contains(&end.kind), "{end}");
        }
    }

    /// Another session of the same kind.
    async fn again(&mut self) {
        self.a.connect(&spec_at(&self.b, self.proxy.address), DialId(2));
        (self.at_a, self.at_b) = (next_session(&self.a).await, next_session(&self.b).await);
        exchange_frames(&mut self.at_a, &mut self.at_b).await;
    }
}

#[test]
fn the_reset_of_any_connection_ends_the_session() {
    smol::block_on(async {
        let mut pair = Pair::new().await;
        pair.proxy.sever(FURTHER);
        pair.expect_ends(&[EndKind::Closed]).await;
        pair.again().await;
        let name = pair.a.local().name.clone();
        pair.proxy.sever(name.as_str());
        pair.expect_ends(&[EndKind::Closed]).await;
        pair.again().await;
    });
}

#[test]
fn the_silence_of_one_connection_ends_the_session_whatever_the_others_say() {
    smol::block_on(async {
        let mut pair = Pair::new().await;
        pair.proxy.silence(FURTHER);
        exchange_frames(&mut pair.at_a, &mut pair.at_b).await;
        pair.expect_ends(&[EndKind::Timeout, EndKind::Closed]).await;
    });
}

/// The heartbeats are so slow that a connection without a goodbye would outlast the test.
#[test]
fn a_disconnect_by_either_node_ends_every_connection_in_good_order() {
    smol::block_on(async {
        for by_the_dialing_node in [true, false] {
            let (a, b) = (support::start(patient("a")).await, support::start(patient("b")).await);
            let (at_a, at_b) = support::connect(&a, &b).await;
            let (node, peer, mut here, mut there) =
                if by_the_dialing_node { (&a, &b, at_a, at_b) } else { (&b, &a, at_b, at_a) };
            push_on_each_channel(&here);
            node.disconnect(&peer.local().name);
            expect_good_end(&mut here, &mut there, EndKind::Disconnected).await;
        }
    });
}

#[test]
fn a_session_closed_by_its_user_ends_every_connection_in_good_order() {
    smol::block_on(async {
        for kind in [EndKind::Left, EndKind::Disconnected] {
            let (a, b) = (support::start(patient("a")).await, support::start(patient("b")).await);
            let (mut at_a, mut at_b) = support::connect(&a, &b).await;
            push_on_each_channel(&at_a);
            at_a.outbox().close(kind);
            expect_good_end(&mut at_a, &mut at_b, kind).await;
        }
    });
}

/// Pushes a frame on each channel, named by its number, and flushes none.
fn push_on_each_channel(session: &Live) {
    let outbox = session.outbox();
    for (channel, frame) in [(ChannelId::DEFAULT, 0), (BULK, 1), (CONTROL, 2)] {
        outbox.push(FrameMeta::message(1).on(channel), &mut |out| out.push(frame)).unwrap();
    }
}

/// Both ends report that kind, after the frames of [`push_on_each_channel`].
async fn expect_good_end(here: &mut Live, there: &mut Live, kind: EndKind) {
    let ((_, end_here), (mut frames, end_there)) = futures::join!(end_of(here), end_of(there));
    frames.sort_unstable();
    assert_eq!(frames, [[0], [1], [2]]);
    assert_eq!((end_here.kind, end_there.kind), (kind, kind));
}

#[test]
fn a_peer_with_other_channels_or_none_has_the_default_one() {
    smol::block_on(async {
        let (a, b) = (support::start(config("a")).await, support::start(support::config("b")).await);
        let (mut at_a, mut at_b) = support::connect(&a, &b).await;
        assert_eq!((at_a.peer().channels, at_b.peer().channels), (Channels::DEFAULT, Channels::DEFAULT));
        let outbox = at_a.outbox();
        outbox.push(FrameMeta::SIGNAL.on(BULK).after_all(), &mut |out| out.push(7)).unwrap();
        outbox.flush();
        assert_eq!(support::receive_one(&mut at_b).await, [7]);
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn to_flush_a_channel_flushes_what_is_waited_for_on_others() {
    smol::block_on(async {
        // A ping would also write the queued frames.
        let (a, b) = (support::start(patient("a")).await, support::start(patient("b")).await);
        let (at_a, mut at_b) = support::connect(&a, &b).await;
        let outbox = at_a.outbox();
        let push = |meta: FrameMeta, frame: u8| outbox.push(meta, &mut |out| out.push(frame)).unwrap();
        // Repeated, because the drivers also write when they start.
        for _ in 0..10 {
            push(FrameMeta::message(1).on(BULK), 1);
            push(FrameMeta::signal(1).after_all(), 2);
            outbox.flush_channel(ChannelId::DEFAULT);
            assert_eq!(support::receive_one(&mut at_b).await, [1]);
            assert_eq!(support::receive_one(&mut at_b).await, [2]);
        }
    });
}

#[test]
fn a_session_whose_further_connections_do_not_come_is_none() {
    smol::block_on(async {
        let (a, b) = (support::start(config("a")).await, support::start(config("b")).await);
        // The proxy forwards only the first connection to b; the others get no answer.
        let only_one = support::proxy::Proxy::to_first(b.local_addr());
        a.connect(&spec_at(&b, only_one.address), DialId(1));
        let (dial, end) = soon("the failure", support::next_failure(&a)).await;
        assert_eq!((dial, end.kind), (DialId(1), EndKind::SetupTimeout));
        // b has kept nothing of the attempt: the next one, to b's own address, succeeds.
        let (mut at_a, mut at_b) = support::connect(&a, &b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}
