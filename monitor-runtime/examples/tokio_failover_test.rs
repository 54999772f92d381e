//! How to test the failover of an application on tokio: its timers, the faults it must survive, and
//! no real time.
//!
//! A primary works while it holds a lease, which it renews at a standby. The standby takes over at
//! once if the primary has ended, and after the lease if it only lost the connection. Both use the
//! timers of tokio, and have no code for tests. The tests run them on a [`Cluster`] in memory,
//! whose clock and tokio's paused clock they advance together.
//!
//! In a test program each of these tests is a function with
//! `#[tokio::test(start_paused = true)]`.
//!
//! ```text
//! cargo run -p monitor-runtime --features tokio,test-util --example tokio_failover_test
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_runtime::{
    prelude::*,
    test_util::{Cluster, Join},
};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

// The application.

/// Duration of a lease.
const TERM: Duration = Duration::from_secs(10);
/// Time before the end of the lease at which the primary stops, because two clocks drift apart.
const MARGIN: Duration = Duration::from_secs(1);
/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(2);

/// Works as long as the standby renews its lease.
async fn primary(mailbox: Process, log: EventLog) -> Result<(), ExitReason> {
    mailbox.register("primary")?;
    let mut until = Instant::now() + TERM - MARGIN;
    log.write("the primary works");
    loop {
        sleep(RENEWAL).await;
        let asked = Instant::now();
        match timeout_at(until, mailbox.call("standby@two@test", "renew")).await {
            // The term counts from the request, so it ends here before it ends at the standby.
            Ok(Ok(_)) => until = asked + TERM - MARGIN,
            // The standby is out of reach at the moment.
            Ok(Err(_)) if Instant::now() < until => {}
            _ => break,
        }
    }
    log.write("the primary stops");
    Err(ExitReason::other("its lease has run out"))
}

/// Grants the lease to the primary until it must take over.
async fn standby(mut mailbox: Process, log: EventLog) -> Result<(), ExitReason> {
    mailbox.register("standby")?;
    let mut lease = Instant::now() + TERM;
    mailbox.monitor("primary@one@test")?;
    loop {
        match mailbox.recv().await {
            Some(Event::Message(request)) => {
                lease = Instant::now() + TERM;
                mailbox.reply(&request, "renewed")?;
            }
            Some(Event::Down(down)) => {
                log.write(&format!("the standby receives: {}", down.reason));
                // If the primary may still run, only the end of its lease counts.
                if !down.reason.is_terminal() {
                    sleep_until(lease).await;
                }
                break;
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
    log.write("the standby takes over");
    Ok(())
}

// Its tests.

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Outcome {
    for run in ["first", "second"] {
        println!("{run} run: a primary that crashes is replaced at once");
        a_primary_crashes().await?;
        println!("{run} run: a primary that is cut off stops before it is replaced");
        a_primary_is_cut_off().await?;
    }
    Ok(())
}

async fn a_primary_crashes() -> Outcome {
    let fixture = Fixture::new().await?;
    fixture.cluster.advance_tokio(Duration::from_secs(60)).await;
    fixture.log.expect(&["0 ms: the primary works"]);

    let primary = fixture.one.whereis("primary").ok_or("it works")?;
    fixture.one.kill(&primary)?;
    fixture.cluster.settle_tokio().await;
    fixture.log.expect(&["60000 ms: the standby receives: exit: killed", "60000 ms: the standby takes over"]);
    Ok(())
}

async fn a_primary_is_cut_off() -> Outcome {
    let fixture = Fixture::new().await?;
    fixture.cluster.advance_tokio(Duration::from_secs(3)).await;
    fixture.log.expect(&["0 ms: the primary works"]);

    // The last renewal was at 2 s, so the lease ends at 12 s. The next one fails at 8 s, after five
    // seconds of silence.
    fixture.cluster.network().cut(fixture.one.name(), fixture.two.name());
    fixture.cluster.advance_tokio(Duration::from_millis(8_999)).await;
    fixture.log.expect(&[
        "8000 ms: the standby receives: no connection: the peer fell silent (silent for 5s)",
        "11000 ms: the primary stops",
    ]);
    fixture.cluster.advance_tokio(Duration::from_millis(1)).await;
    fixture.log.expect(&["12000 ms: the standby takes over"]);
    Ok(())
}

/// A primary and a standby, each on a node of its own.
struct Fixture {
    cluster: Cluster,
    one: Node,
    two: Node,
    log: EventLog,
}

impl Fixture {
    async fn new() -> Outcome<Self> {
        let cluster = Cluster::new();
        let start = |name: &str| -> Outcome<Node> {
            let name: NodeName = name.parse()?;
            Ok(cluster.start_with(Config::new(name.clone()).tokio(), Join::new(name))?)
        };
        let (one, two) = (start("one@test")?, start("two@test")?);
        let log = EventLog { start: Instant::now(), lines: Arc::default() };
        let (of_primary, of_standby) = (log.clone(), log.clone());
        one.spawn(|mailbox| primary(mailbox, of_primary))?;
        // A task of tokio is a process, too.
        let process = two.process()?;
        tokio::spawn(process.run(|mailbox| standby(mailbox, of_standby)));
        cluster.settle_tokio().await;
        Ok(Fixture { cluster, one, two, log })
    }
}

/// The log of events, with the time of tokio.
#[derive(Clone)]
struct EventLog {
    start: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl EventLog {
    fn write(&self, line: &str) {
        let line = format!("{} ms: {line}", self.start.elapsed().as_millis());
        println!("    {line}");
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Checks the events since the last call.
    fn expect(&self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)), lines);
    }
}
