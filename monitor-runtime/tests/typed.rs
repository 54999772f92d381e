//! Messages that are values.

mod common;

use std::time::Duration;

use common::{Cluster, eventually, run};
use monitor_runtime::{SendErrorKind, TryRecvError, TrySendError, prelude::*};
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

/// The next event, whose message is a job.
async fn next(process: &mut Process) -> Event<Job> {
    process.recv().await.expect("the process lives").decode()
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
                    let Event::Message(message) = next(&mut receiver).await else { panic!() };
                    assert_eq!((message.from.as_ref(), &message.body), (from, &job));
                }
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
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
            let Event::Malformed(error) = next(&mut receiver).await else { panic!("{body:?} is a job") };
            assert_eq!((error.message().from.as_ref(), &*error.message().body), (Some(&me), body));
            let said = error.to_string();
            assert!(
                said.starts_with(&format!(
                    "a message of {} bytes cannot be read as typed::Job; ",
                    body.len()
                )),
                "{said}"
            );
            // A second decoding leaves it alone; it can be decoded as another type.
            let Event::Malformed(error) = Event::Malformed(error).decode::<()>() else { panic!() };
            let raw = error.into_message();
            assert_eq!(raw.body, body);
            assert_eq!(raw.decode::<()>().is_ok(), body.is_empty());
        }
        // The valid message behind them, and the notice behind that, arrive as usual.
        let Event::Message(message) = next(&mut receiver).await else { panic!() };
        assert_eq!(message.body, Job::Stop);
        let Event::Down(down) = next(&mut receiver).await else { panic!() };
        assert_eq!((down.monitor, down.reason), (monitor, DownReason::Exit(ExitReason::Normal)));
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
        let address: Addr<Unwritable> = sender.addr(&pid).unwrap();
        for sent in [sender.try_send(&pid, Postcard(&Unwritable)), address.try_send(Unwritable)] {
            let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
            assert_eq!((error.kind(), error.clone().into_inner().len()), (&SendErrorKind::NotEncoded, 0));
        }
        for sent in [sender.send(&pid, Postcard(Unwritable)).await, address.send(&Unwritable).await] {
            assert_eq!(sent.map_err(|error| error.kind().clone()), Err(SendErrorKind::NotEncoded));
        }
        let not_sent = CallError::NotSent { target: (&pid).into(), source: SendErrorKind::NotEncoded };
        assert_eq!(sender.call(&pid, Postcard(Unwritable)).await, Err(not_sent.clone()));
        assert_eq!(address.call::<()>(Unwritable).await, Err(not_sent));
        assert_eq!(a.stats().monitors, 0, "the target was not monitored");
        sender.try_send(&pid, "the end").unwrap();
        let Some(Event::Message(message)) = receiver.recv().await else { panic!() };
        assert_eq!(message.body, "the end");
    });
}

#[test]
fn why_a_call_has_no_reply_can_be_read() {
    run(async {
        let (_cluster, a, _) = two().await;
        let nobody = a.process().unwrap().pid().clone();
        let error = a.call(&nobody, "hello").timeout(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), format!("call to {nobody}: no reply: no such process"));
    });
    let target: Target = "worker@a@local".parse().unwrap();
    let timeout = CallError::Timeout { target: target.clone(), after: Duration::from_millis(1500) };
    assert_eq!(timeout.to_string(), "call to worker@a@local: no reply within 1.5s");
    let monitor = "partisan:ref:b@local:0000000000008c21:0.1".parse().unwrap();
    let mut down = Down::new(monitor, target, DownReason::Exit(ExitReason::panicked("oh")));
    down.reason_was_cut = true;
    let text = "call to worker@a@local: no reply: exit: panicked: oh (reason cut)";
    assert_eq!(CallError::Down(Box::new(down)).to_string(), text);
}
