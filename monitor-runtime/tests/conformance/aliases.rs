//! Aliases: the option `alias` of `erlang:monitor/3`, and `erlang:unalias/1`.

use monitor_runtime::{AliasMode, Incarnation, IntoRef, MonitorRef, NodeId, TryRecvError, prelude::*};

use crate::{
    common::{alias_attack, eventually, name, next_body, next_down},
    fixture::{Fixture, exit, expect_down},
};

cases! {
    a01_an_alias_outlives_its_monitor_until_it_is_taken_back: local, memory, tcp;
    a02_an_alias_ends_with_its_monitor: local, memory, tcp;
    a03_the_first_message_through_an_alias_ends_the_monitor: local, memory, tcp;
    a04_a_monitor_that_fires_at_once_leaves_no_alias: local, memory, tcp;
    a05_to_take_an_alias_back_leaves_the_monitor: local, memory, tcp;
    a06_a_dead_process_has_no_aliases: local, memory, tcp;
    a07_an_alias_of_another_life_of_its_node_is_none: memory, tcp;
    a08_whoever_has_an_alias_can_use_it: memory, tcp;
    a09_an_alias_cannot_be_guessed: memory, tcp;
    a10_the_token_of_another_start_of_the_node_is_none: memory, tcp;
}

/// A monitor whose reference is an alias.
fn aliased(watcher: &Process, target: impl IntoRef<Target>, mode: AliasMode) -> MonitorRef {
    watcher.monitor_with(target, MonitorOptions::new().alias(mode)).unwrap()
}

/// Waits until the watchers' node has dropped that many messages because there is no alias; and
/// checks that the mailbox is empty.
async fn dropped(fixture: &Fixture, watcher: &mut Process, messages: u64) {
    eventually("what came through no alias is counted", || {
        fixture.here.stats().count("messages_for_no_alias") == Some(messages)
    })
    .await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
}

async fn a01_an_alias_outlives_its_monitor_until_it_is_taken_back(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let other = fixture.there.process().unwrap();
    let alias = aliased(&watcher, target.pid(), AliasMode::ExplicitUnalias);
    fixture.watched(&target, 1).await;
    target.try_send(&alias, "alive").unwrap();
    assert_eq!(next_body(&mut watcher).await, "alive");
    drop(target);
    assert_eq!(expect_down(&mut watcher, &alias).await, exit(ExitReason::Normal));
    other.try_send(&alias, "gone").unwrap();
    assert_eq!(next_body(&mut watcher).await, "gone");

    assert_eq!(watcher.unalias(&alias), Ok(true));
    assert_eq!(watcher.unalias(&alias), Ok(false));
    other.try_send(&alias, "too late").unwrap();
    dropped(&fixture, &mut watcher, 1).await;
    assert_eq!(fixture.here.stats().aliases, 0);
}

async fn a02_an_alias_ends_with_its_monitor(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let other = fixture.there.process().unwrap();
    let taken_back = aliased(&watcher, target.pid(), AliasMode::Demonitor);
    let fired = aliased(&watcher, target.pid(), AliasMode::Demonitor);
    for message in ["one", "two"] {
        other.try_send(&taken_back, message).unwrap();
        assert_eq!(next_body(&mut watcher).await, message);
    }
    watcher.demonitor(&taken_back).unwrap();
    other.try_send(&taken_back, "too late").unwrap();
    dropped(&fixture, &mut watcher, 1).await;

    fixture.watched(&target, 1).await;
    drop(target);
    // The `Down` is unread, and the alias accepts no message any more.
    eventually("the monitor has fired", || fixture.here.stats().fired == 1).await;
    other.try_send(&fired, "too late").unwrap();
    eventually("it is dropped", || fixture.here.stats().count("messages_for_no_alias") == Some(2)).await;
    expect_down(&mut watcher, &fired).await;
    dropped(&fixture, &mut watcher, 2).await;
    assert_eq!(fixture.here.stats().aliases, 0);
}

async fn a03_the_first_message_through_an_alias_ends_the_monitor(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let alias = aliased(&watcher, target.pid(), AliasMode::ReplyDemonitor);
    fixture.watched(&target, 1).await;
    target.try_send(&alias, "first").unwrap();
    target.try_send(&alias, "second").unwrap();
    assert_eq!(next_body(&mut watcher).await, "first");
    assert_eq!(watcher.monitors(), []);
    fixture.watched(&target, 0).await;
    drop(target);
    fixture.settled().await;
    dropped(&fixture, &mut watcher, 1).await;
    fixture.nothing_left().await;
}

async fn a04_a_monitor_that_fires_at_once_leaves_no_alias(fixture: Fixture) {
    let (mut watcher, other) = fixture.processes();
    let nobody = name("nobody").at(fixture.there.name().clone());
    for (mode, dead) in [(AliasMode::Demonitor, 1), (AliasMode::ReplyDemonitor, 2)] {
        let alias = aliased(&watcher, &nobody, mode);
        assert_eq!(next_down(&mut watcher).await.reason, DownReason::NoProc);
        other.try_send(&alias, "too late").unwrap();
        dropped(&fixture, &mut watcher, dead).await;
    }
    let alias = aliased(&watcher, &nobody, AliasMode::ExplicitUnalias);
    assert_eq!(next_down(&mut watcher).await.reason, DownReason::NoProc);
    other.try_send(&alias, "in time").unwrap();
    assert_eq!(next_body(&mut watcher).await, "in time");
}

async fn a05_to_take_an_alias_back_leaves_the_monitor(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let stranger = fixture.here.process().unwrap();
    let alias = aliased(&watcher, target.pid(), AliasMode::ReplyDemonitor);
    let plain = watcher.monitor(target.pid()).unwrap();
    assert_eq!(stranger.unalias(&alias), Ok(false), "it is not its own");
    assert_eq!(watcher.unalias(&plain), Ok(false), "it is none");
    assert_eq!(watcher.unalias(&alias), Ok(true));
    fixture.watched(&target, 2).await;
    target.try_send(&alias, "too late").unwrap();
    target.try_send(&plain, "never was one").unwrap();
    drop(target);
    assert_eq!(expect_down(&mut watcher, &alias).await, exit(ExitReason::Normal));
    assert_eq!(expect_down(&mut watcher, &plain).await, exit(ExitReason::Normal));
    dropped(&fixture, &mut watcher, 2).await;
}

async fn a06_a_dead_process_has_no_aliases(fixture: Fixture) {
    let (watcher, target) = fixture.processes();
    let modes = [AliasMode::ExplicitUnalias, AliasMode::Demonitor, AliasMode::ReplyDemonitor];
    let aliases = modes.map(|mode| aliased(&watcher, target.pid(), mode));
    assert_eq!(fixture.here.stats().aliases, 3);
    drop(watcher);
    assert_eq!(fixture.here.stats().aliases, 0);
    // Its number has another holder now, which must not get its messages.
    let mut heir = fixture.here.process().unwrap();
    for alias in &aliases {
        target.try_send(alias, "too late").unwrap();
    }
    dropped(&fixture, &mut heir, 3).await;
    fixture.nothing_left().await;
}

async fn a07_an_alias_of_another_life_of_its_node_is_none(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let alias = aliased(&watcher, target.pid(), AliasMode::ExplicitUnalias);
    let other_life = Incarnation::new(fixture.here.id().incarnation.get() ^ 1).unwrap();
    let before = NodeId::new(fixture.here.name().clone(), other_life);
    target.try_send(MonitorRef::new(before, alias.serial()), "to another life").unwrap();
    dropped(&fixture, &mut watcher, 1).await;
    target.try_send(&alias, "to this one").unwrap();
    assert_eq!(next_body(&mut watcher).await, "to this one");
}

async fn a08_whoever_has_an_alias_can_use_it(fixture: Fixture) {
    let (mut watcher, target) = fixture.processes();
    let third = fixture.network.node("third").await;
    let alias = aliased(&watcher, target.pid(), AliasMode::ExplicitUnalias);
    // It can be passed on as text, or in a message, like any reference.
    let alias: MonitorRef = alias.to_string().parse().unwrap();
    let senders = [third.process().unwrap(), fixture.here.process().unwrap()];
    for sender in &senders {
        sender.try_send(&alias, "hello").unwrap();
        let Some(Event::Message(message)) = watcher.recv().await else { panic!("a message was sent") };
        assert_eq!((message.from.as_ref(), &*message.body), (Some(sender.pid()), &b"hello"[..]));
    }
    third.try_send(&alias, "from nobody").unwrap();
    assert_eq!(next_body(&mut watcher).await, "from nobody");
}

async fn a09_an_alias_cannot_be_guessed(fixture: Fixture) {
    let mut server = fixture.there.process().unwrap();
    let watcher = fixture.here.process().unwrap();
    let mut attacker = fixture.network.bare_peer("mallory").await;
    attacker.connect(&fixture.here).await;
    // The token of one alias does not help to guess that of another.
    let given = aliased(&watcher, server.pid(), AliasMode::ReplyDemonitor);
    let token = given.alias().unwrap();
    drop(watcher);
    alias_attack::nobody_answers_a_call_by_guessing(&fixture.here, &mut server, &attacker, token).await;
}

async fn a10_the_token_of_another_start_of_the_node_is_none(fixture: Fixture) {
    let target = fixture.there.process().unwrap();
    let mut attacker = fixture.network.bare_peer("mallory").await;
    let before = fixture.network.node("reborn").await;
    let old = aliased(&before.process().unwrap(), target.pid(), AliasMode::ExplicitUnalias);
    before.stop().await;
    let reborn = fixture.network.node("reborn").await;
    let mut watcher = reborn.process().unwrap();
    let alias = aliased(&watcher, target.pid(), AliasMode::ExplicitUnalias);
    assert_eq!(alias.serial(), old.serial(), "the numbers begin anew");
    attacker.connect(&reborn).await;
    let frame = |token: u64| alias_attack::frame(&reborn, alias.serial(), token, b"through the alias");
    attacker.push_when_ready(&frame(old.alias().unwrap().get())).await;
    eventually("it is dropped", || reborn.stats().count("messages_for_no_alias") == Some(1)).await;
    assert_eq!(watcher.try_recv(), Err(TryRecvError::Empty));
    attacker.push_when_ready(&frame(alias.alias().unwrap().get())).await;
    assert_eq!(next_body(&mut watcher).await, "through the alias");
}
