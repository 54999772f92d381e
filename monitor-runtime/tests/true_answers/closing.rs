//! Calls on a session that has ended, before its end is reported: they connect on demand.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use monitor_runtime::{
    ChannelId, Connect, Demonitored, EndKind, Envelope, NotAlive, SendErrorKind, prelude::*,
    test_util::run_all_on,
};
use peer_service::memory::{Join, Network};
use smol::Executor;

use crate::common::{Cluster, eventually, expect_no_connection, name, next_body, next_down, run};

/// A node whose tasks run only when the test drives them.
struct Held {
    node: Node,
    executor: Arc<Executor<'static>>,
}

impl Held {
    async fn new(cluster: &Cluster, label: &str) -> Self {
        let executor = Arc::new(Executor::new());
        let weak = Arc::downgrade(&executor);
        let spawner = Arc::new(move |task| {
            if let Some(executor) = weak.upgrade() {
                executor.spawn(task).detach();
            }
        });
        Held { node: cluster.node_with(label, |config: Config| run_all_on(config, spawner)).await, executor }
    }

    /// Waits for something while the tasks of the node run.
    async fn while_it_runs<T>(&self, work: impl Future<Output = T>) -> T {
        self.executor.run(work).await
    }
}

/// A node whose connection to another one was reset, before its tasks have handled that.
async fn severed(cluster: &Cluster) -> (Held, Node) {
    let (a, b) = (Held::new(cluster, "a").await, cluster.node("b").await);
    a.while_it_runs(cluster.settle(&a.node, &b)).await;
    // The route of messages is cached.
    a.while_it_runs(cluster.settle(&a.node, &b)).await;
    cluster.sever(&a.node, &b);
    (a, b)
}

#[test]
fn r30_a_message_sent_at_once_after_the_link_has_ended_goes_to_the_next_session() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = severed(&cluster).await;
        let (me, mut receiver) = (a.node.process().unwrap(), b.process().unwrap());
        let to = receiver.pid().clone();
        assert_eq!(me.try_send(&to, "1"), Ok(()));
        assert_eq!(me.send(&to, "2").now_or_never(), Some(Ok(())));
        assert_eq!(me.try_send(&to, "3"), Ok(()));
        assert_eq!(a.node.stats().waiting, 3);
        a.while_it_runs(async {
            for at in ["1", "2", "3"] {
                assert_eq!(next_body(&mut receiver).await, at);
            }
        })
        .await;

        // From no process.
        cluster.sever(&a.node, &b);
        assert_eq!(a.node.try_send(&to, "4"), Ok(()));
        assert_eq!(a.while_it_runs(next_body(&mut receiver)).await, "4");
        assert_eq!(a.node.stats().count("messages_not_connected"), Some(0));
        assert_eq!(a.node.stats().count("messages_undeliverable"), Some(0));
    });
}

#[test]
fn r30_a_monitor_made_at_once_after_the_link_has_ended_connects() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = severed(&cluster).await;
        let target = b.process().unwrap();
        let mut watcher = a.node.process().unwrap();
        let of_mailbox = watcher.monitor(target.pid()).unwrap();
        let monitor = a.node.monitor(target.pid()).unwrap();
        let mut set = a.node.monitor_set();
        set.monitor(target.pid()).unwrap();
        let taken_back = watcher.monitor(target.pid()).unwrap();
        assert_eq!(watcher.demonitor(&taken_back), Ok(Demonitored::Active));
        let never = MonitorOptions::new().connect(Connect::Never);
        let never = a.node.monitor_with(target.pid(), never).unwrap();
        assert_eq!(watcher.monitors().len(), 1);
        a.while_it_runs(async {
            expect_no_connection(never, EndKind::NotConnected).await;
            eventually("the monitors have arrived", || b.stats().incoming_monitors == 3).await;
            target.exit(ExitReason::Shutdown);
            let down = next_down(&mut watcher).await;
            assert_eq!((down.monitor, down.reason), (of_mailbox, DownReason::Exit(ExitReason::Shutdown)));
            assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
            assert_eq!(set.next().await.unwrap().reason, DownReason::Exit(ExitReason::Shutdown));
        })
        .await;
    });
}

#[test]
fn r30_a_call_made_at_once_after_the_link_has_ended_is_answered() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = severed(&cluster).await;
        let server = b.spawn(|mut mailbox| async move {
            while let Some(Event::Message(request)) = mailbox.recv().await {
                mailbox.reply(&request, request.body.clone())?;
            }
            Ok(())
        });
        let server = server.unwrap();
        let asks = a.node.process().unwrap();
        let mut of_process = Box::pin(asks.call(&server, "1").timeout(Duration::MAX));
        let mut of_node = Box::pin(a.node.call(&server, "2").timeout(Duration::MAX));
        assert!((&mut of_process).now_or_never().is_none() && (&mut of_node).now_or_never().is_none());
        let replies = a.while_it_runs(async { futures::join!(of_process, of_node) }).await;
        assert_eq!((replies.0.unwrap().body, replies.1.unwrap().body), ("1".into(), "2".into()));
    });
}

#[test]
fn r31_what_the_old_session_has_delivered_comes_before_the_next() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (Held::new(&cluster, "a").await, cluster.node("b").await);
        a.while_it_runs(cluster.settle(&a.node, &b)).await;
        a.while_it_runs(cluster.settle(&a.node, &b)).await;
        let (me, mut receiver) = (a.node.process().unwrap(), b.process().unwrap());
        me.try_send(receiver.pid(), "old").unwrap();
        // Its goodbye follows the sent messages; later messages take the next session.
        a.node.disconnect(b.name()).unwrap();
        let of_name = me.monitor(name("nobody").at(b.name().clone())).unwrap();
        me.try_send(receiver.pid(), "new").unwrap();
        let mut me = me;
        a.while_it_runs(async {
            assert_eq!(next_body(&mut receiver).await, "old");
            assert_eq!(next_body(&mut receiver).await, "new");
            let down = next_down(&mut me).await;
            assert_eq!((down.monitor, down.reason), (of_name, DownReason::NoProc));
        })
        .await;
    });
}

#[test]
fn a_message_for_a_node_that_is_gone_is_counted_and_kept_no_longer() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = severed(&cluster).await;
        let me = a.node.process().unwrap();
        // The message waits for a dial, which fails.
        cluster.crash(&b);
        assert_eq!(me.try_send(name("x").at(b.name().clone()), "x"), Ok(()));
        a.while_it_runs(eventually("it was given up", || {
            a.node.stats().count("messages_undeliverable") == Some(1)
        }))
        .await;
        assert_eq!(a.node.stats().waiting, 0);
        a.while_it_runs(a.node.stop()).await;
        let gone = me.send(name("x").at(b.name().clone()), "x").await.unwrap_err();
        assert_eq!(*gone.kind(), SendErrorKind::NotAlive(NotAlive));
    });
}

/// A message on a channel waits for the next session, too, and then takes that channel.
#[test]
fn r30_on_channels_a_message_at_once_after_the_end_goes_to_the_next_session() {
    run(async {
        let network = Network::new();
        let executor = Arc::new(Executor::new());
        let weak = Arc::downgrade(&executor);
        let spawner: peer_service::Spawner = Arc::new(move |task| {
            if let Some(executor) = weak.upgrade() {
                executor.spawn(task).detach();
            }
        });
        let start = |label: &str| {
            let join =
                Join::new(format!("{label}@local").parse().unwrap()).channels(["bulk".parse().unwrap()]);
            let config = run_all_on(Config::new(join.name.clone()), spawner.clone());
            Node::with_service(config, network.join_with(join))
        };
        let (a, b) = (start("a").unwrap(), start("b").unwrap());
        let me = a.process().unwrap();
        let mut receiver = b.process().unwrap();
        let all = [ChannelId::DEFAULT, a.channel("bulk").unwrap()];
        for round in 0..10_u8 {
            for channel in all {
                me.try_send(receiver.pid(), Envelope::new(vec![round]).channel(channel)).unwrap();
                assert_eq!(*executor.run(next_body(&mut receiver)).await, [round]);
            }
            network.sever(a.name(), b.name());
            let mut monitor = a.monitor(receiver.pid()).unwrap();
            for channel in all {
                let message = Envelope::new(vec![round]).channel(channel);
                assert_eq!(me.try_send(receiver.pid(), message), Ok(()));
            }
            for _ in all {
                assert_eq!(*executor.run(next_body(&mut receiver)).await, [round]);
            }
            assert_eq!((&mut monitor).now_or_never(), None, "it is on the session that the messages took");
        }
        assert_eq!(a.stats().count("messages_undeliverable"), Some(0));
    });
}

/// The same over sockets.
#[cfg(feature = "tcp")]
#[test]
fn r30_over_tcp_a_message_at_once_after_the_end_goes_to_the_next_session() {
    use monitor_runtime::NodeSpec;
    run(async {
        let secret = Secret::generate();
        let start = |label: &str| {
            let config = Config::new(format!("{label}@127.0.0.1"));
            Node::start(config.listen("127.0.0.1:0".parse().unwrap()).secret(secret.clone()))
        };
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        let at = b.local_addr().unwrap().to_string().parse().unwrap();
        a.connect(NodeSpec::new(b.name().clone()).at(at).unwrap()).unwrap();
        let me = a.process().unwrap();
        let mut receiver = b.process().unwrap();
        for round in 0..50_u8 {
            assert_eq!(me.try_send(receiver.pid(), vec![round]), Ok(()), "round {round}");
            assert_eq!(*next_body(&mut receiver).await, [round]);
            // The outbox is closed when this returns; the end is reported when the peer has closed
            // its side.
            a.disconnect(b.name()).unwrap();
            let mut monitor = a.monitor(receiver.pid()).unwrap();
            assert_eq!(me.try_send(receiver.pid(), vec![round]), Ok(()), "round {round}");
            assert_eq!(*next_body(&mut receiver).await, [round]);
            let fired = (&mut monitor).now_or_never();
            assert_eq!(fired, None, "round {round}: it is on the session that the message took");
        }
        assert_eq!(a.stats().count("messages_not_connected"), Some(0));
    });
}
