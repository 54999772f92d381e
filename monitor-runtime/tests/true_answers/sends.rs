//! Messages that are not sent: the reason, and the body that the error gives back.

use futures::FutureExt;
use monitor_runtime::{
    Bytes, Dest, EndKind, Envelope, IntoRef, NotAlive, ParseError, SendError, SendErrorKind, TrySendError,
    prelude::*,
};
use peer_service::{
    Capabilities,
    memory::{Join, Network},
};
use serde::{Serialize, Serializer};

use crate::common::{Cluster, alone::Alone, next_body, run};

/// Sends the message by each function that sends, from the process and from its node. Checks that
/// none succeeds, and that all give the same kind of error and the same body, which are returned.
async fn refused(
    from: &Process,
    to: impl IntoRef<Dest> + Clone,
    message: Envelope,
) -> (SendErrorKind, Bytes) {
    let node = from.node();
    let waiting =
        [from.send(to.clone(), message.clone()).await, node.send(to.clone(), message.clone()).await];
    let at_once = [from.try_send(to.clone(), message.clone()), node.try_send(to, message)];
    let errors = waiting.map(Result::unwrap_err);
    for sent in at_once {
        assert_eq!(sent, Err(TrySendError::Failed(errors[0].clone())));
        let error = sent.unwrap_err();
        assert!(!error.is_full());
        assert_eq!(error.to_string(), errors[0].to_string());
        assert_eq!(error.into_inner(), errors[0].clone().into_inner());
    }
    let [error, of_node]: [SendError; 2] = errors;
    assert_eq!(error, of_node);
    assert_eq!(error.to_string(), error.kind().to_string());
    (error.kind().clone(), error.into_inner())
}

#[test]
fn a_message_that_is_too_long_comes_back() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config| config.max_message(1000)).await;
        let b = cluster.node("b").await;
        let me = a.process().unwrap();
        for mut receiver in [a.process().unwrap(), b.process().unwrap()] {
            let body = Bytes::from(vec![7; 1001]);
            let (kind, returned) = refused(&me, receiver.pid(), Envelope::new(body.clone())).await;
            assert_eq!(kind, SendErrorKind::TooLarge { len: 1001, max: 1000 });
            assert_eq!(returned, body);
            assert_eq!(returned.as_ptr(), body.as_ptr(), "it was not copied");
            me.send(receiver.pid(), returned.slice(1..)).await.unwrap();
            assert_eq!(next_body(&mut receiver).await, body.slice(1..));
        }
    });
}

#[test]
fn a_message_on_a_channel_that_the_session_lacks_comes_back() {
    run(async {
        let network = Network::new();
        let bulk = ["bulk".parse().unwrap()];
        let with = Join::new("a@local".parse().unwrap()).channels(bulk);
        let a = Node::with_service(Config::new("a@local"), network.join_with(with)).unwrap();
        let service = network.join("b@local".parse().unwrap());
        let b = Node::with_service(Config::new("b@local"), service).unwrap();
        let (me, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        me.send(receiver.pid(), "connects").await.unwrap();
        assert_eq!(next_body(&mut receiver).await, "connects");

        let message = Envelope::new("bulky").channel(a.channel("bulk").unwrap());
        let (kind, body) = refused(&me, receiver.pid(), message.clone()).await;
        assert_eq!((kind, &*body), (SendErrorKind::NoChannel, &b"bulky"[..]));
        me.send(receiver.pid(), message.or_default_channel()).await.unwrap();
        assert_eq!(next_body(&mut receiver).await, "bulky");
    });
}

#[test]
fn a_message_for_a_node_that_cannot_be_connected_comes_back() {
    run(async {
        let service = Alone::new("a@local", Capabilities::NONE);
        let a = Node::with_service(Config::new("a@local"), service).unwrap();
        let me = a.process().unwrap();
        let (kind, body) = refused(&me, "worker@b@local", Envelope::new("far away")).await;
        assert_eq!(kind, SendErrorKind::NotConnected(EndKind::NotConnected.into()));
        assert_eq!(body, "far away");
    });
}

/// A value that cannot be encoded.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this one"))
    }
}

#[test]
fn a_value_that_cannot_be_encoded_is_refused_when_it_is_sent() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (me, mut receiver) = (a.process().unwrap(), a.process().unwrap());
        let (kind, body) = refused(&me, receiver.pid(), Envelope::new(Postcard(Unwritable))).await;
        assert_eq!((kind, body), (SendErrorKind::NotEncoded, Bytes::new()), "there is no body");
        // Of two faults the first one is told: the name.
        let (kind, _) = refused(&me, "nowhere", Envelope::new(Postcard(Unwritable))).await;
        assert!(matches!(kind, SendErrorKind::InvalidName(_)), "{kind:?}");
        let called = me.call(receiver.pid(), Postcard(Unwritable)).await;
        let target = Target::from(receiver.pid());
        assert_eq!(called, Err(CallError::NotSent { target, source: SendErrorKind::NotEncoded }));
        assert!(receiver.recv().now_or_never().is_none(), "nothing was sent");
        assert_eq!((a.stats().monitors, a.stats().aliases), (0, 0));
    });
}

#[test]
fn a_message_for_a_text_that_is_no_receiver_comes_back() {
    run(async {
        let a = Cluster::new().node("a").await;
        let me = a.process().unwrap();
        for text in ["", "nowhere", "worker@b@10.0.0.8:70o1", "partisan:pid:b@local:12:0"] {
            let error: ParseError = Dest::try_from(text).unwrap_err();
            for (kind, body) in [
                refused(&me, text, Envelope::new("stays here")).await,
                refused(&me, text.to_owned(), Envelope::new("stays here")).await,
                refused(&me, &text.to_owned(), Envelope::new("stays here")).await,
            ] {
                assert_eq!(kind, SendErrorKind::InvalidName(Box::new(error.clone())));
                assert_eq!(body, "stays here");
                let place = format!("(at byte {} of {text:?})", error.at);
                assert!(kind.to_string().ends_with(&place), "{kind}: {place}");
            }
        }
        assert_eq!(a.stats().peers, 0);
    });
}

#[test]
fn a_message_of_a_node_that_was_stopped_comes_back() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (me, receiver) = (a.process().unwrap(), b.process().unwrap());
        a.stop().await;
        let (kind, body) = refused(&me, receiver.pid(), Envelope::new("too late")).await;
        assert_eq!((kind, &*body), (SendErrorKind::NotAlive(NotAlive), &b"too late"[..]));
    });
}

#[test]
fn a_message_that_finds_no_room_comes_back_and_can_be_sent_later() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        // Before there is a connection, and on one.
        for connected in [false, true] {
            let (me, mut receiver) = (a.process().unwrap(), b.process().unwrap());
            let to = receiver.pid().clone();
            if connected {
                cluster.settle(&a, &b).await;
            }
            cluster.cut(&a, &b);
            // A shorter one may still find room.
            let [body, given_up, last] = [7, 8, 9].map(|byte| Bytes::from(vec![byte; 512 * 1024]));
            let sent = (0..1000).take_while(|_| me.try_send(&to, body.clone()).is_ok()).count();
            assert!((1..1000).contains(&sent), "there is a limit: {sent}");
            for refused in [me.try_send(&to, body.clone()), a.try_send(&to, body.clone())] {
                assert_eq!(refused, Err(TrySendError::Full(body.clone())));
                let error = refused.unwrap_err();
                assert!(error.is_full());
                assert_eq!(error.into_inner().as_ptr(), body.as_ptr(), "it was not copied");
            }
            // A send that is given up while it waits has sent nothing.
            assert!(me.send(&to, given_up).now_or_never().is_none());
            let mut waits = Box::pin(me.send(&to, last.clone()));
            assert!((&mut waits).now_or_never().is_none());
            cluster.heal(&a, &b);
            waits.await.unwrap();
            for _ in 0..sent {
                assert!(next_body(&mut receiver).await == body);
            }
            assert!(next_body(&mut receiver).await == last);
        }
    });
}
