//! Addresses of processes that take messages of one type.

use std::time::Duration;

use futures::FutureExt;
use monitor_runtime::{
    Bytes, ChannelId, Envelope, NotAlive, SendErrorKind, TryRecvError, TrySendError, prelude::*,
};
use peer_service::memory::{Join, Network};
use serde::{Deserialize, Serialize};

use crate::common::{Cluster, eventually, name, next_down, run};

/// Not `Clone`: an address is, whatever it sends.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Job {
    Resize(u32, u32),
    Count,
}

/// The body of the message.
fn encoded(job: &Job) -> Bytes {
    postcard::to_allocvec(job).unwrap().into()
}

/// The next event, which must be a message that is a job.
async fn next_job(process: &mut Process) -> Message<Job> {
    match process.recv().await.map(Event::decode) {
        Some(Event::Message(message)) => message,
        other => panic!("no job: {other:?}"),
    }
}

#[test]
fn an_address_sends_for_the_process_or_the_node_that_made_it() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (me, mut worker) = (a.process().unwrap(), b.process().unwrap());
        worker.register("worker").unwrap();
        let targets = [Target::from(worker.pid()), name("worker").at(b.name().clone()).into()];
        for target in &targets {
            let of_process: Addr<Job> = me.addr(target).unwrap();
            let of_node: Addr<Job> = a.addr(target.to_string()).unwrap();
            for (address, from) in [(of_process, Some(me.pid())), (of_node, None)] {
                let address = address.clone();
                assert_eq!(address.target(), target);
                // By value and by reference.
                address.try_send(Job::Count).unwrap();
                let job = Job::Resize(1, 2);
                address.try_send(&job).unwrap();
                address.send(Job::Count).await.unwrap();
                address.send(&job).await.unwrap();
                for job in [Job::Count, Job::Resize(1, 2), Job::Count, job] {
                    let message = next_job(&mut worker).await;
                    assert_eq!((message.from.as_ref(), message.body), (from, job));
                }
                let call = address.call::<u64>(&Job::Count);
                let serve = async {
                    let request = next_job(&mut worker).await;
                    assert_eq!(request.from.as_ref(), from);
                    assert_eq!(worker.reply(&request, Postcard(7_u64)), Ok(true));
                };
                assert_eq!(futures::join!(call, serve).0, Ok(7));
            }
        }
        // An address is a target itself.
        let address: Addr<Job> = me.addr(&targets[1]).unwrap();
        me.try_send(&address, Postcard(Job::Count)).unwrap();
        assert_eq!(next_job(&mut worker).await.body, Job::Count);
        let monitors =
            (me.monitor(&address).unwrap(), a.monitor(&address).unwrap(), address.monitor().unwrap());
        eventually("the monitors have arrived", || b.stats().incoming_monitors == 3).await;
        drop(worker);
        let mut me = me;
        let down = next_down(&mut me).await;
        assert_eq!((down.monitor, &down.target), (monitors.0, &targets[1]));
        for monitor in [monitors.1, monitors.2] {
            assert_eq!(monitor.target(), &targets[1]);
            assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
        }
        assert_eq!(me.try_recv(), Err(TryRecvError::Empty), "a monitor of an address is of no process");
    });
}

#[test]
fn a_call_by_an_address_without_a_reply_says_why() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (me, mut worker) = (a.process().unwrap(), a.process().unwrap());
        let target = Target::from(worker.pid());
        let address: Addr<Job> = me.addr(&target).unwrap();

        // A reply of another type comes back as it was sent.
        let serve = async {
            let request = next_job(&mut worker).await;
            assert_eq!(worker.reply(&request, "not seven"), Ok(true));
        };
        let (reply, ()) = futures::join!(address.call::<Job>(Job::Count), serve);
        let Err(CallError::Reply { target: of, source }) = reply else { panic!("{reply:?}") };
        assert_eq!(of, target);
        let message = source.into_message();
        assert_eq!((message.from.as_ref(), &*message.body), (Some(worker.pid()), &b"not seven"[..]));

        let call = address.call::<u64>(Job::Count).timeout(Duration::ZERO);
        assert_eq!(call.await, Err(CallError::Timeout { target: target.clone(), after: Duration::ZERO }));
        assert_eq!(next_job(&mut worker).await.body, Job::Count);

        let mut dropped = address.call::<u64>(Job::Count);
        assert!((&mut dropped).now_or_never().is_none());
        drop(dropped);
        assert_eq!((a.stats().aliases, a.stats().monitors), (0, 0));

        drop(worker);
        let called = address.call::<u64>(Job::Count).await;
        let Err(CallError::Down(down)) = called else { panic!("{called:?}") };
        assert_eq!((down.target, down.reason), (target, DownReason::NoProc));
    });
}

#[test]
fn an_address_sends_on_its_channel() {
    run(async {
        let network = Network::new();
        let bulk = ["bulk".parse().unwrap()];
        let start = |join: Join| {
            let config = Config::new(join.name.clone());
            Node::with_service(config, network.join_with(join)).unwrap()
        };
        let a = start(Join::new("a@local".parse().unwrap()).channels(bulk.clone()));
        let lacks = start(Join::new("b@local".parse().unwrap()));
        let has = start(Join::new("c@local".parse().unwrap()).channels(bulk));
        let channel = a.channel("bulk").unwrap();
        assert_ne!(channel, ChannelId::DEFAULT);
        let me = a.process().unwrap();
        for (node, has_it) in [(&lacks, false), (&has, true)] {
            let mut worker = node.process().unwrap();
            let plain: Addr<Job> = me.addr(worker.pid()).unwrap();
            plain.send(Job::Count).await.unwrap();
            next_job(&mut worker).await;
            let address = plain.clone().channel(channel);
            let expected = |body| if has_it { Ok(()) } else { Err((SendErrorKind::NoChannel, body)) };
            let failed = |error: TrySendError| match error {
                TrySendError::Failed(error) => (error.kind().clone(), error.into_inner()),
                full => panic!("{full:?}"),
            };
            let jobs = [Job::Resize(1, 1), Job::Resize(2, 2)];
            assert_eq!(address.try_send(&jobs[0]).map_err(failed), expected(encoded(&jobs[0])));
            let sent = address.send(&jobs[1]).await.map_err(TrySendError::from);
            assert_eq!(sent.map_err(failed), expected(encoded(&jobs[1])));
            if has_it {
                assert_eq!([next_job(&mut worker).await.body, next_job(&mut worker).await.body], jobs);
            }
            address.or_default_channel().send(Job::Count).await.unwrap();
            assert_eq!(next_job(&mut worker).await.body, Job::Count);
        }
    });
}

#[test]
fn an_address_does_not_keep_its_process_alive() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (me, mut worker) = (a.process().unwrap(), a.process().unwrap());
        let monitor = a.monitor(me.pid()).unwrap();
        let address: Addr<Job> = me.addr(worker.pid()).unwrap();
        drop(me);
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
        let error = address.send(Job::Count).await.unwrap_err();
        assert_eq!(*error.kind(), SendErrorKind::NotAlive(NotAlive));
        assert_eq!(error.into_inner(), encoded(&Job::Count));
        assert_eq!(worker.try_recv(), Err(TryRecvError::Empty));
        // A monitor belongs to the node.
        let monitor = address.monitor().unwrap();
        drop(worker);
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
    });
}

#[test]
fn a_text_that_is_no_target_gives_no_address() {
    run(async {
        let a = Cluster::new().node("a").await;
        let me = a.process().unwrap();
        for error in
            [me.addr::<Job>("worker@b@local:x").unwrap_err(), a.addr::<Job>("worker@b@local:x").unwrap_err()]
        {
            let text = error.to_string();
            assert!(text.ends_with("(at byte 15 of \"worker@b@local:x\")"), "{text}");
        }
    });
}

#[test]
fn a_message_of_another_type_is_malformed_and_other_events_stay_the_same() {
    run(async {
        let a = Cluster::new().node("a").await;
        let (sender, mut worker) = (a.process().unwrap(), a.process().unwrap());
        let monitor = worker.monitor(sender.pid()).unwrap();
        let mut whole = encoded(&Job::Count).to_vec();
        sender.try_send(worker.pid(), whole.clone()).unwrap();
        whole.push(0);
        // Too long, no such variant, empty.
        let wrong = [whole, vec![2], vec![]];
        for body in &wrong {
            sender.try_send(worker.pid(), Envelope::new(body.clone())).unwrap();
        }
        let sender_pid = sender.pid().clone();
        drop(sender);

        assert_eq!(next_job(&mut worker).await.body, Job::Count);
        for body in &wrong {
            let event = worker.recv().await.unwrap();
            let Event::Malformed(error) = event.clone().decode::<Job>() else { panic!("{event:?}") };
            assert_eq!(Event::Message(error.message().clone()), event);
            assert_eq!(
                (error.message().from.as_ref(), &*error.message().body),
                (Some(&sender_pid), &body[..])
            );
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("a message of {} bytes cannot be read as ", body.len())),
                "{text}"
            );
            // It stays malformed, and can be passed on.
            let again = Event::<Bytes>::Malformed(error.clone()).decode::<String>();
            assert_eq!(again, Event::Malformed(error.clone()));
            a.try_send(worker.pid(), error.into_message().body).unwrap();
        }
        let event = worker.recv().await.unwrap();
        let Event::Down(down) = event.decode::<Job>() else { panic!("the down of the sender") };
        assert_eq!(down.monitor, monitor);
    });
}
