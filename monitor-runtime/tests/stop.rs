//! The end of a node: by `stop`, and by the drop of its handles.

mod common;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use common::{Cluster, eventually, expect_no_connection, name, next_down, next_node_down, run};
use futures::FutureExt;
use monitor_runtime::{
    ConnectError, EndKind, MonitorError, NodeType, RegisterError, SendErrorKind, TrySendError, prelude::*,
    test_util::run_all_on,
};

#[test]
fn a_node_that_stops_says_what_happened_before_and_goodbye() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (lives, dies) = (b.process().unwrap(), b.process().unwrap());
        let mut watcher = a.process().unwrap();
        watcher.monitor_node(b.name()).unwrap();
        let of_dead = watcher.monitor(dies.pid()).unwrap();
        let of_living = watcher.monitor(lives.pid()).unwrap();
        cluster.settle(&a, &b).await;
        drop(dies);
        b.stop().await;

        let down = next_down(&mut watcher).await;
        assert_eq!((down.monitor, down.reason), (of_dead, DownReason::Exit(ExitReason::Normal)));
        let down = next_down(&mut watcher).await;
        assert_eq!((down.monitor, down.reason), (of_living, DownReason::NoConnection(EndKind::Left.into())));
        assert_eq!(next_node_down(&mut watcher).await.end, Some(EndKind::Left.into()));
        drop(lives);
    });
}

#[test]
fn its_own_watchers_hear_of_their_node() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let target = b.process().unwrap();
        let mut watcher = a.process().unwrap();
        watcher.monitor_node(b.name()).unwrap();
        watcher.monitor(target.pid()).unwrap();
        let future = a.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        cluster.cut(&a, &cluster.node("c").await);
        let dialled = a.monitor(name("x").at("c@local".parse().unwrap())).unwrap();
        a.try_send(watcher.pid(), "still there").unwrap();

        a.stop().await;
        expect_no_connection(future, EndKind::LocalShutdown).await;
        expect_no_connection(dialled, EndKind::LocalShutdown).await;
        // Unread events stay readable, in their order; then the mailbox is closed.
        assert!(matches!(watcher.recv().await, Some(Event::Message(_))));
        assert_eq!(
            next_down(&mut watcher).await.reason,
            DownReason::NoConnection(EndKind::LocalShutdown.into())
        );
        assert_eq!(next_node_down(&mut watcher).await.end, Some(EndKind::LocalShutdown.into()));
        assert_eq!(watcher.recv().await, None);
        assert_eq!(a.nodes(NodeType::All), []);
        eventually("the peer has forgotten it", || b.nodes(NodeType::All).is_empty()).await;
        assert_eq!(b.stats().incoming_monitors, 0);
    });
}

#[test]
fn its_processes_are_shut_down() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (pid, monitor) = a.spawn_monitor(|_mailbox| std::future::pending()).unwrap();
        let guard = a.process().unwrap();
        let of_guard = a.monitor(guard.pid()).unwrap();
        a.stop().await;
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
        assert!(!a.is_process_alive(&pid));
        // Only its holder drops a guard, and no monitor waits for that.
        expect_no_connection(of_guard, EndKind::LocalShutdown).await;
        assert!(a.is_process_alive(guard.pid()));
    });
}

#[test]
fn m05_a_stopped_node_begins_nothing() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut process = a.process().unwrap();
        let target = b.process().unwrap();
        let monitor = process.monitor(target.pid()).unwrap();
        futures::join!(a.stop(), a.stop());
        a.stop().await;

        assert_eq!(a.spawn(|_mailbox| async { Ok(()) }).unwrap_err(), NotAlive);
        assert_eq!(a.process().unwrap_err(), NotAlive);
        assert_eq!(a.monitor(target.pid()).unwrap_err(), MonitorError::NotAlive(NotAlive));
        assert_eq!(a.monitor_set().monitor(target.pid()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(a.register("x", process.pid()), Err(RegisterError::NotAlive(NotAlive)));
        assert_eq!(a.unregister("x"), Err(NotAlive));
        assert_eq!(a.kill(process.pid()), Err(NotAlive));
        assert_eq!(a.connect(b.name()), Err(ConnectError::NotAlive(NotAlive)));
        assert_eq!(a.disconnect(b.name()), Err(ConnectError::NotAlive(NotAlive)));
        let sent = a.try_send(target.pid(), "x");
        let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "x".into())
        );
        let error = a.send(target.pid(), "x").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "x".into())
        );
        let not_alive = CallError::NotAlive(Target::from(target.pid()));
        assert_eq!(a.call(target.pid(), "x").await, Err(not_alive.clone()));
        assert_eq!(process.monitor(target.pid()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(process.demonitor(&monitor), Err(NotAlive));
        assert_eq!(process.demonitor_flush(&monitor), Err(NotAlive));
        assert_eq!(process.monitor_node(b.name()), Err(MonitorError::NotAlive(NotAlive)));
        assert_eq!(process.monitor_nodes(NodesOptions::new()), Err(MonitorError::NotAlive(NotAlive)));
        let error = process.send(target.pid(), "x").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.clone().into_inner()),
            (&SendErrorKind::NotAlive(NotAlive), "x".into())
        );
        assert_eq!(process.call(target.pid(), "x").await, Err(not_alive));
        assert!(matches!(process.recv().await, Some(Event::Down(_))));
        assert_eq!(process.recv().await, None);
    });
}

/// Its drop blocks until a message comes or the sender is dropped.
struct Slow(mpsc::Receiver<()>);

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

#[test]
fn a_stop_goes_on_without_its_caller() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        cluster.settle(&a, &b).await;
        // The stop waits for its processes, and the drop of this one's state takes a while.
        let (go_on, held) = mpsc::channel();
        let slow = Slow(held);
        a.spawn(|mut mailbox| async move {
            let _slow = slow;
            mailbox.recv().await;
            Ok(())
        })
        .unwrap();
        let mut stop = Box::pin(a.stop());
        assert!((&mut stop).now_or_never().is_none());
        drop(stop);
        go_on.send(()).unwrap();
        eventually("the node has left", || b.nodes(NodeType::All).is_empty()).await;
        a.stop().await;
    });
}

#[test]
fn a_process_may_stop_its_node() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (_, monitor) = a
            .spawn_monitor(|mailbox| async move {
                mailbox.node().stop().await;
                Ok(())
            })
            .unwrap();
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
        a.stop().await;
    });
}

#[test]
fn a_peer_that_does_not_answer_does_not_keep_a_node_from_stopping() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node_with("a", |config: Config| config.stop_timeout(Duration::from_millis(50))).await;
        let b = cluster.node("b").await;
        let target = b.process().unwrap();
        let monitor = a.monitor(target.pid()).unwrap();
        cluster.settle(&a, &b).await;
        cluster.freeze(&b);
        a.stop().await;
        expect_no_connection(monitor, EndKind::LocalShutdown).await;
    });
}

#[test]
fn a_node_that_nobody_holds_is_gone_like_a_crash() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true)).unwrap();
        {
            let b = cluster.node_unheld("b").await;
            cluster.settle(&b, &a).await;
            // A process or a monitor keeps the node alive like a handle.
            let target = b.process().unwrap();
            drop(b);
            let monitor = a.monitor(target.pid()).unwrap();
            target.try_send(watcher.pid(), "alive").unwrap();
            assert!(matches!(watcher.recv().await, Some(Event::NodeUp(_))));
            assert!(matches!(watcher.recv().await, Some(Event::Message(_))));
            drop(monitor);
        }
        assert_eq!(next_node_down(&mut watcher).await.end, Some(EndKind::Closed.into()));
    });
}

#[test]
fn any_executor_will_do() {
    run(async {
        let cluster = Cluster::new();
        let spawner = Arc::new(|task| smol::spawn(task).detach());
        let a = cluster.node_with("a", |config: Config| run_all_on(config, spawner.clone())).await;
        let b = cluster.node_with("b", |config: Config| run_all_on(config, spawner.clone())).await;
        let target = b.spawn(|mut mailbox| async move {
            mailbox.recv().await;
            Ok(())
        });
        let target = target.unwrap();
        let monitor = a.monitor(&target).unwrap();
        a.try_send(&target, "exit").unwrap();
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
        a.stop().await;
        b.stop().await;
    });
}

#[test]
fn a_node_whose_executor_is_gone_has_lost_its_sessions_and_can_be_stopped() {
    run(async {
        let cluster = Cluster::new();
        let executor = Arc::new(smol::Executor::new());
        let weak = Arc::downgrade(&executor);
        let spawner = Arc::new(move |task| {
            if let Some(executor) = weak.upgrade() {
                executor.spawn(task).detach();
            }
        });
        let b = cluster.node("b").await;
        let target = b.process().unwrap();
        let (a, of_session) = executor
            .run(async {
                let a = cluster.node_with("a", |config: Config| run_all_on(config, spawner)).await;
                cluster.settle(&a, &b).await;
                let of_session = a.monitor(target.pid()).unwrap();
                (a, of_session)
            })
            .await;
        let mut guard = a.process().unwrap();
        drop(executor);

        expect_no_connection(of_session, EndKind::LocalShutdown).await;
        let later = a.monitor(name("nobody").at("nowhere@local".parse().unwrap()));
        assert_eq!(later.map(drop), Err(NotAlive.into()), "nothing can be begun without an executor");
        a.stop().await;
        assert_eq!(guard.recv().await, None);
    });
}
