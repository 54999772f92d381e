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
    AliasMode, CallError, Demonitor, Envelope, MonitorError, MonitorOptions, NodesOptions, NotAlive,
    RegisterError, SendError, SendOptions, TryRecvError, prelude::*,
};

use crate::common::{Cluster, eventually, name, next_down, run};

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
        let not_alive = SendError::NotAlive(NotAlive);
        for target in &targets {
            let to = target.pid();
            assert_eq!(dead.try_send(to, "x"), Err(not_alive));
            assert_eq!(dead.try_send(to, Envelope::new("x")), Err(not_alive));
            assert_eq!(dead.send(to, "x").await, Err(not_alive));
            assert_eq!(dead.try_send(to, Postcard(&7)), Err(not_alive));
            assert_eq!(dead.try_send(to, vec![0; 1 << 24]), Err(not_alive), "long or not");
            let called = dead.call(to, "x").timeout(Duration::MAX).await;
            assert_eq!(called, Err(CallError::NotAlive(NotAlive)));
            assert_eq!(dead.monitor(to), Err(MonitorError::NotAlive(NotAlive)));
        }
        assert_eq!(dead.try_send(&monitor, "x"), Err(not_alive), "through an alias");
        let nowhere = "nowhere@local".parse::<monitor_runtime::NodeName>().unwrap();
        assert_eq!(
            dead.try_send(name("x").at(nowhere.clone()), "x"),
            Err(not_alive),
            "before any connection"
        );
        assert_eq!(dead.demonitor(&monitor), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.unalias(&monitor), Err(NotAlive));
        assert_eq!(dead.monitor_node(b.name()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.demonitor_node(b.name()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.monitor_nodes(NodesOptions::new()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(dead.demonitor_nodes(NodesOptions::new()), Err(MonitorError::NotAlive(NotAlive)));
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
            assert_eq!(mailbox.reply(&request, "!"), Err(SendError::NotAlive(NotAlive)));
            assert_eq!(mailbox.reply(&request, Postcard(&1)), Err(SendError::NotAlive(NotAlive)));
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
            assert_eq!(called, Err(CallError::NotAlive(NotAlive)));
            assert_eq!((a.stats().aliases, a.stats().monitors), (0, 0));
        }
    });
}

/// Threads that share the mailbox of a process send as fast as they can, one with each of the
/// options, while it exits.
async fn race(watcher_node: &Node, node: &Node, rounds: usize, options: &[SendOptions]) {
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
                for &options in options {
                    let (mailbox, to, told) = (mailbox.clone(), to.clone(), told.clone());
                    senders.push(thread::spawn(move || send_until_refused(&mailbox, &to, options, &told)));
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
        for &options in options {
            node.try_send(watcher.pid(), OPTIONS("last", options)).unwrap();
        }
        for _ in options {
            let Some(Event::Message(message)) = watcher.recv().await else { panic!() };
            assert_eq!(message.body, b"last", "round {round}: a message came after the down");
        }
    }
}

/// After the exit was reported, no send is accepted.
fn send_until_refused(mailbox: &Process, to: &Pid, options: SendOptions, told: &AtomicBool) {
    loop {
        let is_told = told.load(Ordering::SeqCst);
        match mailbox.try_send(to, OPTIONS([1], options)) {
            Err(SendError::NotAlive(NotAlive)) => return,
            Ok(()) | Err(SendError::Full) if !is_told => {}
            other => panic!("sent after the end: {other:?}"),
        }
    }
}

#[test]
fn r29_of_threads_that_share_a_mailbox_nothing_comes_after_the_down() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let both = [SendOptions::new(); 2];
        race(&a, &a, 300, &both).await;
        race(&a, &b, 300, &both).await;
    });
}

/// As the session is over TCP, it can have channels.
#[cfg(feature = "tcp")]
#[test]
fn r29_of_threads_that_share_a_mailbox_nothing_comes_after_the_down_on_any_channel() {
    use monitor_runtime::{NodeSpec, Secret};
    run(async {
        let secret = Secret::generate();
        let start = |label: &str| {
            let config = Config::new(format!("{label}@127.0.0.1").parse().unwrap());
            let config = config.listen("127.0.0.1:0".parse().unwrap()).secret(secret.clone());
            Node::start(config.channels(["bulk".parse().unwrap()]))
        };
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        let at = b.local_addr().unwrap().to_string().parse().unwrap();
        a.connect(NodeSpec::new(b.name().clone()).at(at).unwrap()).unwrap();
        let bulk = SendOptions::new().channel(b.channel("bulk").unwrap());
        race(&a, &b, 100, &[SendOptions::new(), bulk]).await;
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
            assert_eq!(a.whereis(&name("job")), None, "round {round}");
            assert!(!a.unregister(&name("job")).unwrap());
            assert!(matches!(registers.join().unwrap(), Ok(()) | Err(RegisterError::NoProc)));
            assert_eq!(a.whereis(&name("job")), None, "round {round}");
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
            assert!(mailbox.demonitor_flush(&mailbox.monitors()[0].0).unwrap());
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
