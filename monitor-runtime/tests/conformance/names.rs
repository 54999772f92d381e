//! Monitors by registered name: `erlang:monitor(process, {Name, Node})`.

use futures::channel::oneshot;
use monitor_runtime::{MonitorError, TryRecvError, prelude::*};

use crate::{
    common::{eventually, name, next_down},
    fixture::{Fixture, exit, no_connection, watchers_of},
};

cases! {
    n01_a_name_is_monitored_and_told_as_name_and_node: local;
    n02_a_name_at_the_own_node_is_written_out: local;
    n03_a_name_that_nobody_holds_is_noproc: local;
    n04_a_remote_name_is_monitored_like_a_pid: memory, tcp;
    n05_a_name_of_a_node_that_stops_is_noconnection: memory, tcp;
    n06_a_name_of_an_unknown_node_is_noconnection: memory, tcp;
    n08_a_name_that_has_moved_on_is_still_that_of_its_old_holder: local, tcp;
    n09_to_give_a_name_back_is_no_exit: local, tcp;
    n10_a_name_is_free_when_the_down_of_its_holder_is_received: local;
    n11_a_remote_name_is_free_when_the_down_of_its_holder_is_received: memory, tcp;
    n12_a_monitor_by_pid_and_one_by_name_each_have_a_down: local, tcp;
    n15_a_listing_shows_the_name: local, tcp;
    n16_a_name_and_a_pid_may_be_given_as_text: local, memory, tcp;
    n17_a_text_that_is_no_target_is_refused_with_the_place_of_the_fault: local, tcp;
}

/// A process on `there` that holds the name, and the full name for other nodes.
fn named(fixture: &Fixture) -> (Process, Name) {
    let target = fixture.there.process().unwrap();
    target.register(name("jobs")).unwrap();
    (target, jobs(fixture))
}

fn jobs(fixture: &Fixture) -> Name {
    name("jobs").at(fixture.there.name().clone())
}

async fn n01_a_name_is_monitored_and_told_as_name_and_node(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (target, by_name) = named(&fixture);
    let monitor = watcher.monitor(&by_name).unwrap();
    drop(target);
    let down = next_down(&mut watcher).await;
    assert_eq!((down.monitor, down.target, down.reason), (monitor, by_name.into(), exit(ExitReason::Normal)));
}

async fn n02_a_name_at_the_own_node_is_written_out(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (target, _) = named(&fixture);
    let written: Name = format!("jobs@{}", fixture.here.name()).parse().unwrap();
    watcher.monitor(&written).unwrap();
    drop(target);
    assert_eq!(next_down(&mut watcher).await.target, written.into());
}

async fn n03_a_name_that_nobody_holds_is_noproc(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let monitor = watcher.monitor(jobs(&fixture)).unwrap();
    let down = next_down(&mut watcher).await;
    assert_eq!(
        (down.monitor, down.target, down.reason),
        (monitor, jobs(&fixture).into(), DownReason::NoProc)
    );
}

async fn n04_a_remote_name_is_monitored_like_a_pid(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    for reason in [ExitReason::Normal, ExitReason::other("frop")] {
        let (target, by_name) = named(&fixture);
        watcher.monitor(&by_name).unwrap();
        fixture.watched(&target, 1).await;
        target.exit(reason.clone());
        let down = next_down(&mut watcher).await;
        assert_eq!((down.target, down.reason), (by_name.into(), exit(reason)));
    }
    n03_a_name_that_nobody_holds_is_noproc(fixture).await;
}

async fn n05_a_name_of_a_node_that_stops_is_noconnection(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (target, by_name) = named(&fixture);
    watcher.monitor(&by_name).unwrap();
    fixture.watched(&target, 1).await;
    fixture.there.stop().await;
    let down = next_down(&mut watcher).await;
    no_connection(&down.reason);
    assert_eq!(down.target, by_name.into());
}

async fn n06_a_name_of_an_unknown_node_is_noconnection(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let unknown = name("jobs").at("unknown@127.0.0.1".parse().unwrap());
    watcher.monitor(&unknown).unwrap();
    let down = next_down(&mut watcher).await;
    assert!(!no_connection(&down.reason).was_session());
    assert_eq!(down.target, unknown.into());
    assert_eq!(fixture.here.stats().peers, 0);
}

async fn n08_a_name_that_has_moved_on_is_still_that_of_its_old_holder(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (first, by_name) = named(&fixture);
    watcher.monitor(&by_name).unwrap();
    fixture.watched(&first, 1).await;
    fixture.there.unregister("jobs").unwrap();
    let (second, _) = named(&fixture);
    drop(second);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    first.exit(ExitReason::Shutdown);
    let down = next_down(&mut watcher).await;
    assert_eq!((down.target, down.reason), (by_name.into(), exit(ExitReason::Shutdown)));
}

async fn n09_to_give_a_name_back_is_no_exit(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (target, by_name) = named(&fixture);
    watcher.monitor(&by_name).unwrap();
    fixture.watched(&target, 1).await;
    assert!(fixture.there.unregister("jobs").unwrap());
    fixture.settled().await;
    assert_eq!(
        (watcher.try_recv(), watchers_of(&fixture.there, target.pid())),
        (Err(TryRecvError::Empty), 1)
    );
}

async fn n10_a_name_is_free_when_the_down_of_its_holder_is_received(fixture: Fixture) {
    // The check does not depend on other work of its thread.
    let busy = |_mailbox| async {
        loop {
            smol::future::yield_now().await;
        }
    };
    (0..4).for_each(|_| drop(fixture.there.spawn(busy).unwrap()));
    for _ in 0..200 {
        let (go, wait) = oneshot::channel::<()>();
        let holds = |_mailbox| async {
            let _ = wait.await;
            Ok(())
        };
        let holder = fixture.there.spawn(holds).unwrap();
        fixture.there.register(name("jobs"), &holder).unwrap();
        let monitor = fixture.here.monitor(jobs(&fixture)).unwrap();
        eventually("it is monitored", || watchers_of(&fixture.there, &holder) == 1).await;
        go.send(()).unwrap();
        assert_eq!(monitor.await.reason, exit(ExitReason::Normal));
        assert_eq!(fixture.there.whereis("jobs"), None);
        fixture.there.process().unwrap().register(name("jobs")).unwrap();
    }
}

async fn n11_a_remote_name_is_free_when_the_down_of_its_holder_is_received(fixture: Fixture) {
    for _ in 0..20 {
        let (target, by_name) = named(&fixture);
        let monitor = fixture.here.monitor(&by_name).unwrap();
        fixture.watched(&target, 1).await;
        drop(target);
        monitor.await;
        // Monitored remotely, and looked up on the target's node.
        assert_eq!(fixture.here.monitor(&by_name).unwrap().await.reason, DownReason::NoProc);
        assert_eq!(fixture.there.whereis("jobs"), None);
    }
}

async fn n12_a_monitor_by_pid_and_one_by_name_each_have_a_down(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let (target, by_name) = named(&fixture);
    let by_pid = target.pid().clone();
    watcher.monitor(&by_pid).unwrap();
    watcher.monitor(&by_name).unwrap();
    fixture.watched(&target, 2).await;
    drop(target);
    let told = [next_down(&mut watcher).await.target, next_down(&mut watcher).await.target];
    assert_eq!(told, [by_pid.into(), by_name.into()]);
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn n15_a_listing_shows_the_name(fixture: Fixture) {
    let watcher = fixture.here.process().unwrap();
    let (target, by_name) = named(&fixture);
    let monitor = watcher.monitor(&by_name).unwrap();
    fixture.watched(&target, 1).await;
    assert_eq!(watcher.monitors(), [(monitor, by_name.into())]);
}

async fn n16_a_name_and_a_pid_may_be_given_as_text(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let target = fixture.there.process().unwrap();
    target.register("jobs").unwrap();
    assert_eq!(fixture.there.whereis("jobs").as_ref(), Some(target.pid()));
    let texts = [format!("jobs@{}", fixture.there.name()), target.pid().to_string()];
    for text in &texts {
        watcher.monitor(text).unwrap();
    }
    fixture.watched(&target, 2).await;
    drop(target);
    for text in texts {
        let down = next_down(&mut watcher).await;
        assert_eq!((down.target, down.reason), (text.parse().unwrap(), exit(ExitReason::Normal)));
    }
}

async fn n17_a_text_that_is_no_target_is_refused_with_the_place_of_the_fault(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    for (text, at) in [("jobs", 4), ("jobs@b@10.0.0.8:70o1", 16), ("partisan:pid:b@local:xy:0.0", 21)] {
        let refused = [
            watcher.monitor(text).unwrap_err(),
            fixture.here.monitor(text).unwrap_err(),
            fixture.here.monitor_set().monitor(text).unwrap_err(),
        ];
        for error in refused {
            let MonitorError::InvalidName(error) = error else { panic!("{text:?}: {error:?}") };
            let place = format!("(at byte {at} of {text:?})");
            assert!(error.to_string().ends_with(&place), "{error}");
        }
    }
    let stats = fixture.here.stats();
    assert_eq!((stats.monitors, stats.waiting, stats.peers, stats.watchers), (0, 0, 0, 0));
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}
