//! A process as a stream of its events.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use common::{Cluster, run};
use futures::{FutureExt, Stream, StreamExt, future::ready, stream::select};
use monitor_runtime::prelude::*;

#[test]
fn its_items_are_the_events_in_their_order() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (sender, process) = (a.process().unwrap(), b.process().unwrap());
        let monitor = process.monitor(sender.pid()).unwrap();
        cluster.settle(&b, &a).await;
        let bodies = ["one", "two", "three"];
        for body in bodies {
            sender.try_send(process.pid(), body).unwrap();
        }
        sender.exit(ExitReason::Shutdown);
        let events: Vec<Event> = process.take(4).collect().await;
        for (event, body) in events.iter().zip(bodies) {
            assert!(matches!(event, Event::Message(message) if message.body == body), "{event:?}");
        }
        let Event::Down(down) = &events[3] else { panic!("{events:?}") };
        assert_eq!((&down.monitor, &down.reason), (&monitor, &DownReason::Exit(ExitReason::Shutdown)));
    });
}

#[test]
fn it_ends_when_the_mailbox_is_closed_and_empty() {
    run(async {
        let node = Cluster::new().node("a").await;
        let mut process = node.process().unwrap();
        assert!(process.next().now_or_never().is_none());
        process.try_send(process.pid(), "last").unwrap();
        node.kill(process.pid()).unwrap();
        let rest: Vec<Event> = process.by_ref().collect().await;
        assert!(matches!(&rest[..], [Event::Message(message)] if message.body == "last"), "{rest:?}");
        assert_eq!(process.next().await, None);
        assert!(node.is_process_alive(process.pid()), "it exits on drop");
    });
}

/// The adapters of streams take a process by value or by reference.
#[test]
fn it_can_be_filtered_and_merged_with_other_streams() {
    run(async {
        let node = Cluster::new().node("a").await;
        let (mut process, target) = (node.process().unwrap(), node.process().unwrap());
        let mut set = node.monitor_set();
        set.monitor(target.pid()).unwrap();
        for number in 0..10_u32 {
            node.try_send(process.pid(), Postcard(number)).unwrap();
        }
        target.exit(ExitReason::Normal);
        let pid = process.pid().clone();
        let even = process.by_ref().take(10).filter_map(|event| {
            let Event::Message(message) = event.decode::<u32>() else { panic!("no number") };
            ready((message.body % 2 == 0).then_some(message.body))
        });
        let downs = set.map(|down| down.reason.to_string());
        let mut all: Vec<_> = select(even.map(|number| number.to_string()), downs).collect().await;
        all.sort_unstable();
        assert_eq!(all, ["0", "2", "4", "6", "8", "exit: normal"]);
        assert_eq!(process.pid(), &pid);
    });
}

#[test]
fn a_poll_wakes_the_task_that_polled_last() {
    struct Count(std::sync::atomic::AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    run(async {
        let node = Cluster::new().node("a").await;
        let mut process = node.process().unwrap();
        let counts = [(); 2].map(|()| Arc::new(Count(Default::default())));
        for count in &counts {
            let waker = Waker::from(count.clone());
            assert!(Pin::new(&mut process).poll_next(&mut Context::from_waker(&waker)).is_pending());
        }
        node.try_send(process.pid(), "x").unwrap();
        let woken = counts.each_ref().map(|count| count.0.load(std::sync::atomic::Ordering::SeqCst));
        assert_eq!(woken, [0, 1]);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(
            Pin::new(&mut process).poll_next(&mut context),
            Poll::Ready(Some(Event::Message(_)))
        ));
    });
}
