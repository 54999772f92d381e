//! How to test a failover: a small application, the faults it must survive, and no real time.
//!
//! A leader gives work to the first of its workers, and to the next one when it loses that. The
//! application has no code for tests: the same code runs over TCP. The tests run it on a
//! [`Cluster`] in memory, on a clock that they advance.
//!
//! ```text
//! cargo run -p monitor-runtime --features test-util --example failover_test
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_runtime::{prelude::*, test_util::Cluster};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

// The application.

/// Gives `job` to one worker after the other, until one of them has completed it.
async fn lead(mut mailbox: Process, workers: Vec<Name>, job: &'static str) -> Result<(), ExitReason> {
    for worker in &workers {
        // The monitor comes before the message, so that the leader is notified of every end of the
        // worker.
        let monitor = mailbox.monitor(worker)?;
        mailbox.try_send(worker, job)?;
        loop {
            match mailbox.recv().await {
                Some(Event::Message(_)) => return Ok(()),
                Some(Event::Down(down)) if down.monitor == monitor => break,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
    Err(ExitReason::other("no worker is left"))
}

/// Begins every job that it receives, and completes it on the message `done`.
async fn work(mut mailbox: Process, log: EventLog) -> Result<(), ExitReason> {
    mailbox.register("worker")?;
    let (me, mut customer) = (mailbox.pid().node().name.label().to_owned(), None);
    while let Some(event) = mailbox.recv().await {
        let Event::Message(message) = event else { continue };
        match (&*message.body, &customer) {
            (b"done", Some(customer)) => mailbox.try_send(customer, "done")?,
            (job, _) => {
                log.write(format!("{me} begins to {}", String::from_utf8_lossy(job)));
                customer = message.from;
            }
        }
    }
    Ok(())
}

// Its tests.

type Test = fn(&Fixture) -> Outcome;

fn main() -> Outcome {
    let tests: [(&str, Test); 3] = [
        ("a worker that crashes is replaced at once", a_worker_crashes),
        ("a worker that is cut off is replaced after five seconds", a_worker_is_cut_off),
        ("without workers the leader gives up", nobody_is_left),
    ];
    for (name, test) in tests {
        println!("{name}");
        let first = Fixture::run(test)?;
        assert_eq!(first, Fixture::run(test)?, "both runs are the same, to the millisecond");
        first.iter().for_each(|line| println!("    {line}"));
    }
    Ok(())
}

fn a_worker_crashes(fixture: &Fixture) -> Outcome {
    fixture.node("one").kill(&fixture.worker("one"))?;
    fixture.cluster.settle();
    fixture.log.expect(&["0 ms: one begins to dig", "0 ms: two begins to dig"]);

    fixture.node("leader").try_send(fixture.worker("two"), "done")?;
    fixture.cluster.settle();
    fixture.log.expect_last("0 ms: the leader has ended: exit: normal");
    Ok(())
}

fn a_worker_is_cut_off(fixture: &Fixture) -> Outcome {
    fixture.cluster.network().cut(fixture.node("leader").name(), fixture.node("one").name());
    fixture.cluster.advance(Duration::from_millis(4_999));
    fixture.log.expect(&["0 ms: one begins to dig"]);
    fixture.cluster.advance(Duration::from_millis(1));
    fixture.log.expect(&["0 ms: one begins to dig", "5000 ms: two begins to dig"]);

    // The first worker is still alive and at work behind the broken connection. Its result must not
    // count any more; its pid is a token by which others can refuse it, as `leader_lease` shows.
    fixture.cluster.network().heal(fixture.node("leader").name(), fixture.node("one").name());
    fixture.cluster.advance(Duration::from_secs(60));
    assert!(fixture.node("one").whereis("worker").is_some());
    fixture.log.expect(&["0 ms: one begins to dig", "5000 ms: two begins to dig"]);
    Ok(())
}

fn nobody_is_left(fixture: &Fixture) -> Outcome {
    fixture.cluster.network().freeze(fixture.node("one").name());
    fixture.node("two").kill(&fixture.worker("two"))?;
    fixture.cluster.advance(Duration::from_secs(5));
    fixture.log.expect_last("5000 ms: the leader has ended: exit: no worker is left");
    Ok(())
}

/// A leader and two workers, each on a node of its own, with the first job given.
struct Fixture {
    cluster: Cluster,
    nodes: Vec<Node>,
    log: EventLog,
}

impl Fixture {
    /// Runs a test and returns the log.
    fn run(test: Test) -> Outcome<Vec<String>> {
        let fixture = Fixture::new()?;
        test(&fixture)?;
        Ok(fixture.log.lines())
    }

    fn new() -> Outcome<Self> {
        let cluster = Cluster::new();
        let network = cluster.network().clone();
        let log = EventLog { now: Arc::new(move || network.now()), lines: Arc::default() };
        let nodes = ["leader@test", "one@test", "two@test"].map(|name| cluster.start(name));
        let nodes = nodes.into_iter().collect::<Outcome<Vec<_>>>()?;
        for node in &nodes[1..] {
            let log = log.clone();
            node.spawn(|mailbox| work(mailbox, log))?;
        }
        let workers = vec!["worker@one@test".parse()?, "worker@two@test".parse()?];
        let (_, end) = nodes[0].spawn_monitor(|mailbox| lead(mailbox, workers, "dig"))?;
        let last = log.clone();
        nodes[0].spawn(|_| async move {
            last.write(format!("the leader has ended: {}", end.await.reason));
            Ok(())
        })?;
        cluster.settle();
        Ok(Fixture { cluster, nodes, log })
    }

    fn node(&self, label: &str) -> &Node {
        self.nodes.iter().find(|node| node.name().label() == label).expect("a node of the fixture")
    }

    fn worker(&self, label: &str) -> Pid {
        self.node(label).whereis("worker").expect("it lives")
    }
}

/// The log of events, with the time of the network.
#[derive(Clone)]
struct EventLog {
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl EventLog {
    fn write(&self, line: String) {
        let line = format!("{} ms: {line}", (self.now)().as_millis());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn expect(&self, lines: &[&str]) {
        assert_eq!(self.lines(), lines);
    }

    fn expect_last(&self, line: &str) {
        assert_eq!(self.lines().last().map(String::as_str), Some(line));
    }
}
