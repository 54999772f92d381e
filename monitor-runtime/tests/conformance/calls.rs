//! Calls: a request, and its reply or the reason why there is none. `gen_server:call/3`.

use std::time::Duration;

use futures::FutureExt;
use monitor_runtime::{MonitorRef, TryRecvError, prelude::*};

use crate::{
    common::{eventually, name},
    fixture::{Fixture, exit, no_connection},
};

cases! {
    ca01_a_call_gives_the_reply: local, memory, tcp;
    ca02_a_request_comes_after_what_was_sent_before_it: local, memory, tcp;
    ca03_a_call_ends_with_its_target: local, memory, tcp;
    ca04_a_call_of_nobody_says_so: local, memory, tcp;
    ca05_a_call_ends_with_the_connection: memory, tcp;
    ca06_a_late_reply_is_never_received: local, memory, tcp;
    ca07_a_call_that_is_given_up_leaves_nothing: local, memory, tcp;
    ca08_a_reply_wins_over_the_exit_that_follows_it: local, memory, tcp;
    ca09_anybody_may_reply_and_the_first_reply_counts: local, memory, tcp;
    ca10_a_call_may_be_passed_on_to_a_third_node: memory, tcp;
}

/// A timeout that never passes in a test.
const LONG: Duration = Duration::from_secs(100);

/// The next event, which is a message.
async fn next_message(process: &mut Process) -> Message {
    match process.recv().await {
        Some(Event::Message(message)) => message,
        other => panic!("no message: {other:?}"),
    }
}

/// No call has left anything at either node, and no message of a call is in the mailbox.
async fn nothing_left(fixture: &Fixture, caller: &mut Process) {
    fixture.nothing_left().await;
    let stats = fixture.here.stats();
    assert_eq!((stats.aliases, stats.watchers), (0, 0));
    assert_eq!(caller.try_recv(), Err(TryRecvError::Empty));
}

async fn ca01_a_call_gives_the_reply(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    server.register(name("server")).unwrap();
    let by_name = name("server").at(fixture.there.name().clone());
    for target in [Target::from(server.pid()), by_name.into()] {
        let call = caller.call(&target, "question").timeout(LONG);
        let serve = async {
            let request = next_message(&mut server).await;
            assert_eq!((request.from.as_ref(), &*request.body), (Some(caller.pid()), &b"question"[..]));
            assert_eq!(server.reply(&request, "answer"), Ok(true));
        };
        let (reply, ()) = futures::join!(call, serve);
        let reply = reply.unwrap();
        assert_eq!((reply.from.as_ref(), &*reply.body), (Some(server.pid()), &b"answer"[..]));

        // The same from outside any process.
        let call = fixture.here.call(&target, "question").timeout(LONG);
        let serve = async {
            let request = next_message(&mut server).await;
            assert_eq!(request.from, None);
            assert_eq!(server.reply(&request, "answer"), Ok(true));
        };
        let (reply, ()) = futures::join!(call, serve);
        assert_eq!(reply.unwrap().body, "answer");
    }
    nothing_left(&fixture, &mut caller).await;
}

async fn ca02_a_request_comes_after_what_was_sent_before_it(fixture: Fixture) {
    let (caller, mut server) = fixture.processes();
    // Longer than one fragment, where the network has fragments.
    let long = vec![7; 1 << 20];
    let target = server.pid().clone();
    caller.try_send(&target, long.clone()).unwrap();
    let call = caller.call(&target, "and now?").timeout(LONG);
    let serve = async {
        assert!(next_message(&mut server).await.body == long);
        let request = next_message(&mut server).await;
        assert_eq!(server.reply(&request, request.body.clone()), Ok(true));
    };
    let (reply, ()) = futures::join!(call, serve);
    assert_eq!(reply.unwrap().body, "and now?");
}

async fn ca03_a_call_ends_with_its_target(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    let target = server.pid().clone();
    let call = caller.call(&target, "die").timeout(LONG);
    let serve = async {
        let request = next_message(&mut server).await;
        assert!(request.reply_to.is_some());
        server.exit(ExitReason::other("of a question"));
    };
    let (reply, ()) = futures::join!(call, serve);
    let down = down(reply);
    assert_eq!(down.reason, exit(ExitReason::other("of a question")));
    assert_eq!(down.target, Target::Pid(target));
    nothing_left(&fixture, &mut caller).await;
}

async fn ca04_a_call_of_nobody_says_so(fixture: Fixture) {
    let (mut caller, server) = fixture.processes();
    let dead = server.pid().clone();
    drop(server);
    let nobody = name("nobody").at(fixture.there.name().clone());
    for target in [Target::from(dead), nobody.into()] {
        assert_eq!(down(caller.call(&target, "hello").timeout(LONG).await).reason, DownReason::NoProc);
        assert_eq!(down(fixture.here.call(&target, "hello").timeout(LONG).await).reason, DownReason::NoProc);
    }
    nothing_left(&fixture, &mut caller).await;
}

async fn ca05_a_call_ends_with_the_connection(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    let target = server.pid().clone();
    let call = caller.call(&target, "hello").timeout(LONG);
    let lose = async {
        next_message(&mut server).await;
        fixture.crash();
    };
    let (reply, ()) = futures::join!(call, lose);
    no_connection(&down(reply).reason);
    assert_eq!((fixture.here.stats().aliases, caller.try_recv()), (0, Err(TryRecvError::Empty)));
}

async fn ca06_a_late_reply_is_never_received(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    let short = Duration::from_millis(1);
    let reply = caller.call(server.pid(), "hello").timeout(short).await;
    assert_eq!(reply, Err(CallError::Timeout { target: server.pid().into(), after: short }));
    let request = next_message(&mut server).await;
    fixture.watched(&server, 0).await;
    assert_eq!(server.reply(&request, "late"), Ok(true));
    assert_eq!(server.reply(&request, "later"), Ok(true));
    eventually("they are dropped and counted", || {
        fixture.here.stats().count("messages_for_no_alias") == Some(2)
    })
    .await;
    nothing_left(&fixture, &mut caller).await;
}

async fn ca07_a_call_that_is_given_up_leaves_nothing(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    {
        let mut of_process = Box::pin(caller.call(server.pid(), "hello").timeout(LONG));
        let mut of_nobody = Box::pin(fixture.here.call(server.pid(), "hello").timeout(LONG));
        assert!((&mut of_process).now_or_never().is_none() && (&mut of_nobody).now_or_never().is_none());
        assert_eq!(fixture.here.stats().aliases, 2);
    }
    for _ in 0..2 {
        let request = next_message(&mut server).await;
        assert_eq!(server.reply(&request, "to nobody"), Ok(true));
    }
    eventually("both are dropped", || fixture.here.stats().count("messages_for_no_alias") == Some(2)).await;
    fixture.watched(&server, 0).await;
    drop(server);
    fixture.settled().await;
    nothing_left(&fixture, &mut caller).await;
}

async fn ca08_a_reply_wins_over_the_exit_that_follows_it(fixture: Fixture) {
    let mut caller = fixture.here.process().unwrap();
    for _ in 0..50 {
        let server = fixture.there.spawn(|mut mailbox| async move {
            let Some(Event::Message(request)) = mailbox.recv().await else { return Ok(()) };
            mailbox.reply(&request, "last words")?;
            Err(ExitReason::Shutdown)
        });
        let reply = caller.call(server.unwrap(), "hello").timeout(LONG).await;
        assert_eq!(reply.unwrap().body, "last words");
    }
    nothing_left(&fixture, &mut caller).await;
}

async fn ca09_anybody_may_reply_and_the_first_reply_counts(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    let helper = fixture.there.process().unwrap();
    let target = server.pid().clone();
    let call = caller.call(&target, "hello").timeout(LONG);
    let serve = async {
        let request = next_message(&mut server).await;
        assert_eq!(helper.reply(&request, "first"), Ok(true));
        eventually("it has arrived", || fixture.here.stats().aliases == 0).await;
        server.try_send(request.reply_to.as_ref().unwrap(), "second").unwrap();
        // A message that is no request takes no reply.
        server.try_send(server.pid(), "to myself").unwrap();
        let plain = next_message(&mut server).await;
        assert_eq!(server.reply(&plain, "to nobody"), Ok(false));
    };
    let (reply, ()) = futures::join!(call, serve);
    let reply = reply.unwrap();
    assert_eq!((reply.from.as_ref(), &*reply.body), (Some(helper.pid()), &b"first"[..]));
    eventually("the other is dropped", || fixture.here.stats().count("messages_for_no_alias") == Some(1))
        .await;
    nothing_left(&fixture, &mut caller).await;
}

async fn ca10_a_call_may_be_passed_on_to_a_third_node(fixture: Fixture) {
    let (mut caller, mut server) = fixture.processes();
    let third = fixture.network.node("third").await;
    let mut helper = third.process().unwrap();
    let target = server.pid().clone();
    let call = caller.call(&target, "hello").timeout(LONG);
    let serve = async {
        let request = next_message(&mut server).await;
        // A value of serde: as part of any message.
        server.try_send(helper.pid(), Postcard(request.reply_to.as_ref().unwrap())).unwrap();
        let reply_to = next_message(&mut helper).await.decode::<MonitorRef>().unwrap().body;
        helper.try_send(reply_to, "from a third node").unwrap();
    };
    let (reply, ()) = futures::join!(call, serve);
    let reply = reply.unwrap();
    assert_eq!((reply.from.as_ref(), &*reply.body), (Some(helper.pid()), &b"from a third node"[..]));
    nothing_left(&fixture, &mut caller).await;
}

/// The reason that the monitor of a call without a reply has reported.
fn down(reply: Result<Message, CallError>) -> Down {
    match reply {
        Err(CallError::Down(down)) => *down,
        other => panic!("no down of a process: {other:?}"),
    }
}
