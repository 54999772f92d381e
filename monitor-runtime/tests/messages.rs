//! Messages between processes.

mod common;

use common::{Cluster, eventually, name, run};
use futures::FutureExt;
use monitor_runtime::{Bytes, SendErrorKind, TrySendError, prelude::*};

async fn next_body(mailbox: &mut Process) -> Bytes {
    match mailbox.recv().await {
        Some(Event::Message(message)) => message.body,
        other => panic!("{other:?}"),
    }
}

/// The body of a message that was refused as too long, and the limit.
fn too_large(sent: Result<(), TrySendError>) -> (Bytes, usize) {
    let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
    let &SendErrorKind::TooLarge { len, max } = error.kind() else { panic!("{error:?}") };
    let body = error.into_inner();
    assert_eq!(body.len(), len);
    (body, max)
}

#[test]
fn messages_find_their_way_by_pid_and_by_name() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let sender = a.process().unwrap();
        let mut here = a.process().unwrap();
        let mut there = b.process().unwrap();
        for receiver in [&mut here, &mut there] {
            receiver.register(name("inbox")).unwrap();
            let by_name = name("inbox").at(receiver.node().name().clone());
            sender.try_send(receiver.pid(), "by pid").unwrap();
            sender.try_send(&by_name, "by name").unwrap();
            a.try_send(&by_name, "from nobody").unwrap();
            let mut received = Vec::new();
            for _ in 0..3 {
                let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
                received.push((message.from, message.body));
            }
            let from = Some(sender.pid().clone());
            let expected = [(from.clone(), "by pid"), (from, "by name"), (None, "from nobody")];
            assert_eq!(received, expected.map(|(from, body)| (from, Bytes::from(body))));
        }
    });
}

#[test]
fn a_monitor_arrives_before_what_is_sent_after_it() {
    run(async {
        for connected in [false, true] {
            let cluster = Cluster::new();
            let (a, b) = (cluster.node("a").await, cluster.node("b").await);
            if connected {
                cluster.settle(&a, &b).await;
            }
            // The message ends it: a monitor that arrived later would find no process.
            let pid = b
                .spawn(|mut mailbox| async move {
                    mailbox.recv().await;
                    Ok(())
                })
                .unwrap();
            let mut watcher = a.process().unwrap();
            watcher.monitor(&pid).unwrap();
            watcher.try_send(&pid, "exit").unwrap();
            let Some(Event::Down(down)) = watcher.recv().await else { panic!() };
            assert!(matches!(down.reason, DownReason::Exit(_)), "{down:?}");
        }
    });
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config: Config| config.max_message(1000)).await;
        let b = cluster.node("b").await;
        let receiver = b.process().unwrap();
        assert_eq!(too_large(a.try_send(receiver.pid(), vec![7; 1001])), (vec![7; 1001].into(), 1000));
        assert_eq!(a.try_send(receiver.pid(), vec![0; 1000]), Ok(()));

        // Every length that is not refused must fit into a frame.
        let sender = cluster.node("c").await;
        let (_, max) = too_large(sender.try_send(receiver.pid(), vec![0; 64 << 20]));
        let mut receiver = receiver;
        assert_eq!(next_body(&mut receiver).await.len(), 1000);
        let longest = name(&"n".repeat(255));
        receiver.register(longest.clone()).unwrap();
        sender.process().unwrap().try_send(longest.at(b.name().clone()), vec![0; max]).unwrap();
        assert_eq!(next_body(&mut receiver).await.len(), max);
    });
}

#[test]
fn the_longest_message_arrives_at_once_after_connecting_and_at_home() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let longest = vec![7; 16 << 20];
        let sender = a.process().unwrap();
        let (mut here, mut there) = (a.process().unwrap(), b.process().unwrap());
        // The first waits for the connection: it is longer than the limit, but alone.
        for receiver in [&mut there, &mut here] {
            for _ in 0..2 {
                sender.try_send(receiver.pid(), longest.clone()).unwrap();
                assert!(next_body(receiver).await == longest);
            }
        }
        let too_long = Bytes::from(vec![7; longest.len() + 1]);
        for receiver in [&here, &there] {
            let (body, max) = too_large(sender.try_send(receiver.pid(), too_long.clone()));
            assert!(body == too_long && max == longest.len(), "{max}");
        }
    });
}

#[test]
fn a_full_mailbox_shows_what_is_missing_and_never_loses_a_down() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let b = cluster.node_with("b", |config: Config| config.max_mailbox_bytes(10_000)).await;
        let sender = a.process().unwrap();
        let mut receiver = b.process().unwrap();
        receiver.monitor(sender.pid()).unwrap();
        cluster.settle(&b, &a).await;
        for _ in 0..20 {
            sender.try_send(receiver.pid(), vec![1; 1000]).unwrap();
        }
        cluster.settle(&a, &b).await;
        drop(sender);
        cluster.settle(&a, &b).await;
        let mut kept = 0;
        while let Ok(Event::Message(_)) = receiver.try_recv() {
            kept += 1;
        }
        // The loop above has received the notice of the missing messages.
        assert_eq!(b.stats().count("messages_missed"), Some(20 - kept));
        assert!(matches!(receiver.try_recv(), Ok(Event::Down(_))));
    });
}

#[test]
fn what_cannot_be_delivered_is_counted() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let watcher = a.process().unwrap();
        let gone = b.process().unwrap().pid().clone();
        a.try_send(&gone, "to nobody").unwrap();
        a.try_send(name("nobody").at(b.name().clone()), "to nobody").unwrap();
        let target = b.process().unwrap();
        let monitor = watcher.monitor(target.pid()).unwrap();
        target.try_send(&monitor, "to a reference that is no alias").unwrap();
        cluster.settle(&a, &b).await;
        cluster.settle(&b, &a).await;
        assert_eq!(b.stats().count("messages_for_nobody"), Some(2));
        assert_eq!(a.stats().count("messages_for_no_alias"), Some(1));

        a.try_send(name("inbox").at("nowhere@local".parse().unwrap()), "to nowhere").unwrap();
        eventually("the dial has failed", || a.stats().count("messages_undeliverable") == Some(1)).await;
        assert_eq!(a.stats().waiting_bytes, 0);
    });
}

#[test]
fn what_waits_for_a_connection_is_limited_and_the_patient_wait() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut receiver = b.process().unwrap();
        let sender = a.process().unwrap();
        cluster.cut(&a, &b);
        let body = vec![0; 512 * 1024];
        let mut sent = 0;
        let refused = loop {
            match sender.try_send(receiver.pid(), body.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1000, "there must be a limit");
        };
        assert!(refused.is_full() && refused.into_inner() == body, "the body comes back");
        let mut patient = Box::pin(sender.send(receiver.pid(), body.clone()));
        assert!((&mut patient).now_or_never().is_none());
        cluster.heal(&a, &b);
        patient.await.unwrap();
        for _ in 0..=sent {
            assert_eq!(next_body(&mut receiver).await.len(), body.len());
        }
    });
}

#[test]
fn a_peer_that_takes_nothing_fills_up_and_the_patient_wait() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut receiver = b.process().unwrap();
        let sender = a.process().unwrap();
        cluster.settle(&a, &b).await;
        cluster.freeze(&b);
        let body = vec![0; 512 * 1024];
        let mut sent = 0;
        let refused = loop {
            match sender.try_send(receiver.pid(), body.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1000, "there must be a limit");
        };
        assert!(refused.is_full() && refused.into_inner() == body, "the body comes back");
        let mut patient = Box::pin(sender.send(receiver.pid(), body.clone()));
        assert!((&mut patient).now_or_never().is_none());
        cluster.thaw(&b);
        patient.await.unwrap();
        for _ in 0..=sent {
            assert_eq!(next_body(&mut receiver).await.len(), body.len());
        }
    });
}

#[test]
fn nothing_is_sent_by_the_dead() {
    run(async {
        let a = Cluster::new().node("a").await;
        let receiver = a.process().unwrap();
        a.stop().await;
        let sent = a.try_send(receiver.pid(), "late");
        let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "late".into())
        );
        let error = receiver.send(receiver.pid(), "later").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "later".into())
        );
    });
}
