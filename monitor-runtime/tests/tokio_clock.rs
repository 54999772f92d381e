//! The clock of a cluster and the paused clock of tokio, advanced together.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use monitor_runtime::{
    prelude::*,
    test_util::{Cluster, Join, Network},
};
use tokio::{
    sync::mpsc,
    task,
    time::{Instant, sleep},
};

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn start(cluster: &Cluster, name: &str) -> Node {
    let name: NodeName = name.parse().unwrap();
    cluster.start_with(Config::new(name.clone()).tokio(), Join::new(name)).unwrap()
}

/// An event with the times of both clocks in milliseconds.
type TimedEvent = (u128, u128, &'static str);

#[derive(Clone)]
struct Log {
    start: Instant,
    network: Network,
    events: Arc<Mutex<Vec<TimedEvent>>>,
}

impl Log {
    fn new(cluster: &Cluster) -> Self {
        Log { start: Instant::now(), network: cluster.network().clone(), events: Arc::default() }
    }

    fn note(&self, event: &'static str) {
        let event = (self.start.elapsed().as_millis(), self.network.now().as_millis(), event);
        self.events.lock().unwrap().push(event);
    }

    fn expect(&self, events: &[(u128, u128, &str)]) {
        assert_eq!(std::mem::take(&mut *self.events.lock().unwrap()), events);
    }
}

#[tokio::test(start_paused = true)]
async fn timers_of_tokio_and_events_of_the_network_happen_at_their_times_in_order() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), cluster.start("b@test").unwrap());
    let log = Log::new(&cluster);
    cluster.network().delay(a.name(), b.name(), ms(10));

    // A task of tokio sends a message at 7 ms, which arrives at 17 ms, and its echo at 27 ms.
    let notes = log.clone();
    let echo = b
        .spawn(|mut mailbox| async move {
            while let Some(event) = mailbox.recv().await {
                let Event::Message(Message { from: Some(from), .. }) = event else { continue };
                notes.note("message");
                mailbox.try_send(from, "echo")?;
            }
            Ok(())
        })
        .unwrap();
    a.connect(b.name()).unwrap();
    cluster.advance_tokio(ms(100)).await;
    let (mut process, notes) = (a.process().unwrap(), log.clone());
    task::spawn(async move {
        sleep(ms(7)).await;
        notes.note("sends");
        process.try_send(&echo, "hello").unwrap();
        while process.recv().await.is_some() {
            notes.note("echo");
        }
    });
    // A body on the cluster's own executor uses a timer of tokio, too.
    let notes = log.clone();
    b.spawn(|_| async move {
        sleep(ms(20)).await;
        notes.note("body");
        Ok(())
    })
    .unwrap();

    cluster.advance_tokio(ms(26)).await;
    log.expect(&[(107, 107, "sends"), (117, 117, "message"), (120, 120, "body")]);
    cluster.advance_tokio(ms(1)).await;
    log.expect(&[(127, 127, "echo")]);
    assert_eq!((log.start.elapsed(), cluster.network().now()), (ms(127), ms(127)));
}

#[tokio::test(start_paused = true)]
async fn all_effects_at_the_new_time_have_happened_however_many_tasks_they_take() {
    const TASKS: usize = 10_000;
    let cluster = Cluster::new();
    let log = Log::new(&cluster);
    let (first, mut previous) = mpsc::unbounded_channel();
    for _ in 0..TASKS {
        let (sender, next) = mpsc::unbounded_channel();
        let mut receiver = std::mem::replace(&mut previous, next);
        task::spawn(async move {
            receiver.recv().await.unwrap();
            sender.send(()).unwrap();
        });
    }
    let notes = log.clone();
    task::spawn(async move {
        previous.recv().await.unwrap();
        notes.note("last");
    });
    task::spawn(async move {
        sleep(ms(5)).await;
        first.send(()).unwrap();
    });
    cluster.advance_tokio(ms(4)).await;
    log.expect(&[]);
    cluster.advance_tokio(ms(1)).await;
    log.expect(&[(5, 5, "last")]);
}

#[tokio::test(start_paused = true)]
async fn no_clock_advances_while_it_settles() {
    let cluster = Cluster::new();
    let a = start(&cluster, "a@test");
    let log = Log::new(&cluster);
    let notes = log.clone();
    let (_, mut monitor) = a
        .spawn_monitor(|_| async move {
            sleep(ms(1)).await;
            notes.note("timer");
            Ok(())
        })
        .unwrap();
    for _ in 0..100 {
        cluster.settle_tokio().await;
    }
    assert_eq!((log.start.elapsed(), cluster.network().now()), (ms(0), ms(0)));
    assert!(cluster.now_or_never(&mut monitor).is_none());
    cluster.advance_tokio(ms(1)).await;
    log.expect(&[(1, 1, "timer")]);
    let down = cluster.now_or_never(&mut monitor).unwrap();
    assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
}

/// Tasks of tokio and of the cluster that make each other ready by turns.
#[tokio::test(start_paused = true)]
async fn it_settles_both_until_neither_can_make_progress() {
    let cluster = Cluster::new();
    let (a, b) = (start(&cluster, "a@test"), cluster.start("b@test").unwrap());
    let rally = |mut mailbox: Process| async move {
        while let Some(event) = mailbox.recv().await {
            let Event::Message(Message { from: Some(from), body, .. }) = event else { continue };
            let left = body[0];
            if left == 0 {
                return Ok(());
            }
            // One more turn of the executor.
            let mut yields = 1;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if yields == 0 {
                    Poll::Ready(())
                } else {
                    yields -= 1;
                    Poll::Pending
                }
            })
            .await;
            mailbox.try_send(from, vec![left - 1])?;
        }
        Ok(())
    };
    let (on_cluster, mut end) = b.spawn_monitor(rally).unwrap();
    a.spawn(move |mailbox| async move {
        mailbox.try_send(&on_cluster, vec![100])?;
        rally(mailbox).await
    })
    .unwrap();
    cluster.settle_tokio().await;
    assert!(cluster.now_or_never(&mut end).is_some());
}
