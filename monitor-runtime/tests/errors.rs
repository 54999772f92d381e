//! Texts of errors: each describes its own part, and returns its cause only as its source, so that
//! a chain repeats nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{error::Error, future::poll_fn, task::Poll};

use common::{Cluster, alone::Alone, name, run};
use futures::StreamExt;
use monitor_runtime::{
    AliasMode, ConnectError, EndKind, MonitorError, RegisterError, SendErrorKind, TryRecvError, Unsupported,
    prelude::*,
};
use peer_service::Capabilities;

/// The texts from the error down to its first cause.
fn chain(error: &dyn Error) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect()
}

fn says_each_thing_once(error: &dyn Error) {
    let texts = chain(error);
    for (at, text) in texts.iter().enumerate() {
        assert!(!texts[..at].iter().any(|before| before.contains(text)), "{texts:?}");
    }
}

fn target() -> Target {
    "worker@b@local".try_into().unwrap()
}

#[test]
fn a_call_that_was_not_sent_has_the_reason_as_its_source() {
    let source = SendErrorKind::TooLarge { len: 2, max: 1 };
    let error = CallError::NotSent { target: target(), source };
    let why = "a message of 2 bytes is too long, the limit is 1; send it in parts, or raise `max_message` and \
        `max_frame` on both nodes";
    assert_eq!(chain(&error), ["call to worker@b@local: the request was not sent", why]);
}

#[test]
fn a_value_that_cannot_be_read_has_what_is_wrong_as_its_source() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let mut process = node.process().unwrap();
        process.try_send(process.pid(), vec![1, b'x', 7]).unwrap();
        let Some(Event::Message(message)) = process.recv().await else { panic!("a message") };
        let error = message.decode::<String>().unwrap_err();
        let text = "a message of 3 bytes cannot be read as alloc::string::String; sender and receiver must agree on the \
            type";
        assert_eq!(chain(&error), [text, "it has 1 bytes too many"]);
        says_each_thing_once(&error.clone().into_message().decode::<(u64, String)>().unwrap_err());
        let reply = CallError::Reply { target: target(), source: error };
        assert_eq!(
            chain(&reply),
            ["call to worker@b@local: the reply is of another type", text, "it has 1 bytes too many"]
        );
    });
}

#[test]
fn what_wraps_another_error_unchanged_says_it_once() {
    let unsupported = Unsupported { capability: "monitoring" };
    let parse = NodeName::try_from("no-host").unwrap_err();
    let errors: [&dyn Error; 12] = [
        &MonitorError::NotAlive(NotAlive),
        &MonitorError::Unsupported(unsupported),
        &SendErrorKind::NotAlive(NotAlive),
        &SendErrorKind::NotConnected(EndKind::Refused.into()),
        &CallError::NotAlive(target()),
        &CallError::Unsupported { target: target(), source: unsupported },
        &TryRecvError::Closed,
        &MonitorError::InvalidName(parse.clone()),
        &SendErrorKind::InvalidName(Box::new(parse.clone())),
        &CallError::InvalidName(Box::new(parse.clone())),
        &RegisterError::InvalidName(parse.clone()),
        &ConnectError::InvalidName(parse),
    ];
    for error in errors {
        says_each_thing_once(error);
    }
    assert_eq!(errors[3].to_string(), "no connection to that node: the connection was refused");
}

#[cfg(all(feature = "control", unix))]
#[test]
fn a_node_that_cannot_be_asked_has_what_the_system_said_as_its_source() {
    use monitor_runtime::control::{Request, ask};
    run(async {
        let error = ask("/nowhere/at.sock", &Request::Nodes).await.unwrap_err();
        let chain = chain(&error);
        assert_eq!((chain.len(), &*chain[0]), (2, "no node answers at /nowhere/at.sock"));
        says_each_thing_once(&error);
    });
}

/// A value that cannot be encoded.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this one"))
    }
}

#[test]
fn a_process_that_ends_with_an_error_tells_the_causes_too() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let (_, monitor) = node
            .spawn_monitor(|mailbox| async move {
                mailbox.call("worker@b@local", Postcard(Unwritable)).await?;
                Ok(())
            })
            .unwrap();
        let text =
            "call to worker@b@local: the request was not sent: the value cannot be written as a message";
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::other(text)));
    });
}

#[test]
fn an_alias_is_refused_where_there_is_no_mailbox() {
    run(async {
        let node = Node::with_service(Config::new("a@local"), Alone::new("a@local", Capabilities::FULL));
        let node = node.unwrap();
        let process = node.process().unwrap();
        let options = MonitorOptions::new().alias(AliasMode::Demonitor);
        let refused = Err(MonitorError::AliasWithoutMailbox);
        assert_eq!(node.monitor_with(process.pid(), options).map(drop), refused);
        let mut set = node.monitor_set();
        assert_eq!(set.monitor_with(process.pid(), options).map(drop), refused);
        let stats = node.stats();
        assert_eq!((set.len(), stats.monitors, stats.watchers), (0, 0, 0), "nothing stays behind");
        assert!(process.monitor_with(name("x").at(node.name().clone()), options).is_ok());
    });
}

#[test]
fn an_empty_mailbox_is_told_from_a_closed_one() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let mut process = node.process().unwrap();
        assert_eq!(process.try_recv(), Err(TryRecvError::Empty));
        process.try_send(process.pid(), "last").unwrap();
        node.kill(process.pid()).unwrap();
        assert!(matches!(process.try_recv(), Ok(Event::Message(_))), "what waits stays readable");
        assert_eq!(process.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(process.recv().await, None);
        assert_eq!(process.next().await, None, "the stream ends, too");
    });
}

#[test]
fn a_hand_written_future_receives_by_polling() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let mut process = node.process().unwrap();
        let pid = process.pid().clone();
        let sender = std::thread::spawn(move || node.try_send(pid, "wake up"));
        let event = poll_fn(|cx| process.poll_recv(cx)).await;
        assert!(matches!(event, Some(Event::Message(message)) if message.body == "wake up"));
        sender.join().unwrap().unwrap();
        let pending = poll_fn(|cx| Poll::Ready(process.poll_recv(cx).is_pending())).await;
        assert!(pending, "one event, once");
    });
}
