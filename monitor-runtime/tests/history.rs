//! The history of `Down`s with their evidence, and the lists of monitors.

mod common;

use common::{Cluster, eventually, name, run};
use monitor_runtime::{DownSource, EndKind, prelude::*};

const KEEPS: fn(Config) -> Config = |config| config.max_history(4);

async fn two(cluster: &Cluster) -> (Node, Node) {
    (cluster.node_with("a", KEEPS).await, cluster.node("b").await)
}

fn at(label: &str, node: &Node) -> Name {
    name(label).at(node.name().clone())
}

#[test]
fn what_the_target_s_node_says_is_kept_with_its_life() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = two(&cluster).await;
        let worker = b.process().unwrap();
        worker.register(name("worker")).unwrap();
        let monitor = a.monitor(at("worker", &b)).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        worker.exit(ExitReason::Shutdown);
        let down = monitor.await;
        let [past] = &a.history()[..] else { panic!("one was told") };
        assert_eq!((&past.down, past.down.source()), (&down, DownSource::TargetNode));
        assert_eq!((past.down.incarnation, past.watcher.as_ref()), (Some(b.id().incarnation), None));

        let watcher = a.process().unwrap();
        watcher.monitor(at("nobody", &a)).unwrap();
        let own = a.history().remove(0);
        assert_eq!((&own.down.reason, own.down.source()), (&DownReason::NoProc, DownSource::TargetNode));
        assert_eq!(
            (own.down.incarnation, own.watcher.as_ref()),
            (Some(a.id().incarnation), Some(watcher.pid()))
        );
    });
}

#[test]
fn the_end_of_a_session_is_told_from_one_that_could_not_be_made() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = two(&cluster).await;
        let worker = b.process().unwrap();
        let monitor = a.monitor(worker.pid()).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        b.stop().await;
        monitor.await;
        let past = a.history().remove(0);
        assert!(matches!(past.down.reason, DownReason::NoConnection(end) if end.kind == EndKind::Left));
        assert_eq!(
            (past.down.source(), past.down.incarnation),
            (DownSource::SessionEnd, Some(b.id().incarnation))
        );

        a.monitor(at("worker", &b)).unwrap().await;
        let past = a.history().remove(0);
        assert_eq!(
            (past.down.source(), past.down.incarnation),
            (DownSource::NoSession, None),
            "{:?}",
            past.down
        );
    });
}

#[test]
fn the_newest_are_kept_and_whether_anything_is_is_for_the_user_to_say() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = two(&cluster).await;
        for node in [&a, &b] {
            let watcher = node.process().unwrap();
            (0..9).for_each(|n| drop(watcher.monitor(at(&format!("p{n}"), node)).unwrap()));
        }
        let told: Vec<_> = a.history().iter().map(|past| past.down.target.to_string()).collect();
        assert_eq!(told, ["p8", "p7", "p6", "p5"].map(|process| format!("{process}@{}", a.name())));
        assert_eq!(b.history(), []);
    });
}

#[test]
fn a_long_reason_is_kept_in_part_and_marked() {
    run(async {
        let cluster = Cluster::new();
        let (a, _) = two(&cluster).await;
        let accents = "é".repeat(512);
        for (reason, kept) in [
            (ExitReason::panicked(&*accents), None),
            (ExitReason::panicked(accents.clone() + "x"), Some(ExitReason::panicked(&*accents))),
            (ExitReason::other(vec![0xff; 1024]), None),
            (ExitReason::other(vec![0xff; 1025]), Some(ExitReason::other(vec![0xff; 1024]))),
            // No character is cut in two.
            (
                ExitReason::other("x".to_owned() + &accents),
                Some(ExitReason::other("x".to_owned() + &accents[2..])),
            ),
        ] {
            let worker = a.process().unwrap();
            let monitor = a.monitor(worker.pid()).unwrap();
            worker.exit(reason.clone());
            let down = monitor.await;
            assert_eq!((&down.reason, down.reason_was_cut), (&DownReason::Exit(reason.clone()), false));
            let past = a.history().remove(0).down;
            let was_cut = kept.is_some();
            let kept = DownReason::Exit(kept.unwrap_or(reason));
            assert_eq!((past.reason, past.reason_was_cut), (kept, was_cut));
        }
    });
}

#[test]
fn monitors_are_listed_at_both_ends() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = two(&cluster).await;
        let (watcher, worker) = (a.process().unwrap(), b.process().unwrap());
        worker.register(name("worker")).unwrap();
        let first = watcher.monitor(at("worker", &b)).unwrap();
        let second = a.monitor(worker.pid()).unwrap();
        let of_b = b.monitor(worker.pid()).unwrap();
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 2).await;

        let held = a.monitors(10).held;
        let held: Vec<_> =
            held.iter().map(|held| (&held.monitor, held.watcher.as_ref(), held.fired)).collect();
        assert_eq!(held, [(&first, Some(watcher.pid()), false), (second.reference(), None, false)]);

        let monitors = b.monitors(10);
        let [on] = &monitors.on[..] else { panic!("{monitors:?}") };
        assert_eq!((&on.process, &on.names[..], monitors.more), (worker.pid(), &[name("worker")][..], false));
        assert_eq!(on.by.len(), 2, "its own node's is among those that are held");
        assert_eq!(monitors.held[0].monitor, *of_b.reference());

        let some = (a.monitors(1), b.monitors(1));
        assert_eq!((some.0.held.len(), some.0.more, some.1.on[0].by.len(), some.1.more), (1, true, 1, true));
    });
}
