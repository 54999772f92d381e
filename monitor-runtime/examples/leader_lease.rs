//! One leader at a time: a lease that expires by the clock, a monitor that makes the take-over
//! faster, and a token by which the storage refuses late writes.
//!
//! The leader renews its lease, and stops by its own clock if it cannot. A follower monitors the
//! leader. After `Exit` or `NoProc` it takes over at once, because the leader has ended. After
//! `NoConnection` it waits until the lease has expired, because the leader may still run behind the
//! broken connection. A write that the leader had sent before it stopped may still arrive after
//! that, so each write carries a token, and the storage accepts only the token of the current
//! holder. The token is the whole [`Pid`], and no pid is granted the lease twice: a process that
//! loses the lease exits, and a new process applies.
//!
//! The storage here is a process with one row. In production it is a database, and each request is
//! one statement (Postgres):
//!
//! ```text
//! apply   UPDATE job SET holder = :me, until = now() + interval '10 s'
//!          WHERE id = 1 AND (holder IS NOT DISTINCT FROM :ended OR until <= now())
//! renew   UPDATE job SET until = now() + interval '10 s' WHERE id = 1 AND holder = :me
//! write   UPDATE job SET value = :value WHERE id = 1 AND holder = :me
//! ```
//!
//! A statement that has changed no row was refused. **Token and data must be in one row.** If the
//! data is elsewhere, a statement that only reads the lease reads a snapshot, and misses a
//! take-over that commits meanwhile. In that case lock the row of the lease first, in the
//! transaction that writes (`SELECT … FOR UPDATE`), or make that transaction `SERIALIZABLE`.
//!
//! The cluster is in memory, on a clock that the example advances, so it takes no time and has the
//! same result each time.
//!
//! ```text
//! cargo run -p monitor-runtime --features test-util --example leader_lease
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    future::{pending, poll_fn},
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use monitor_runtime::{
    prelude::*,
    test_util::{Cluster, Network},
};
use serde::{Deserialize, Serialize};
use smol::future::or;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Duration of a lease.
const TERM: Duration = Duration::from_secs(10);
/// Time before the end of the lease at which its holder stops, because two clocks drift apart.
const MARGIN: Duration = Duration::from_secs(1);

// The storage.

/// The holder of the lease, its end, and the value that it protects.
#[derive(Default)]
struct LeaseRow {
    holder: Option<Pid>,
    until: Duration,
    value: String,
}

#[derive(Serialize, Deserialize)]
enum Request {
    /// Requests the lease; `ended` is the holder that has ended.
    Apply {
        ended: Option<Pid>,
    },
    Renew,
    Write(String),
}

/// Whether the request was carried out, the current holder of the lease, and the end of the lease.
type RowState = (bool, Option<Pid>, Duration);

impl LeaseRow {
    /// Carries out one of the three statements above; returns whether it changed the row.
    fn update(&mut self, me: &Pid, request: Request, now: Duration) -> bool {
        let mine = self.holder.as_ref() == Some(me);
        match request {
            Request::Apply { ended } if self.holder == ended || self.until <= now => {
                (self.holder, self.until) = (Some(me.clone()), now + TERM);
            }
            Request::Renew if mine => self.until = now + TERM,
            Request::Write(value) if mine => self.value = value,
            _ => return false,
        }
        true
    }
}

async fn storage(mut mailbox: Process, log: EventLog) -> Result<(), ExitReason> {
    mailbox.register("row")?;
    let mut row = LeaseRow::default();
    while let Some(event) = mailbox.recv().await {
        let Event::Message(request) = event.decode::<Request>() else { continue };
        let Message { from: Some(from), body, reply_to: Some(reply_to), .. } = request else { continue };
        let story = if let Request::Write(value) = &body { Some(format!("writes '{value}'")) } else { None };
        let done = row.update(&from, body, log.clock.now());
        if let Some(story) = story {
            log.write(&from, &format!("{story}: {}", if done { "done" } else { "refused" }));
        }
        let answer: RowState = (done, row.holder.clone(), row.until);
        mailbox.try_send(&reply_to, Postcard(&answer))?;
    }
    Ok(())
}

// The candidates.

/// Follows, then leads, then ends: it never applies again.
async fn candidate(mailbox: Process, log: EventLog) -> Result<(), ExitReason> {
    let granted = follow(&mailbox, &log).await?;
    log.write(mailbox.pid(), "leads");
    lead(mailbox, &log.clock, granted).await
}

/// Returns once the lease is granted, with the start of its term: the time of the request.
async fn follow(mailbox: &Process, log: &EventLog) -> Result<Duration, ExitReason> {
    let mut ended = None;
    loop {
        let asked = log.clock.now();
        let (done, holder, until) = ask(mailbox, Request::Apply { ended }).await?;
        let Some(holder) = holder.filter(|_| !done) else { return Ok(asked) };
        let monitor = mailbox.node().monitor(&holder)?;
        let told = async {
            let down = monitor.await;
            log.write(mailbox.pid(), &format!("is told: {}", down.reason));
            // If the leader may be alive, only the end of its lease counts.
            if down.reason.is_terminal() { Some(holder) } else { pending().await }
        };
        let over = async {
            log.clock.sleep_until(until).await;
            None
        };
        ended = or(told, over).await;
    }
}

/// Writes the values that it receives, until its lease ends by its own clock.
async fn lead(mut mailbox: Process, clock: &Clock, mut granted: Duration) -> Result<(), ExitReason> {
    loop {
        let renewal = async {
            clock.sleep_until(granted + TERM / 2).await;
            Some(Request::Renew)
        };
        let Some(request) = or(renewal, next_value(&mut mailbox)).await else { return Ok(()) };
        let (renews, asked) = (matches!(request, Request::Renew), clock.now());
        let too_late = async {
            clock.sleep_until(granted + TERM - MARGIN).await;
            Err(ExitReason::other("its lease has run out"))
        };
        let (done, ..) = or(too_late, ask(&mailbox, request)).await?;
        if !done {
            return Err(ExitReason::other("another one leads"));
        }
        if renews {
            granted = asked;
        }
    }
}

async fn next_value(mailbox: &mut Process) -> Option<Request> {
    loop {
        if let Event::Message(message) = mailbox.recv().await? {
            return Some(Request::Write(String::from_utf8_lossy(&message.body).into_owned()));
        }
    }
}

async fn ask(mailbox: &Process, request: Request) -> Result<RowState, ExitReason> {
    let row = mailbox.addr("row@storage@test")?;
    Ok(row.call(request).await?)
}

// The run.

fn main() -> Outcome {
    let fixture = Fixture::new();
    let (cluster, network) = (&fixture.cluster, fixture.cluster.network());
    let storage_node = cluster.start("storage@test")?;
    let (one, two) = (cluster.start("one@test")?, cluster.start("two@test")?);
    fixture.start(&storage_node, storage)?;
    let first = fixture.start(&one, candidate)?;
    fixture.expect(&["0 s: one leads"]);
    let second = fixture.start(&two, candidate)?;

    println!("The leader renews its lease: three terms later it still leads.");
    fixture.pass(30);
    one.try_send(&first, "a")?;
    fixture.expect(&["30 s: one writes 'a': done"]);

    println!("The follower loses its connection. The leader still runs, and its lease does not expire.");
    network.cut(one.name(), two.name());
    fixture.pass(10);
    fixture.expect(&["35 s: two is told: no connection: the peer fell silent (silent for 5s)"]);
    network.heal(one.name(), two.name());
    fixture.pass(10);
    one.try_send(&first, "b")?;
    fixture.expect(&["50 s: one writes 'b': done"]);

    println!(
        "Now it cannot renew: its messages take a minute. It stops by its own clock, and the lease ends."
    );
    network.cut(one.name(), two.name());
    network.delay(one.name(), storage_node.name(), Duration::from_secs(60));
    one.try_send(&first, "c")?;
    let mut end_of_first = one.monitor(&first)?;
    fixture.pass(9);
    let down = cluster.now_or_never(&mut end_of_first).ok_or("it goes on without a lease")?;
    assert_eq!(down.reason.to_string(), "exit: its lease has run out");
    fixture.expect(&["55 s: two is told: no connection: the peer fell silent (silent for 5s)"]);
    fixture.pass(1);
    fixture.expect(&["60 s: two leads"]);
    two.try_send(&second, "d")?;
    fixture.expect(&["60 s: two writes 'd': done"]);

    println!("A write that it sent as the leader arrives late. Its token is not the holder's any more.");
    fixture.pass(120);
    fixture.expect(&["110 s: one writes 'c': refused"]);

    println!("A leader dies, and its node reports it: the follower does not wait for the lease.");
    network.heal(one.name(), two.name());
    network.delay(one.name(), storage_node.name(), Duration::ZERO);
    let third = fixture.start(&one, candidate)?;
    // The incarnation would be no token: both processes belong to one incarnation of their node.
    assert!(third != first && third.incarnation() == first.incarnation());
    fixture.expect(&[]);
    two.kill(&second)?;
    fixture.expect(&["180 s: one is told: exit: killed", "180 s: one leads"]);

    println!("A leader dies with its node, so no node reports it. Once restarted, the node does.");
    fixture.start(&two, candidate)?;
    fixture.expect(&[]);
    network.crash(one.name());
    fixture.expect(&["180 s: two is told: no connection: the connection was closed"]);
    let one = cluster.start("one@test")?;
    let last = fixture.start(&one, candidate)?;
    assert_ne!(last.incarnation(), third.incarnation());
    fixture.expect(&["180 s: one is told: no such process", "180 s: one leads"]);
    fixture.pass(30);
    one.try_send(&last, "e")?;
    fixture.expect(&["210 s: one writes 'e': done"]);
    Ok(())
}

/// The cluster and the log of its events.
struct Fixture {
    cluster: Cluster,
    log: EventLog,
}

impl Fixture {
    fn new() -> Self {
        let cluster = Cluster::new();
        let clock = Clock { network: cluster.network().clone(), sleepers: Arc::default() };
        Fixture { cluster, log: EventLog { clock, lines: Arc::default() } }
    }

    fn start<F, Fut>(&self, node: &Node, process: F) -> Outcome<Pid>
    where
        F: FnOnce(Process, EventLog) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let log = self.log.clone();
        Ok(node.spawn(|mailbox| process(mailbox, log))?)
    }

    /// Advances the clock by that many seconds, one by one.
    fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            self.cluster.advance(Duration::from_secs(1));
            self.log.clock.wake();
            self.cluster.settle();
        }
    }

    /// Checks the events since the last call.
    fn expect(&self, lines: &[&str]) {
        self.cluster.settle();
        let events = mem::take(&mut *self.log.lines.lock().unwrap_or_else(PoisonError::into_inner));
        events.iter().for_each(|line| println!("    {line}"));
        assert_eq!(events, lines);
    }
}

#[derive(Clone)]
struct EventLog {
    clock: Clock,
    lines: Arc<Mutex<Vec<String>>>,
}

impl EventLog {
    fn write(&self, who: &Pid, what: &str) {
        let line = format!("{} s: {} {what}", self.clock.now().as_secs(), who.node().name.label());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The clock of the network, and the tasks that wait for a time. In production use `Instant::now`
/// and a timer of your runtime.
#[derive(Clone)]
struct Clock {
    network: Network,
    sleepers: Arc<Mutex<Vec<Waker>>>,
}

impl Clock {
    fn now(&self) -> Duration {
        self.network.now()
    }

    async fn sleep_until(&self, time: Duration) {
        poll_fn(|cx| {
            if self.now() >= time {
                return Poll::Ready(());
            }
            self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Wakes all waiting tasks, which check the time.
    fn wake(&self) {
        let sleepers = mem::take(&mut *self.sleepers.lock().unwrap_or_else(PoisonError::into_inner));
        sleepers.into_iter().for_each(Waker::wake);
    }
}
