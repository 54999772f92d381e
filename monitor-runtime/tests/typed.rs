//! Messages that are values.

mod common;

use std::time::Duration;

use common::{Cluster, eventually, run};
use monitor_runtime::{Node, SendError, TryRecvError, prelude::*};
use serde::{Deserialize, Serialize, Serializer};

const LONG: Duration = Duration::from_secs(100);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Job {
    Resize { width: u32, height: u32 },
    Rename(String),
    Stop,
}

fn jobs() -> [Job; 3] {
    [Job::Resize { width: 640, height: 480 }, Job::Rename("α".to_owned()), Job::Stop]
}

async fn two() -> (Cluster, Node, Node) {
    let cluster = Cluster::new();
    let (a, b) = (cluster.node("a").await, cluster.node("b").await);
    (cluster, a, b)
}

#[test]
fn a_value_arrives_as_it_was_sent() {
    run(async {
        let (_cluster, a, b) = two().await;
        let sender = a.process().unwrap();
        for node in [&a, &b] {
            let mut receiver = node.process().unwrap();
            let pid = receiver.pid().clone();
            for job in jobs() {
                sender.try_send(&pid, Postcard(&job)).unwrap();
                sender.send(&pid, Postcard(&job)).await.unwrap();
                a.try_send(&pid, Postcard(&job)).unwrap();
                for from in [Some(sender.pid()), Some(sender.pid()), None] {
                    let Some(Ok(Event::Message(message))) = receiver.recv_as::<Job>().await else { panic!() };
                    assert_eq!((message.from.as_ref(), &message.body), (from, &job));
                }
            }
            assert_eq!(receiver.try_recv_as::<Job>(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn what_is_of_another_type_is_not_lost() {
    run(async {
        let (_cluster, a, b) = two().await;
        let (sender, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        let monitor = receiver.monitor(sender.pid()).unwrap();
        eventually("the monitor has arrived", || a.stats().incoming_monitors == 1).await;
        let pid = receiver.pid().clone();
        let no_job: [&[u8]; 4] = [&[], &[9], &[1, 200], &[2, 2]];
        for body in no_job {
            sender.try_send(&pid, body).unwrap();
        }
        sender.try_send(&pid, Postcard(&Job::Stop)).unwrap();
        let me = sender.pid().clone();
        drop(sender);

        for body in no_job {
            let Some(Err(error)) = receiver.recv_as::<Job>().await else { panic!("{body:?} is a job") };
            assert_eq!((error.message().from.as_ref(), &*error.message().body), (Some(&me), body));
            let said = error.to_string();
            assert!(
                said.starts_with(&format!(
                    "a message of {} bytes cannot be read as typed::Job; ",
                    body.len()
                )),
                "{said}"
            );
            // It can be decoded as another type.
            let raw = error.into_message();
            assert_eq!(raw.body, body);
            assert_eq!(raw.decode::<()>().is_ok(), body.is_empty());
        }
        // The valid message behind them, and the notice behind that, arrive as usual.
        let Some(Ok(Event::Message(message))) = receiver.recv_as::<Job>().await else { panic!() };
        assert_eq!(message.body, Job::Stop);
        let Some(Ok(Event::Down(down))) = receiver.recv_as::<Job>().await else { panic!() };
        assert_eq!((down.monitor, down.reason), (monitor, DownReason::Exit(ExitReason::Normal)));
    });
}

#[test]
fn a_call_with_values_gives_a_value_or_the_reply_as_it_came() {
    run(async {
        let (_cluster, a, b) = two().await;
        let caller = a.process().unwrap();
        let server = b.spawn(|mut mailbox| async move {
            while let Some(Ok(Event::Message(request))) = mailbox.recv_as::<Job>().await {
                match &request.body {
                    Job::Resize { width, height } => mailbox.reply(&request, Postcard(&(width * height)))?,
                    Job::Rename(name) => mailbox.reply(&request, Postcard(name))?,
                    Job::Stop => break,
                };
            }
            Ok(())
        });
        let server = server.unwrap();
        let [resize, rename, stop] = jobs();
        assert_eq!(caller.call_as(&server, &resize, LONG).await, Ok(640 * 480_u32));
        assert_eq!(a.call_as(&server, &rename, LONG).await, Ok("α".to_owned()));
        let wrong = caller.call_as::<bool>(&server, &rename, LONG).await;
        let Err(CallError::Reply(error)) = wrong else { panic!("{wrong:?}") };
        assert_eq!(error.into_message().decode::<String>().unwrap().body, "α");
        let none = caller.call_as::<()>(&server, &stop, LONG).await;
        let Err(CallError::Down(down)) = none else { panic!("{none:?}") };
        assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));
        assert_eq!((down.target, down.incarnation), (Target::from(&server), Some(b.id().incarnation)));
    });
}

/// A value that cannot be encoded.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this one"))
    }
}

#[test]
fn what_cannot_be_written_is_not_sent() {
    run(async {
        let (_cluster, a, b) = two().await;
        let sender = a.process().unwrap();
        let mut receiver = b.process().unwrap();
        let pid = receiver.pid().clone();
        assert_eq!(sender.try_send(&pid, Postcard(&Unwritable)), Err(SendError::NotEncoded));
        assert_eq!(sender.send(&pid, Postcard(&Unwritable)).await, Err(SendError::NotEncoded));
        let called = sender.call_as::<()>(&pid, &Unwritable, LONG).await;
        assert_eq!(called, Err(CallError::NotSent(SendError::NotEncoded)));
        sender.try_send(&pid, "the end").unwrap();
        let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
        assert_eq!(message.body, b"the end");
    });
}

#[test]
fn why_a_call_has_no_reply_can_be_read() {
    run(async {
        let (_cluster, a, _) = two().await;
        let nobody = a.process().unwrap().pid().clone();
        let error = a.call(nobody, "hello").timeout(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "no reply: no such process");
    });
    assert_eq!(CallError::Timeout(Duration::from_millis(1500)).to_string(), "no reply within 1.5s");
    let monitor = "partisan:ref:b@local:8c21:0.1".parse().unwrap();
    let target = "worker@a@local".parse().unwrap();
    let mut down = Down::new(monitor, target, DownReason::Exit(ExitReason::panicked("oh")));
    down.reason_was_cut = true;
    assert_eq!(CallError::Down(Box::new(down)).to_string(), "no reply: exit: panicked: oh (reason cut)");
}
