//! Typed addresses: they send and call on behalf of a node or a process.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Cluster, eventually, name, next_down, run};
use monitor_runtime::{
    Dest, Envelope, IntoRef, SendErrorKind, TrySendError, prelude::*, refs::ParseErrorKind,
};
use peer_service::memory::{Join, Network};
use serde::{Deserialize, Serialize};

const LONG: Duration = Duration::from_secs(100);

// Neither `Clone` nor `Debug`: an address asks for no more of its messages than `Serialize`.
#[derive(PartialEq, Serialize, Deserialize)]
enum Job {
    Resize { width: u32, height: u32 },
    Rename(String),
    Stop,
}

async fn two() -> (Cluster, Node, Node) {
    let cluster = Cluster::new();
    let (a, b) = (cluster.node("a").await, cluster.node("b").await);
    (cluster, a, b)
}

/// A process that answers calls with values of different types.
fn server(node: &Node) -> Pid {
    let body = |mut process: Process| async move {
        while let Some(event) = process.recv().await {
            let Event::Message(request) = event.decode() else { continue };
            match &request.body {
                Job::Resize { width, height } => process.reply(&request, Postcard(width * height))?,
                Job::Rename(name) => process.reply(&request, Postcard(name))?,
                Job::Stop => break,
            };
        }
        Ok(())
    };
    node.spawn(body).unwrap()
}

#[test]
fn a_message_is_from_the_process_or_the_node_that_made_the_address() {
    run(async {
        let (_cluster, a, b) = two().await;
        let sender = a.process().unwrap();
        for node in [&a, &b] {
            let mut receiver = node.process().unwrap();
            receiver.register(name("jobs")).unwrap();
            let by_name = format!("jobs@{}", node.name());
            for (address, from) in [
                (sender.addr::<Job>(receiver.pid()).unwrap(), Some(sender.pid())),
                (sender.addr(by_name.as_str()).unwrap(), Some(sender.pid())),
                (a.addr(receiver.pid()).unwrap(), None),
                (a.addr(by_name.as_str()).unwrap(), None),
            ] {
                address.try_send(Job::Stop).unwrap();
                address.try_send(&Job::Stop).unwrap();
                address.send(Job::Stop).await.unwrap();
                address.clone().send(&Job::Stop).await.unwrap();
                for _ in 0..4 {
                    let event = receiver.recv().await.unwrap().decode::<Job>();
                    let Event::Message(message) = event else { panic!("no message") };
                    assert!(message.body == Job::Stop);
                    assert_eq!((message.from.as_ref(), message.reply_to), (from, None));
                }
            }
        }
    });
}

#[test]
fn messages_by_an_address_and_others_of_the_process_have_one_order() {
    run(async {
        let (_cluster, a, b) = two().await;
        let (sender, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        let address: Addr<u32> = sender.addr(receiver.pid()).unwrap();
        let end = receiver.monitor(sender.pid()).unwrap();
        for round in 0..100 {
            match round % 3 {
                0 => address.try_send(round).unwrap(),
                1 => address.send(round).await.unwrap(),
                _ => sender.try_send(receiver.pid(), Postcard(round)).unwrap(),
            }
        }
        for round in 0..100_u32 {
            let Event::Message(message) = receiver.recv().await.unwrap().decode::<u32>() else {
                panic!("{round}")
            };
            assert_eq!(message.body, round);
        }
        drop(sender);
        assert_eq!(next_down(&mut receiver).await.monitor, end);
    });
}

#[test]
fn a_call_returns_a_value_or_the_reply_as_it_came() {
    run(async {
        let (_cluster, a, b) = two().await;
        let caller = a.process().unwrap();
        let server = server(&b);
        let (of_process, of_node) = (caller.addr::<Job>(&server).unwrap(), a.addr::<Job>(&server).unwrap());
        for address in [&of_process, &of_node] {
            let area = address.call::<u32>(Job::Resize { width: 640, height: 480 });
            assert_eq!(area.timeout(LONG).await, Ok(640 * 480));
            let rename = Job::Rename("α".to_owned());
            assert_eq!(address.call::<String>(&rename).await, Ok("α".to_owned()));
            let wrong = address.call::<bool>(rename).await;
            let Err(CallError::Reply { target, source }) = wrong else { panic!("{wrong:?}") };
            assert_eq!(target, Target::from(&server));
            assert_eq!(source.into_message().decode::<String>().unwrap().body, "α");
        }
        let none = of_process.call::<()>(Job::Stop).await;
        let Err(CallError::Down(down)) = none else { panic!("{none:?}") };
        assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
        assert_eq!((down.target, down.incarnation), (Target::from(&server), Some(b.id().incarnation)));
        assert_eq!((a.stats().monitors, a.stats().aliases), (0, 0));

        let silent = b.process().unwrap();
        let short = Duration::from_millis(1);
        let called = a.addr::<u8>(silent.pid()).unwrap().call::<u8>(1).timeout(short).await;
        assert_eq!(called, Err(CallError::Timeout { target: silent.pid().into(), after: short }));
    });
}

#[test]
fn its_target_can_be_monitored_and_is_a_target_itself() {
    run(async {
        let (_cluster, a, b) = two().await;
        let mut watcher = a.process().unwrap();
        let target = b.process().unwrap();
        target.register(name("jobs")).unwrap();
        for (text, address) in [
            (format!("jobs@{}", b.name()), watcher.addr::<u8>("jobs@b@local").unwrap()),
            (target.pid().to_string(), a.addr::<u8>(target.pid().to_string()).unwrap()),
        ] {
            assert_eq!(address.target(), &text.parse::<Target>().unwrap());
            assert_eq!(format!("{address:?}"), format!("Addr({:?})", address.target()));
            let dest: Dest = (&address).into_ref().unwrap();
            assert_eq!(dest, Dest::from(address.target()));
            drop(address.monitor().unwrap());
            watcher.monitor(&address).unwrap();
        }
        let monitors = [a.addr::<u8>(target.pid()).unwrap(), watcher.addr("jobs@b@local").unwrap()];
        let monitors = monitors.map(|address| (address.monitor().unwrap(), address));
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 4).await;
        target.exit(ExitReason::Shutdown);
        let reason = DownReason::Exit(ExitReason::Shutdown);
        for (monitor, address) in monitors {
            let down = monitor.await;
            assert_eq!((&down.reason, &down.target), (&reason, address.target()));
        }
        for _ in 0..2 {
            assert_eq!(next_down(&mut watcher).await.reason, reason);
        }
    });
}

#[test]
fn a_text_that_is_no_target_is_refused_with_the_place() {
    run(async {
        let (_cluster, a, _b) = two().await;
        let process = a.process().unwrap();
        let text = "jobs@b@10.0.0.8:70o1";
        for error in [a.addr::<u8>(text).unwrap_err(), process.addr::<u8>(text.to_owned()).unwrap_err()] {
            assert_eq!((&error.kind, error.at), (&ParseErrorKind::BadNumber, 16));
            assert!(error.to_string().ends_with("(at byte 16 of \"jobs@b@10.0.0.8:70o1\")"), "{error}");
        }
    });
}

#[test]
fn it_outlives_its_process_and_sends_nothing_then() {
    run(async {
        let (_cluster, a, b) = two().await;
        let (sender, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        let address: Addr<u8> = sender.addr(receiver.pid()).unwrap();
        let of_node: Addr<u8> = a.addr(receiver.pid()).unwrap();
        let monitor = receiver.monitor(sender.pid()).unwrap();
        drop(sender);
        let not_alive = SendErrorKind::NotAlive(NotAlive);
        let sent = address.try_send(7);
        let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
        assert_eq!((error.kind(), &*error.clone().into_inner()), (&not_alive, &[7][..]));
        let error = address.send(8).await.unwrap_err();
        assert_eq!((error.kind(), &*error.clone().into_inner()), (&not_alive, &[8][..]));
        assert_eq!(address.call::<u8>(9).await, Err(CallError::NotAlive(receiver.pid().into())));
        // The `Down` is the last of it; the address of the node works as before.
        of_node.try_send(10).unwrap();
        let mut got = [receiver.recv().await.unwrap(), receiver.recv().await.unwrap()];
        got.sort_by_key(|event| matches!(event, Event::Message(_)));
        let [Event::Down(down), Event::Message(message)] = got else { panic!("{got:?}") };
        assert_eq!((down.monitor, message.decode().unwrap().body), (monitor, 10_u8));
    });
}

#[test]
fn a_channel_is_kept_with_the_address() {
    run(async {
        let network = Network::new();
        let start = |label: &str, names: &[&str]| {
            let channels = names.iter().map(|name| name.parse().unwrap());
            let join = Join::new(format!("{label}@local").parse().unwrap()).channels(channels);
            Node::with_service(Config::new(join.name.clone()), network.join_with(join)).unwrap()
        };
        let (a, b, c) = (start("a", &["bulk"]), start("b", &[]), start("c", &["bulk"]));
        let bulk = a.channel("bulk").unwrap();
        let sender = a.process().unwrap();
        for (node, has_bulk) in [(&b, false), (&c, true)] {
            let mut receiver = node.process().unwrap();
            sender.send(receiver.pid(), "connect").await.unwrap();
            receiver.recv().await.unwrap();
            let strict: Addr<u8> = sender.addr(receiver.pid()).unwrap().channel(bulk);
            for sent in [strict.send(1).await, strict.clone().send(2).await] {
                let sent = sent.map_err(|error| error.kind().clone());
                assert_eq!(sent, if has_bulk { Ok(()) } else { Err(SendErrorKind::NoChannel) });
            }
            let called = strict.call::<u8>(3).timeout(Duration::from_millis(1)).await.unwrap_err();
            assert_eq!(
                matches!(called, CallError::NotSent { source: SendErrorKind::NoChannel, .. }),
                !has_bulk
            );
            strict.or_default_channel().try_send(4).unwrap();
            let expected: &[u8] = if has_bulk { &[1, 2, 3, 4] } else { &[4] };
            for &body in expected {
                let Event::Message(message) = receiver.recv().await.unwrap().decode::<u8>() else {
                    panic!("{body}")
                };
                assert_eq!(message.body, body);
            }
            // The same channel by an envelope.
            let sent = sender.try_send(receiver.pid(), Envelope::new(Postcard(5_u8)).channel(bulk));
            assert_eq!(sent.is_ok(), has_bulk);
        }
    });
}
