//! The future of a call: when it acts, how it ends, and what it leaves.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Duration,
};

use common::{Cluster, eventually, run};
use futures::{FutureExt, future::select_all};
use monitor_runtime::{Bytes, Call, prelude::*};

/// Checks that no monitor, watcher, alias or waiting message remains.
fn has_nothing_left(node: &Node) {
    let stats = node.stats();
    let left = (stats.monitors, stats.fired, stats.watchers, stats.aliases, stats.waiting_bytes);
    assert_eq!(left, (0, 0, 0, 0, 0));
}

async fn request(server: &mut Process) -> Message {
    match server.recv().await {
        Some(Event::Message(message)) => message,
        other => panic!("no request: {other:?}"),
    }
}

/// The calls of a process and of its node.
fn both(process: &Process, target: &Pid, body: &'static str) -> [Call; 2] {
    [process.call(target, body), process.node().call(target, body)]
}

#[test]
fn nothing_happens_before_the_first_poll() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (caller, mut server) = (a.process().unwrap(), b.process().unwrap());
        let calls = both(&caller, server.pid(), "never sent");
        has_nothing_left(&a);
        drop(calls);
        cluster.settle(&a, &b).await;
        assert!(server.try_recv().is_err());

        // The timeout counts from the first poll: one that is over at once still sends the request.
        let call = caller.call(server.pid(), "sent").timeout(Duration::ZERO);
        let target = Target::from(server.pid());
        assert_eq!(call.await, Err(CallError::Timeout { target, after: Duration::ZERO }));
        assert_eq!(request(&mut server).await.body, "sent");
        has_nothing_left(&a);
    });
}

#[test]
fn without_a_timeout_and_with_an_endless_one_it_waits_for_the_reply() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (caller, mut server) = (a.process().unwrap(), b.process().unwrap());
        let pid = server.pid().clone();
        let [one, two] = both(&caller, &pid, "?");
        let [three, four] = both(&caller, &pid, "?").map(|call| call.timeout(Duration::MAX));
        // The last timeout counts.
        let five = caller.call(&pid, "?").timeout(Duration::ZERO).timeout(Duration::MAX);
        let mut calls = pin!(select_all([one, two, three, four, five]));
        assert!((&mut calls).now_or_never().is_none());
        let mut requests = Vec::new();
        for _ in 0..5 {
            requests.push(request(&mut server).await);
        }
        assert!((&mut calls).now_or_never().is_none());
        for message in &requests {
            assert_eq!(server.reply(message, "!"), Ok(true));
        }
        let (first, _, others) = calls.await;
        assert_eq!(first.unwrap().body, "!");
        for call in others {
            assert_eq!(call.await.unwrap().body, "!");
        }
        has_nothing_left(&a);
    });
}

#[test]
fn it_can_be_moved_to_another_task_and_outlive_its_process_value() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut server = b.process().unwrap();
        let target = server.pid().clone();
        let (give, take) = futures::channel::oneshot::channel();
        let (caller, monitor) = a
            .spawn_monitor(move |process| async move {
                let mut call = process.call(&target, "?");
                assert!((&mut call).now_or_never().is_none());
                drop(give.send(call));
                drop(process);
                std::future::pending().await
            })
            .unwrap();
        let call: Call = take.await.unwrap();
        // Polled here first, and then by a thread.
        let mut call = Box::pin(call);
        assert!((&mut call).now_or_never().is_none());
        let waits = std::thread::spawn(move || smol::block_on(call));
        let message = request(&mut server).await;
        assert_eq!((message.from.as_ref(), &message.body), (Some(&caller), &Bytes::from("?")));
        assert_eq!(server.reply(&message, "!"), Ok(true));
        assert_eq!(waits.join().unwrap().unwrap().body, "!");
        a.kill(&caller).unwrap();
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Killed));
        has_nothing_left(&a);
    });
}

#[test]
fn it_ends_with_the_process_that_made_it() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (caller, mut server) = (a.process().unwrap(), b.process().unwrap());
        let not_alive = Err(CallError::NotAlive(Target::from(server.pid())));
        let later = caller.call(server.pid(), "never sent");
        let mut waits = pin!(caller.call(server.pid(), "sent"));
        assert!((&mut waits).now_or_never().is_none());
        let message = request(&mut server).await;
        drop(caller);
        assert_eq!(waits.await, not_alive);
        assert_eq!(later.await, not_alive, "polled for the first time after the exit");
        // A reply finds no caller.
        assert_eq!(server.reply(&message, "late"), Ok(true));
        cluster.settle(&b, &a).await;
        assert_eq!(a.stats().count("messages_for_no_alias"), Some(1));
        eventually("its monitors have ended", || a.stats().monitors == 0).await;
        has_nothing_left(&a);
        assert!(server.try_recv().is_err(), "nothing more was sent");
    });
}

#[test]
fn it_leaves_nothing_when_it_is_dropped() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (mut caller, mut server) = (a.process().unwrap(), b.process().unwrap());
        let pid = server.pid().clone();
        for mut call in both(&caller, &pid, "?") {
            assert!((&mut call).now_or_never().is_none());
            let message = request(&mut server).await;
            drop(call);
            has_nothing_left(&a);
            assert_eq!(server.reply(&message, "late"), Ok(true));
        }
        cluster.settle(&b, &a).await;
        assert_eq!(a.stats().count("messages_for_no_alias"), Some(2));
        assert!(caller.try_recv().is_err(), "no mailbox receives a reply");
        eventually("the target's node has forgotten it", || b.stats().incoming_monitors == 0).await;
    });
}

/// While the request waits for room, it has not been sent.
#[test]
fn a_request_that_waits_for_room_is_not_sent_if_the_call_is_dropped() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (caller, mut server) = (a.process().unwrap(), b.process().unwrap());
        let pid = server.pid().clone();
        cluster.settle(&a, &b).await;
        cluster.hold(&a, &b);
        let long = Bytes::from(vec![0; 1 << 20]);
        let sent = (0..1000).take_while(|_| caller.try_send(&pid, long.clone()).is_ok()).count();
        assert!(sent < 1000, "there is a limit");
        let mut call = caller.call(&pid, long.clone());
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        has_nothing_left(&a);
        let mut call = pin!(caller.call(&pid, long.clone()));
        assert!((&mut call).now_or_never().is_none());
        cluster.heal(&a, &b);
        let serve = async {
            for _ in 0..sent {
                assert_eq!(request(&mut server).await.reply_to, None);
            }
            let message = request(&mut server).await;
            assert!(message.body == long);
            assert_eq!(server.reply(&message, "!"), Ok(true));
        };
        let (reply, ()) = futures::join!(call, serve);
        assert_eq!(reply.unwrap().body, "!");
        assert!(server.try_recv().is_err());
    });
}

#[test]
fn a_call_that_is_polled_after_its_end_panics() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let gone = node.process().unwrap().pid().clone();
        let mut call = node.call(&gone, "?");
        let Err(CallError::Down(down)) = (&mut call).await else { panic!("it replies") };
        assert_eq!((down.reason, down.target), (DownReason::NoProc, Target::from(gone)));
        assert!(catch_unwind(AssertUnwindSafe(|| (&mut call).now_or_never())).is_err());
    });
}

#[test]
fn a_message_that_is_no_request_gets_no_reply() {
    run(async {
        let cluster = Cluster::new();
        let node = cluster.node("a").await;
        let mut process = node.process().unwrap();
        process.try_send(process.pid(), "no request").unwrap();
        let message = request(&mut process).await;
        assert_eq!(process.reply(&message, "ignored"), Ok(false));
        assert!(process.try_recv().is_err());
    });
}
