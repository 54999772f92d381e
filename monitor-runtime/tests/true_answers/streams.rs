//! A process as a stream of its events.

use futures::{FutureExt, StreamExt, future, stream};
use monitor_runtime::prelude::*;

use crate::common::{Cluster, run};

fn numbers(event: Event) -> u8 {
    match event.decode() {
        Event::Message(message) => message.body,
        other => panic!("no number: {other:?}"),
    }
}

#[test]
fn a_stream_gives_each_event_in_order_and_ends_with_the_mailbox() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut process = a.process().unwrap();
        let to = process.pid().clone();
        for number in 0..6_u8 {
            a.try_send(&to, Postcard(number)).unwrap();
        }
        // It may be mixed with `recv`.
        assert_eq!(process.by_ref().take(2).map(numbers).collect::<Vec<_>>().await, [0, 1]);
        assert_eq!(numbers(process.recv().await.unwrap()), 2);
        let target = a.process().unwrap();
        let monitor = process.monitor(target.pid()).unwrap();
        drop(target);
        assert!(a.kill(&to).unwrap());
        assert_eq!(a.try_send(&to, Postcard(6_u8)), Ok(()), "to a process that takes no more");

        let rest: Vec<Event> = process.by_ref().collect().await;
        let (down, unread) = rest.split_last().unwrap();
        assert_eq!(unread.iter().cloned().map(numbers).collect::<Vec<_>>(), [3, 4, 5]);
        assert!(matches!(down, Event::Down(down) if down.monitor == monitor), "{down:?}");
        assert_eq!(process.next().await, None, "it has ended, and stays so");
        assert_eq!(process.recv().await, None);
    });
}

#[test]
fn a_stream_that_is_dropped_while_it_waits_loses_no_event() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut process = a.process().unwrap();
        assert!(process.next().now_or_never().is_none());
        a.try_send(process.pid(), Postcard(1_u8)).unwrap();
        // Another stream is ready as well, and comes first.
        let mut both = stream::select(stream::iter([0_u8]), process.by_ref().map(numbers));
        assert_eq!(both.next().await, Some(0));
        drop(both);
        assert_eq!(process.next().now_or_never().flatten().map(numbers), Some(1));
    });
}

#[test]
fn streams_of_several_processes_are_one_stream() {
    run(async {
        let a = Cluster::new().node("a").await;
        let processes: Vec<_> = (0..10).map(|_| a.process().unwrap()).collect();
        let pids: Vec<_> = processes.iter().map(|process| process.pid().clone()).collect();
        let all = stream::select_all(processes).map(numbers).take(10);
        let sends = async {
            for (number, pid) in (0..10_u8).zip(&pids) {
                a.send(pid, Postcard(number)).await.unwrap();
            }
        };
        let (mut got, ()) = future::join(all.collect::<Vec<_>>(), sends).await;
        got.sort_unstable();
        assert_eq!(got, (0..10).collect::<Vec<u8>>());
    });
}
