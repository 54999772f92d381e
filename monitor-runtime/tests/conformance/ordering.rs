//! Order of events: the signal order of the Erlang reference manual, and the stronger guarantees of
//! Obit.

use std::sync::Arc;

use futures::channel::oneshot;
use monitor_runtime::{NodeDownSource, TryRecvError, prelude::*};

use crate::{
    common::{eventually, name, next_body, next_down, next_node_down, next_node_up},
    fixture::{Fixture, exit, is_up, no_connection, watchers_of},
};

cases! {
    s01_all_messages_of_a_process_come_before_its_down: local, tcp;
    s02_a_monitor_is_there_before_what_is_sent_after_it: local, tcp;
    s05_a_demonitor_is_there_before_what_is_sent_after_it: local, tcp;
    s08_the_longest_reasons_come_whole_between_what_others_send: local, tcp;
    s10_a_monitored_node_is_down_after_all_downs_of_its_session: memory, tcp;
    s11_a_node_is_up_before_the_first_message_of_its_session: memory, tcp;
    s12_no_message_of_a_session_comes_after_its_node_is_down: memory, tcp;
    s13_under_ten_thousand_node_monitors_ups_and_downs_still_alternate: memory, tcp;
    s15_the_list_of_nodes_agrees_with_the_notice: memory, tcp;
    s16_who_subscribes_is_told_who_is_up_and_not_again: memory, tcp;
    s17_what_a_process_held_is_free_when_its_down_is_received: local, tcp;
}

const NODES: NodesOptions = NodesOptions::new();

async fn s01_all_messages_of_a_process_come_before_its_down(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let to = watcher.pid().clone();
    let long = vec![7; 16 << 20];
    let last = long.clone();
    let sends = |mut mailbox: Process| async move {
        mailbox.recv().await;
        for i in 0..20_000u32 {
            mailbox.send(&to, i.to_le_bytes().to_vec()).await?;
        }
        mailbox.send(&to, last).await?;
        mailbox.send(&to, "last").await?;
        Ok(())
    };
    let pid = fixture.there.spawn(sends).unwrap();
    watcher.monitor(&pid).unwrap();
    watcher.try_send(&pid, "go").unwrap();
    for i in 0..20_000u32 {
        assert_eq!(*next_body(&mut watcher).await, i.to_le_bytes());
    }
    assert!(next_body(&mut watcher).await == long);
    assert_eq!(next_body(&mut watcher).await, "last");
    assert_eq!(next_down(&mut watcher).await.reason, exit(ExitReason::Normal));
}

async fn s02_a_monitor_is_there_before_what_is_sent_after_it(fixture: Fixture) {
    // The order holds also when both wait for the connection.
    let (watcher, mut target) = fixture.processes();
    watcher.monitor(target.pid()).unwrap();
    watcher.try_send(target.pid(), "who watches you?").unwrap();
    next_body(&mut target).await;
    assert_eq!(watchers_of(&fixture.there, target.pid()), 1);
}

async fn s05_a_demonitor_is_there_before_what_is_sent_after_it(fixture: Fixture) {
    let (watcher, mut target) = fixture.processes();
    for _ in 0..100 {
        let monitor = watcher.monitor(target.pid()).unwrap();
        fixture.watched(&target, 1).await;
        watcher.demonitor(&monitor).unwrap();
        watcher.try_send(target.pid(), "who watches you?").unwrap();
        next_body(&mut target).await;
        assert_eq!(watchers_of(&fixture.there, target.pid()), 0);
    }
}

async fn s08_the_longest_reasons_come_whole_between_what_others_send(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let chatty = fixture.there.process().unwrap();
    let reason = |seed: u8| ExitReason::other(vec![seed; ExitReason::MAX_LEN]);
    let targets: Vec<_> = (0..50).map(|_| fixture.there.process().unwrap()).collect();
    targets.iter().for_each(|target| drop(watcher.monitor(target.pid()).unwrap()));
    fixture.watched(&targets[49], 1).await;
    fixture.hold().await;
    for (seed, target) in (0..).zip(targets) {
        target.exit(reason(seed));
        chatty.try_send(watcher.pid(), vec![seed]).unwrap();
    }
    fixture.release();
    let (mut messages, mut downs) = (0, 0);
    while messages + downs < 100 {
        match watcher.recv().await {
            Some(Event::Message(message)) => {
                assert_eq!(*message.body, [messages]);
                messages += 1;
                // A message that is sent right after an exit does not wait for later exits.
                assert!(downs <= messages + 1, "{downs} reasons came first");
            }
            Some(Event::Down(down)) => {
                assert!(down.reason == exit(reason(downs)), "the reason of {downs} is not whole");
                downs += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn s10_a_monitored_node_is_down_after_all_downs_of_its_session(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    watcher.monitor_nodes(NODES).unwrap();
    (0..250).for_each(|_| drop(watcher.monitor(target.pid()).unwrap()));
    watcher.monitor_node(fixture.there.name()).unwrap();
    (0..250).for_each(|_| drop(watcher.monitor(target.pid()).unwrap()));
    fixture.watched(&target, 500).await;
    for i in 0..100u8 {
        target.try_send(watcher.pid(), vec![i]).unwrap();
    }
    fixture.settled().await;
    fixture.cut().await;

    next_node_up(&mut watcher).await;
    for i in 0..100u8 {
        assert_eq!(*next_body(&mut watcher).await, [i]);
    }
    for _ in 0..500 {
        no_connection(&next_down(&mut watcher).await.reason);
    }
    let mut sources = [next_node_down(&mut watcher).await.source, next_node_down(&mut watcher).await.source];
    sources.sort_by_key(|source| *source != NodeDownSource::MonitorNode);
    assert_eq!(sources, [NodeDownSource::MonitorNode, NodeDownSource::MonitorNodes(NODES)]);
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

/// A process on `there` that floods the watcher with messages, and so reconnects again and again.
fn flood(fixture: &Fixture, watcher: &Process) -> Pid {
    let to = watcher.pid().clone();
    let floods = |mailbox: Process| async move {
        loop {
            // While there is no connection, messages are queued or refused.
            let _ = mailbox.try_send(&to, "flood");
            smol::future::yield_now().await;
        }
    };
    fixture.there.spawn(floods).unwrap()
}

/// Resets the connection under a flood again and again; passes each event to `see`, with whether
/// the node was up by the earlier notices.
async fn reconnect_under_a_flood(fixture: &Fixture, mut see: impl FnMut(&Event, bool)) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NODES).unwrap();
    let flooding = flood(fixture, &watcher);
    let (mut up, mut messages, mut cuts) = (false, 0, 0);
    while cuts < 50 || up {
        let event = watcher.recv().await.unwrap();
        see(&event, up);
        match event {
            Event::NodeUp(_) => (up, messages) = (true, 0),
            Event::NodeDown(_) => up = false,
            Event::Message(_) => {
                messages += 1;
                if messages == 3 {
                    cuts += 1;
                    if cuts == 50 {
                        fixture.there.kill(&flooding).unwrap();
                    }
                    fixture.sever();
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn s11_a_node_is_up_before_the_first_message_of_its_session(fixture: Fixture) {
    reconnect_under_a_flood(&fixture, |event, up| match event {
        Event::Message(_) => assert!(up, "a message of a session that has not begun"),
        Event::NodeUp(_) => assert!(!up, "up twice"),
        _ => {}
    })
    .await;
}

async fn s12_no_message_of_a_session_comes_after_its_node_is_down(fixture: Fixture) {
    let mut downs = 0;
    reconnect_under_a_flood(&fixture, |event, up| match event {
        Event::Message(_) => assert!(up, "a message of a session that is over"),
        Event::NodeDown(down) => {
            assert!(up && !down.missed, "down without an up");
            downs += 1;
        }
        _ => {}
    })
    .await;
    assert_eq!(downs, 50);
}

async fn s13_under_ten_thousand_node_monitors_ups_and_downs_still_alternate(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NODES).unwrap();
    let others: Vec<_> = (0..10_000).map(|_| fixture.here.process().unwrap()).collect();
    let mut last = None;
    for _ in 0..20 {
        fixture.connected().await;
        others.iter().for_each(|other| other.monitor_node(fixture.there.name()).unwrap());
        let up = next_node_up(&mut watcher).await;
        assert_ne!(Some(up.session), last);
        fixture.cut().await;
        // The next session begins while the end of this one is still being reported to ten thousand
        // subscribers.
        fixture.there.connect(fixture.here.name()).unwrap();
        let down = next_node_down(&mut watcher).await;
        assert_eq!((down.session, down.missed), (Some(up.session), false));
        last = down.session;
    }
}

async fn s15_the_list_of_nodes_agrees_with_the_notice(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    watcher.monitor_nodes(NODES).unwrap();
    for _ in 0..20 {
        fixture.here.connect(fixture.there.name()).unwrap();
        next_node_up(&mut watcher).await;
        assert!(is_up(&fixture.here, &fixture.there));
        fixture.connected().await;
        fixture.sever();
        next_node_down(&mut watcher).await;
        assert!(!is_up(&fixture.here, &fixture.there));
        fixture.disconnected().await;
    }
}

async fn s16_who_subscribes_is_told_who_is_up_and_not_again(fixture: Fixture) {
    fixture.connected().await;
    let mut watcher = fixture.here.process().unwrap();
    let up = watcher.monitor_nodes(NODES).unwrap();
    let listed: Vec<_> = up.iter().map(|info| (&info.name, &info.node)).collect();
    assert_eq!(listed, [(fixture.there.name(), fixture.there.id())]);
    fixture.settled().await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    fixture.cut().await;
    assert_eq!(next_node_down(&mut watcher).await.session, Some(up[0].session));
}

async fn s17_what_a_process_held_is_free_when_its_down_is_received(fixture: Fixture) {
    let held = Arc::new(());
    let (go, wait) = oneshot::channel::<()>();
    let mine = held.clone();
    let holds = |_mailbox| async move {
        let _mine = mine;
        let _ = wait.await;
        Ok(())
    };
    let pid = fixture.there.spawn(holds).unwrap();
    fixture.there.register(name("jobs"), &pid).unwrap();
    let monitor = fixture.here.monitor(&pid).unwrap();
    eventually("it is monitored", || watchers_of(&fixture.there, &pid) == 1).await;
    go.send(()).unwrap();
    monitor.await;
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(fixture.there.whereis("jobs"), None);
    assert!(!fixture.there.is_process_alive(&pid));
}
