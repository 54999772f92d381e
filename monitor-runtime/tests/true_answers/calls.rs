//! The future of a call: when it begins, where it may be polled, and how it ends.

use std::{thread, time::Duration};

use futures::FutureExt;
use monitor_runtime::{Call, TryRecvError, prelude::*};

use crate::common::{Cluster, eventually, run};

/// The next event, which must be the request of a call.
async fn next_request(server: &mut Process) -> Message {
    match server.recv().await {
        Some(Event::Message(message)) if message.reply_to.is_some() => message,
        other => panic!("no request: {other:?}"),
    }
}

/// A call of the process and one of its node, each without a timeout and with one that never
/// passes.
fn patient(from: &Process, to: &Pid) -> [Call; 4] {
    let node = from.node();
    let limited = [from.call(to, "?"), node.call(to, "?")].map(|call| call.timeout(Duration::MAX));
    let [of_process, of_node] = limited;
    [from.call(to, "?"), node.call(to, "?"), of_process, of_node]
}

#[test]
fn ca11_a_call_without_a_timeout_waits_for_the_reply_or_the_end_of_its_target() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let me = a.process().unwrap();
        for node in [&a, &b] {
            let mut server = node.process().unwrap();
            for mut call in patient(&me, server.pid()) {
                assert!((&mut call).now_or_never().is_none());
                let request = next_request(&mut server).await;
                assert!((&mut call).now_or_never().is_none());
                assert_eq!(server.reply(&request, "!"), Ok(true));
                assert_eq!(call.await.unwrap().body, "!");
            }
            let mut calls = patient(&me, server.pid());
            assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
            for _ in &calls {
                next_request(&mut server).await;
            }
            server.exit(ExitReason::Shutdown);
            for call in calls {
                let Err(CallError::Down(down)) = call.await else { panic!("no reply was sent") };
                assert_eq!(down.reason, DownReason::Exit(ExitReason::Shutdown));
            }
        }
        assert_eq!((a.stats().aliases, a.stats().monitors), (0, 0));
    });
}

#[test]
fn a_call_that_may_not_wait_sends_its_request_all_the_same() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (mut me, mut server) = (a.process().unwrap(), a.process().unwrap());
        let called = me.call(server.pid(), "?").timeout(Duration::ZERO).await;
        let target = Target::from(server.pid());
        assert_eq!(called, Err(CallError::Timeout { target, after: Duration::ZERO }));
        let request = next_request(&mut server).await;
        assert_eq!(server.reply(&request, "late"), Ok(true));
        assert_eq!(a.stats().count("messages_for_no_alias"), Some(1));
        assert_eq!(me.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn a_call_that_is_never_polled_does_nothing() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (me, mut server) = (a.process().unwrap(), b.process().unwrap());
        drop(patient(&me, server.pid()));
        let kept = me.call(server.pid(), "?");
        let stats = a.stats();
        assert_eq!((stats.aliases, stats.monitors, stats.watchers, stats.peers), (0, 0, 0, 0));
        cluster.settle(&a, &b).await;
        assert_eq!(server.try_recv(), Err(TryRecvError::Empty));
        drop(kept);
    });
}

#[test]
fn p37_a_call_that_is_first_polled_after_its_process_has_ended_is_refused() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut servers = [a.process().unwrap(), b.process().unwrap()];
        for server in &mut servers {
            let target = Target::from(server.pid());
            let me = a.process().unwrap();
            let call = me.call(&target, "?");
            drop(me);
            assert_eq!(call.await, Err(CallError::NotAlive(target)));
        }
        assert_eq!((a.stats().aliases, a.stats().monitors, a.stats().peers), (0, 0, 0));
        cluster.settle(&a, &b).await;
        for server in &mut servers {
            assert_eq!(server.try_recv(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn a_call_may_be_moved_to_another_task_before_and_while_it_waits() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (me, mut server) = (a.process().unwrap(), b.process().unwrap());
        for mut call in patient(&me, server.pid()) {
            let begins = move || {
                assert!((&mut call).now_or_never().is_none());
                call
            };
            let call = thread::spawn(begins).join().unwrap();
            let request = next_request(&mut server).await;
            let task = smol::spawn(call);
            assert_eq!(server.reply(&request, "!"), Ok(true));
            assert_eq!(task.await.unwrap().body, "!");
        }
    });
}

#[test]
fn ca07_a_call_that_is_dropped_while_it_waits_leaves_nothing_and_its_process_goes_on() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (mut me, mut server) = (a.process().unwrap(), a.process().unwrap());
        for mut call in patient(&me, server.pid()) {
            assert!((&mut call).now_or_never().is_none());
            let request = next_request(&mut server).await;
            drop(call);
            assert_eq!((a.stats().aliases, a.stats().monitors, a.stats().watchers), (0, 0, 0));
            assert_eq!(server.reply(&request, "late"), Ok(true));
        }
        eventually("the replies are dropped", || a.stats().count("messages_for_no_alias") == Some(4)).await;
        drop(server);
        assert_eq!(me.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(me.monitors(), []);
    });
}

#[test]
fn a_call_of_a_text_that_is_no_target_shows_the_place() {
    run(async {
        let a = Cluster::new().node("a").await;
        let me = a.process().unwrap();
        for call in [me.call("worker@b@10.0.0.8:70o1", "?"), a.call("worker@b@10.0.0.8:70o1", "?")] {
            let Err(CallError::InvalidName(error)) = call.await else { panic!("it does not parse") };
            assert_eq!(error.at, 18);
            let text = CallError::InvalidName(error).to_string();
            assert!(text.ends_with("(at byte 18 of \"worker@b@10.0.0.8:70o1\")"), "{text}");
        }
        // A reference is no target.
        let target = a.process().unwrap();
        let reference = me.monitor(target.pid()).unwrap();
        let called = me.call(reference.to_string(), "?").await;
        assert!(matches!(called, Err(CallError::InvalidName(_))), "{called:?}");
        assert_eq!(a.stats().peers, 0);
    });
}

#[test]
#[should_panic(expected = "a call is polled after it was ready")]
fn a_call_that_is_polled_after_it_was_ready_panics() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut call = a.call("nobody@a@local", "?");
        let Err(CallError::Down(down)) = (&mut call).await else { panic!("no process has that name") };
        assert_eq!(down.reason, DownReason::NoProc);
        let _ = (&mut call).await;
    });
}
