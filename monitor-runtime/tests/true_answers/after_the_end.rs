//! Handles of a process that has exited: their calls have no effect, and return `NotAlive`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use futures::FutureExt;
use monitor_runtime::{
    AliasMode, Bytes, ChannelId, Demonitored, Envelope, MonitorError, RegisterError, SendErrorKind,
    TryRecvError, TrySendError, prelude::*,
};

use crate::common::{Cluster, eventually, name, next_down, run};

/// Checks that a message was not sent because its process has exited, and was returned.
#[track_caller]
fn refused(sent: Result<(), TrySendError>, body: impl Into<Bytes>) {
    let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
    assert_eq!(*error.kind(), SendErrorKind::NotAlive(NotAlive));
    assert!(error.into_inner() == body.into());
}

/// A mailbox whose process has exited.
async fn of_the_dead(node: &Node) -> Process {
    node.process().unwrap().run(|mailbox| async { Ok::<_, ExitReason>(mailbox) }).await.unwrap()
}

#[test]
fn p36_every_call_of_a_dead_process_is_refused() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let targets = [a.process().unwrap(), b.process().unwrap()];
        let mut asks = a.process().unwrap();
        let pid = asks.pid().clone();
        // A request to answer.
        let monitor =
            targets[0].monitor_with(&pid, MonitorOptions::new().alias(AliasMode::ExplicitUnalias)).unwrap();
        let mut dead = of_the_dead(&a).await;
        for target in &targets {
            let to = target.pid();
            refused(dead.try_send(to, "x"), "x");
            refused(dead.try_send(to, Envelope::new("x").or_default_channel()), "x");
            refused(dead.send(to, "x").await.map_err(TrySendError::from), "x");
            refused(dead.try_send(to, Postcard(&7_u8)), "\x07");
            let long = vec![0; 1 << 24];
            refused(dead.try_send(to, long.clone()), long);
            let mut address: Addr<String> = dead.addr(to).unwrap();
            for _ in 0..2 {
                refused(address.try_send(String::new()), "\0");
                refused(address.send(String::new()).await.map_err(TrySendError::from), "\0");
                let called = address.call::<u8>(String::new()).await;
                assert_eq!(called, Err(CallError::NotAlive(to.into())));
                // A clone is of the same process.
                address = address.clone();
            }
            let called = dead.call(to, "x").await;
            assert_eq!(called, Err(CallError::NotAlive(to.into())));
            assert_eq!(dead.monitor(to), Err(MonitorError::NotAlive(NotAlive)));
        }
        refused(dead.try_send(&monitor, "x"), "x");
        refused(dead.try_send("x@nowhere@local", "x"), "x");
        assert_eq!(dead.demonitor(&monitor), Err(NotAlive));
        assert_eq!(dead.demonitor_flush(&monitor), Err(NotAlive));
        assert_eq!(dead.unalias(&monitor), Err(NotAlive));
        assert_eq!(dead.monitor_node(b.name()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.demonitor_node(b.name()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.monitor_nodes(NodesOptions::new()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.demonitor_nodes(NodesOptions::new()), Err(NotAlive));
        assert_eq!(dead.register(name("x")), Err(RegisterError::NotAlive(NotAlive)));
        assert_eq!(dead.monitors(), []);
        assert_eq!(dead.recv().await, None);
        assert_eq!(dead.try_recv(), Err(TryRecvError::Closed));
        assert!(!a.kill(dead.pid()).unwrap() && !a.is_process_alive(dead.pid()));

        assert!(asks.recv().now_or_never().is_none());
        for mut target in targets {
            assert!(target.recv().now_or_never().is_none());
        }
        // Nothing was dialled for it.
        assert_eq!(a.stats().peers, 0);
    });
}

#[test]
fn p36_a_reply_of_a_dead_process_is_refused() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        for server in [&a, &b] {
            let answers = server.process().unwrap();
            let pid = answers.pid().clone();
            let late = answers.run(|mut mailbox| async move {
                let Some(Event::Message(request)) = mailbox.recv().await else { panic!() };
                Ok::<_, ExitReason>((mailbox, request))
            });
            let asks = a.process().unwrap();
            let call = asks.call(&pid, "?").timeout(Duration::MAX);
            let (answer, late) = futures::join!(call, late);
            let (mailbox, request) = late.unwrap();
            refused(mailbox.reply(&request, "!").map(drop), "!");
            refused(mailbox.reply(&request, Postcard(&1_u8)).map(drop), "\x01");
            let Err(CallError::Down(down)) = answer else { panic!("{answer:?}") };
            assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
        }
    });
}

#[test]
fn p37_a_call_that_waits_when_its_process_exits_is_over() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        for target in [a.process().unwrap(), b.process().unwrap()] {
            let process = a.process().unwrap();
            let call = process.call(target.pid(), "?").timeout(Duration::MAX);
            let mut call = Box::pin(call);
            assert!((&mut call).now_or_never().is_none());
            eventually("the call waits", || a.stats().aliases == 1).await;
            a.kill(process.pid()).unwrap();
            assert!((&mut call).now_or_never().is_none(), "it was not dropped yet");
            drop(call);

            // Another task holds the mailbox than the guard.
            let (end, ended) = futures::channel::oneshot::channel::<()>();
            let (give, take) = futures::channel::oneshot::channel();
            let process = a.process().unwrap();
            let body = process.run(|mailbox| async {
                let _ = give.send(mailbox);
                let _ = ended.await;
                Ok(())
            });
            let calls = async {
                let mailbox: Process = take.await.unwrap();
                let call = mailbox.call(target.pid(), "?").timeout(Duration::MAX);
                let ends = async {
                    eventually("the call waits", || a.stats().aliases == 1).await;
                    end.send(()).unwrap();
                };
                futures::join!(call, ends).0
            };
            let (body, called): (Result<(), ExitReason>, _) = futures::join!(body, calls);
            assert_eq!(body, Ok(()));
            assert_eq!(called, Err(CallError::NotAlive(target.pid().into())));
            assert_eq!((a.stats().aliases, a.stats().monitors), (0, 0));
        }
    });
}

/// Threads that share the mailbox of a process send as fast as they can, one on each of
/// the channels, while it exits.
async fn race(watcher_node: &Node, node: &Node, rounds: usize, channels: &[ChannelId]) {
    for round in 0..rounds {
        let mut watcher = watcher_node.process().unwrap();
        let process = node.process().unwrap();
        watcher.monitor(process.pid()).unwrap();
        watcher.try_send(process.pid(), "the monitor is there").unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let mut senders = Vec::new();
        let body = process.run(|mut mailbox| {
            let (told, senders, to) = (&told, &mut senders, watcher.pid());
            async move {
                mailbox.recv().await;
                let mailbox = Arc::new(mailbox);
                for &channel in channels {
                    let (mailbox, to, told) = (mailbox.clone(), to.clone(), told.clone());
                    senders.push(thread::spawn(move || send_until_refused(&mailbox, &to, channel, &told)));
                }
                Ok::<(), ExitReason>(())
            }
        });
        body.await.unwrap();
        loop {
            match watcher.recv().await {
                Some(Event::Message(_) | Event::Missed(_)) => {}
                Some(Event::Down(down)) => {
                    assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        told.store(true, Ordering::SeqCst);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        // All earlier frames of that channel arrive before this one.
        for &channel in channels {
            node.try_send(watcher.pid(), Envelope::new("last").channel(channel)).unwrap();
        }
        for _ in channels {
            let Some(Event::Message(message)) = watcher.recv().await else { panic!() };
            assert_eq!(message.body, "last", "round {round}: a message came after the down");
        }
    }
}

/// After the exit was reported, no send is accepted.
fn send_until_refused(mailbox: &Process, to: &Pid, channel: ChannelId, told: &AtomicBool) {
    loop {
        let is_told = told.load(Ordering::SeqCst);
        match mailbox.try_send(to, Envelope::new(vec![1]).channel(channel)) {
            Err(TrySendError::Failed(error)) if *error.kind() == SendErrorKind::NotAlive(NotAlive) => return,
            Ok(()) | Err(TrySendError::Full(_)) if !is_told => {}
            other => panic!("sent after the end: {other:?}"),
        }
    }
}

#[test]
fn r29_of_threads_that_share_a_mailbox_nothing_comes_after_the_down() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let both = [ChannelId::DEFAULT; 2];
        race(&a, &a, 300, &both).await;
        race(&a, &b, 300, &both).await;
    });
}

/// As the session is over TCP, it can have channels.
#[cfg(feature = "tcp")]
#[test]
fn r29_of_threads_that_share_a_mailbox_nothing_comes_after_the_down_on_any_channel() {
    use monitor_runtime::NodeSpec;
    run(async {
        let secret = Secret::generate();
        let start = |label: &str| {
            let config = Config::new(format!("{label}@127.0.0.1"));
            let config = config.listen("127.0.0.1:0".parse().unwrap()).secret(secret.clone());
            Node::start(config.channels(["bulk"]))
        };
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        let at = b.local_addr().unwrap().to_string().parse().unwrap();
        a.connect(NodeSpec::new(b.name().clone()).at(at).unwrap()).unwrap();
        race(&a, &b, 100, &[ChannelId::DEFAULT, b.channel("bulk").unwrap()]).await;
    });
}

#[test]
fn a_name_is_given_to_the_living_only_and_free_before_the_down() {
    run(async {
        let a = Cluster::new().node("a").await;
        for round in 0..300 {
            let process = a.process().unwrap();
            let pid = process.pid().clone();
            let monitor = a.monitor(&pid).unwrap();
            let (node, of) = (a.clone(), pid.clone());
            let registers = thread::spawn(move || node.register(name("job"), &of));
            drop(process);
            monitor.await;
            assert_eq!(a.whereis("job"), None, "round {round}");
            assert!(!a.unregister("job").unwrap());
            assert!(matches!(registers.join().unwrap(), Ok(()) | Err(RegisterError::NoProc)));
            assert_eq!(a.whereis("job"), None, "round {round}");
            assert_eq!(a.register(name("job"), &pid), Err(RegisterError::NoProc));
        }
    });
}

#[test]
fn downs_that_wait_end_with_their_watcher_but_for_those_it_has_taken_along() {
    run(async {
        let a = Cluster::new().node("a").await;
        let watcher = a.process().unwrap();
        let targets: Vec<_> = (0..1000).map(|_| a.process().unwrap()).collect();
        for target in &targets {
            watcher.monitor(target.pid()).unwrap();
        }
        drop(targets);
        let mailbox = watcher.run(|mut mailbox| async move {
            // A run of others is prefetched with it.
            next_down(&mut mailbox).await;
            a.try_send(mailbox.pid(), "stays").unwrap();
            let oldest = &mailbox.monitors()[0].0;
            assert_eq!(mailbox.demonitor_flush(oldest), Ok(Demonitored::Fired));
            Ok::<_, ExitReason>((mailbox, a))
        });
        let (mut mailbox, a) = mailbox.await.unwrap();
        assert_eq!(mailbox.monitors(), []);
        // One was received, and one flushed.
        for _ in 0..126 {
            next_down(&mut mailbox).await;
        }
        assert!(matches!(mailbox.recv().await, Some(Event::Message(_))));
        assert_eq!(mailbox.recv().await, None);
        eventually("its rows are gone", || a.stats().fired == 0).await;
    });
}
