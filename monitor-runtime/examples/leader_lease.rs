//! One leader at a time, as far as the storage is concerned: a lease, and a token that a stale leader cannot fake.
//!
//! A standby takes over when the monitor of the leader ends. That may be too early: a lost link is no death, and the old
//! leader may be at work behind it. So nobody relies on the `Down` alone. The storage knows who holds the lease, by pid. A pid
//! bears the incarnation of its node, which is new with every start of it: no other process, and no later life of the same
//! node under the same name, ever has the same. A write with another token than the holder's is refused.
//!
//! Here the storage is a value in memory. In earnest it is a row of a database, and both its methods are single statements:
//!
//! ```text
//! UPDATE lease SET holder = :me WHERE holder IS NOT DISTINCT FROM :seen
//! UPDATE data SET value = :value WHERE (SELECT holder FROM lease) = :me
//! ```
//!
//! The cluster is in memory too, on a clock that the example turns, so that it takes no time and ends the same way each time:
//!
//! ```text
//! cargo run -p monitor-runtime --features test-util --example leader_lease
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_runtime::{prelude::*, test_util::Cluster};

/// What all candidates share, and what has the last word.
#[derive(Clone, Default)]
struct Storage(Arc<Mutex<Row>>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    holder: Option<Pid>,
    value: String,
}

impl Storage {
    /// Takes the lease, if its holder is still the one that was seen. Otherwise: who holds it.
    fn take_over(&self, seen: Option<&Pid>, me: &Pid) -> Result<(), Option<Pid>> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if row.holder.as_ref() != seen {
            return Err(row.holder.clone());
        }
        row.holder = Some(me.clone());
        Ok(())
    }

    /// Writes, if the token is the holder's.
    fn write(&self, token: &Pid, value: &str) -> Result<(), ExitReason> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if row.holder.as_ref() != Some(token) {
            return Err(ExitReason::other("stale: another one leads").expect("it is short"));
        }
        value.clone_into(&mut row.value);
        Ok(())
    }

    fn read(&self) -> Row {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits until it can lead; then writes what it is sent, until a write is refused.
async fn candidate(mut mailbox: Mailbox, storage: Storage) -> Result<(), ExitReason> {
    let me = mailbox.pid().clone();
    let mut seen = None;
    while let Err(holder) = storage.take_over(seen.as_ref(), &me) {
        if let Some(leader) = &holder {
            // Of any end: whether the leader is dead does not matter, for its token is worth nothing after the take-over.
            let down = mailbox.node().monitor(leader)?.await;
            println!("{}: {} is gone, {}", me.node().name, leader.node().name, down.reason);
        }
        seen = holder;
    }
    println!("{} leads", me.node().name);
    while let Some(event) = mailbox.recv().await {
        let Event::Message(message) = event else { continue };
        storage.write(&me, &String::from_utf8_lossy(&message.body))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::new();
    let storage = Storage::default();
    let (one, two) = (cluster.start("one@test")?, cluster.start("two@test")?);
    let start = |node: &Node| {
        let storage = storage.clone();
        let started = node.spawn_monitor(|mailbox| candidate(mailbox, storage));
        cluster.settle();
        started
    };
    let (first, mut end_of_first) = start(&one)?;
    let (second, _end_of_second) = start(&two)?;
    one.send(&first, "by the first")?;
    cluster.settle();
    assert_eq!(storage.read(), Row { holder: Some(first.clone()), value: "by the first".into() });

    // The link breaks. Both are alive, and both believe that they lead: no failure detector can prevent that.
    cluster.network().cut(one.name(), two.name());
    cluster.advance(Duration::from_secs(5));
    two.send(&second, "by the second")?;
    cluster.settle();
    assert!(one.is_process_alive(&first) && two.is_process_alive(&second));
    let by_second = Row { holder: Some(second.clone()), value: "by the second".into() };
    assert_eq!(storage.read(), by_second);

    // The first knows nothing of it, and writes. That has no effect, but for telling it the truth.
    one.send(&first, "by the first, too late")?;
    let down = cluster.now_or_never(&mut end_of_first).ok_or("the first goes on")?;
    println!("the first has ended, {}", down.reason);
    assert_eq!(down.reason.to_string(), "exit: stale: another one leads");
    assert_eq!(storage.read(), by_second);

    // The first's node starts anew, under its old name. What is left over from its former life is told from what is new.
    cluster.network().heal(one.name(), two.name());
    cluster.network().crash(one.name());
    let one = cluster.start("one@test")?;
    let (third, _end_of_third) = start(&one)?;
    assert_eq!(third.node().name, first.node().name);
    assert_ne!(third.incarnation(), first.incarnation());
    two.kill(&second)?;
    cluster.settle();
    assert_eq!(storage.read().holder, Some(third.clone()));
    assert!(storage.write(&first, "from a former life").is_err());
    assert!(storage.write(&second, "from the dead").is_err());
    assert!(storage.write(&third, "by the third").is_ok());
    Ok(())
}
