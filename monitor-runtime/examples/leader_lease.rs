//! One leader at a time: a lease that runs out by the clock, a monitor that makes it faster, and a
//! token that stops whoever comes too late.
//!
//! The leader renews its lease, and stops by its own clock if it cannot. A follower monitors the
//! leader. Told `Exit` or `NoProc` it takes over at once, for the leader is gone. Told
//! `NoConnection` it waits until the lease has run out: the leader may be at work behind the lost
//! link. What the leader had sent before it stopped may still arrive after that, so each write
//! carries a token, and the storage refuses all but the present holder's. The token is the whole
//! [`Pid`], and no pid is granted the lease twice: whoever has lost it exits, and a new process
//! applies.
//!
//! The storage here is a process with one row. In earnest it is a database, and each request is one
//! statement (Postgres):
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
//! take-over that commits meanwhile: then lock the row of the lease first, in the transaction that
//! writes (`SELECT … FOR UPDATE`), or run that as `SERIALIZABLE`.
//!
//! The cluster is in memory, on a clock that the example turns: it takes no time, and ends the same
//! way each time.
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

/// For how long the storage grants the lease.
const TERM: Duration = Duration::from_secs(10);
/// How much earlier the holder stops: two clocks never run quite alike.
const MARGIN: Duration = Duration::from_secs(1);

// The storage.

/// Who holds the lease, until when, and what it protects.
#[derive(Default)]
struct Row {
    holder: Option<Pid>,
    until: Duration,
    value: String,
}

#[derive(Serialize, Deserialize)]
enum Request {
    /// Grant me the lease; the holder that I name has ended.
    Apply {
        ended: Option<Pid>,
    },
    Renew,
    Write(String),
}

/// Whether it was done, who holds the lease now, and until when.
type Answer = (bool, Option<Pid>, Duration);

impl Row {
    /// Each of these is one statement of the three above; returns whether it changed the row.
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

async fn storage(mut mailbox: Mailbox, diary: Diary) -> Result<(), ExitReason> {
    mailbox.register("row".parse()?)?;
    let mut row = Row::default();
    while let Some(event) = mailbox.recv_as::<Request>().await {
        let Event::Message(Message { from: Some(from), body, reply_to: Some(reply_to), .. }) = event? else {
            continue;
        };
        let story = if let Request::Write(value) = &body { Some(format!("writes '{value}'")) } else { None };
        let done = row.update(&from, body, diary.clock.now());
        if let Some(story) = story {
            diary.write(&from, &format!("{story}: {}", if done { "done" } else { "refused" }));
        }
        let answer: Answer = (done, row.holder.clone(), row.until);
        mailbox.send_as(&reply_to, &answer)?;
    }
    Ok(())
}

// The candidates.

/// Follows, then leads, then ends: it never applies again.
async fn candidate(mailbox: Mailbox, diary: Diary) -> Result<(), ExitReason> {
    let granted = follow(&mailbox, &diary).await?;
    diary.write(mailbox.pid(), "leads");
    lead(mailbox, &diary.clock, granted).await
}

/// Returns once the lease is granted, with the time from which its term counts: when it was asked
/// for.
async fn follow(mailbox: &Mailbox, diary: &Diary) -> Result<Duration, ExitReason> {
    let mut ended = None;
    loop {
        let asked = diary.clock.now();
        let (done, holder, until) = ask(mailbox, Request::Apply { ended }).await?;
        let Some(holder) = holder.filter(|_| !done) else { return Ok(asked) };
        let monitor = mailbox.node().monitor(&holder)?;
        let told = async {
            let down = monitor.await;
            diary.write(mailbox.pid(), &format!("is told: {}", down.reason));
            // Of a leader that may be alive nothing but the end of its lease counts.
            if down.reason.is_terminal() { Some(holder) } else { pending().await }
        };
        let over = async {
            diary.clock.sleep_until(until).await;
            None
        };
        ended = or(told, over).await;
    }
}

/// Writes what it is sent, for as long as its lease lasts by its own clock.
async fn lead(mut mailbox: Mailbox, clock: &Clock, mut granted: Duration) -> Result<(), ExitReason> {
    loop {
        let renewal = async {
            clock.sleep_until(granted + TERM / 2).await;
            Some(Request::Renew)
        };
        let Some(request) = or(renewal, next_value(&mut mailbox)).await else { return Ok(()) };
        let (renews, asked) = (matches!(request, Request::Renew), clock.now());
        let too_late = async {
            clock.sleep_until(granted + TERM - MARGIN).await;
            Err(ExitReason::other("its lease has run out")?)
        };
        let (done, ..) = or(too_late, ask(&mailbox, request)).await?;
        if !done {
            return Err(ExitReason::other("another one leads")?);
        }
        if renews {
            granted = asked;
        }
    }
}

async fn next_value(mailbox: &mut Mailbox) -> Option<Request> {
    loop {
        if let Event::Message(message) = mailbox.recv().await? {
            return Some(Request::Write(String::from_utf8_lossy(&message.body).into_owned()));
        }
    }
}

async fn ask(mailbox: &Mailbox, request: Request) -> Result<Answer, ExitReason> {
    let row: Name = "row@storage@test".parse()?;
    Ok(mailbox.call_as(row, &request, Duration::MAX).await?)
}

// What happens.

fn main() -> Outcome {
    let lab = Lab::new();
    let (cluster, network) = (&lab.cluster, lab.cluster.network());
    let storage_node = cluster.start("storage@test")?;
    let (one, two) = (cluster.start("one@test")?, cluster.start("two@test")?);
    lab.start(&storage_node, storage)?;
    let first = lab.start(&one, candidate)?;
    lab.expect(&["0 s: one leads"]);
    let second = lab.start(&two, candidate)?;

    println!("The leader renews its lease: three terms later it still leads.");
    lab.pass(30);
    one.send(&first, "a")?;
    lab.expect(&["30 s: one writes 'a': done"]);

    println!("The follower loses sight of it. That is no death, and the lease does not run out.");
    network.cut(one.name(), two.name());
    lab.pass(10);
    lab.expect(&["35 s: two is told: no connection: the peer fell silent (silent for 5s)"]);
    network.heal(one.name(), two.name());
    lab.pass(10);
    one.send(&first, "b")?;
    lab.expect(&["50 s: one writes 'b': done"]);

    println!(
        "Now it cannot renew: what it sends takes a minute. It stops by its own clock, and the lease ends."
    );
    network.cut(one.name(), two.name());
    network.delay(one.name(), storage_node.name(), Duration::from_secs(60));
    one.send(&first, "c")?;
    let mut end_of_first = one.monitor(&first)?;
    lab.pass(9);
    let down = cluster.now_or_never(&mut end_of_first).ok_or("it goes on without a lease")?;
    assert_eq!(down.reason.to_string(), "exit: its lease has run out");
    lab.expect(&["55 s: two is told: no connection: the peer fell silent (silent for 5s)"]);
    lab.pass(1);
    lab.expect(&["60 s: two leads"]);
    two.send(&second, "d")?;
    lab.expect(&["60 s: two writes 'd': done"]);

    println!("What it had sent while it led arrives. Its token is not the holder's any more.");
    lab.pass(120);
    lab.expect(&["110 s: one writes 'c': refused"]);

    println!("A leader dies, and its node says so: nobody waits for the lease.");
    network.heal(one.name(), two.name());
    network.delay(one.name(), storage_node.name(), Duration::ZERO);
    let third = lab.start(&one, candidate)?;
    // The incarnation would be no token: the two are of one life of their node.
    assert!(third != first && third.incarnation() == first.incarnation());
    lab.expect(&[]);
    two.kill(&second)?;
    lab.expect(&["180 s: one is told: exit: killed", "180 s: one leads"]);

    println!("A leader dies with its node, and nobody says so. Then the node is started anew, and does.");
    lab.start(&two, candidate)?;
    lab.expect(&[]);
    network.crash(one.name());
    lab.expect(&["180 s: two is told: no connection: the connection was closed"]);
    let one = cluster.start("one@test")?;
    let last = lab.start(&one, candidate)?;
    assert_ne!(last.incarnation(), third.incarnation());
    lab.expect(&["180 s: one is told: no such process", "180 s: one leads"]);
    lab.pass(30);
    one.send(&last, "e")?;
    lab.expect(&["210 s: one writes 'e': done"]);
    Ok(())
}

/// The cluster, and what has happened in it.
struct Lab {
    cluster: Cluster,
    diary: Diary,
}

impl Lab {
    fn new() -> Self {
        let cluster = Cluster::new();
        let clock = Clock { network: cluster.network().clone(), sleepers: Arc::default() };
        Lab { cluster, diary: Diary { clock, lines: Arc::default() } }
    }

    fn start<F, Fut>(&self, node: &Node, process: F) -> Outcome<Pid>
    where
        F: FnOnce(Mailbox, Diary) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let diary = self.diary.clone();
        Ok(node.spawn(|mailbox| process(mailbox, diary))?)
    }

    /// Lets so many seconds pass, one by one.
    fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            self.cluster.advance(Duration::from_secs(1));
            self.diary.clock.wake();
            self.cluster.settle();
        }
    }

    /// What has happened since it was asked the last time.
    fn expect(&self, lines: &[&str]) {
        self.cluster.settle();
        let told = mem::take(&mut *self.diary.lines.lock().unwrap_or_else(PoisonError::into_inner));
        told.iter().for_each(|line| println!("    {line}"));
        assert_eq!(told, lines);
    }
}

#[derive(Clone)]
struct Diary {
    clock: Clock,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Diary {
    fn write(&self, who: &Pid, what: &str) {
        let line = format!("{} s: {} {what}", self.clock.now().as_secs(), who.node().name.label());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The time of the network, and those who wait for a time. In earnest: `Instant::now` and a timer
/// of your runtime.
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

    /// Everybody who sleeps looks at the time.
    fn wake(&self) {
        let sleepers = mem::take(&mut *self.sleepers.lock().unwrap_or_else(PoisonError::into_inner));
        sleepers.into_iter().for_each(Waker::wake);
    }
}
