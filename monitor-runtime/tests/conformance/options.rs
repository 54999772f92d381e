//! Options of a monitor: `erlang:monitor/3`. In Obit a tag is a number.

use monitor_runtime::prelude::*;

use crate::{
    common::{name, next_down},
    fixture::{Fixture, exit, no_connection},
};

cases! {
    o01_the_tag_comes_back_with_the_down: local, tcp;
    o02_the_tag_comes_back_with_noproc: local, tcp;
    o03_the_tag_comes_back_with_noconnection: memory, tcp;
}

fn tagged(tag: u64) -> MonitorOptions {
    MonitorOptions::new().tag(tag)
}

async fn o01_the_tag_comes_back_with_the_down(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    for tag in [0, 7, u64::MAX] {
        watcher.monitor_with(target.pid(), tagged(tag)).unwrap();
    }
    fixture.watched(&target, 3).await;
    drop(target);
    for tag in [0, 7, u64::MAX] {
        let down = next_down(&mut watcher).await;
        assert_eq!((down.tag, down.reason), (tag, exit(ExitReason::Normal)));
    }
}

async fn o02_the_tag_comes_back_with_noproc(fixture: Fixture) {
    let mut watcher = fixture.here.process().unwrap();
    let gone = fixture.there.process().unwrap().pid().clone();
    let targets: [Target; 3] = [
        name("nobody").at(fixture.here.name().clone()).into(),
        name("nobody").at(fixture.there.name().clone()).into(),
        gone.into(),
    ];
    for (tag, target) in (1..).zip(targets) {
        watcher.monitor_with(&target, tagged(tag)).unwrap();
        let down = next_down(&mut watcher).await;
        assert_eq!((down.tag, down.reason, down.target), (tag, DownReason::NoProc, target));
    }
}

async fn o03_the_tag_comes_back_with_noconnection(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    watcher.monitor_with(target.pid(), tagged(7)).unwrap();
    fixture.watched(&target, 1).await;
    fixture.crash();
    let down = next_down(&mut watcher).await;
    no_connection(&down.reason);
    assert_eq!(down.tag, 7);
}
