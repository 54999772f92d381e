//! The effects of a resolver that does not answer.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use futures::future::join_all;
use smol::future::{block_on, poll_once};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A resolver that answers only when the test tells it to.
pub(crate) struct Silent {
    pub(crate) lookups: Arc<Lookups>,
    /// Number of calls.
    asked: Arc<AtomicUsize>,
    answers: mpsc::Sender<io::Result<Vec<SocketAddr>>>,
}

impl Silent {
    pub(crate) fn new(most: usize) -> Self {
        let (answers, waiting) = mpsc::channel();
        let (asked, waiting) = (Arc::<AtomicUsize>::default(), Mutex::new(waiting));
        let count = asked.clone();
        let lookups = Lookups::new(most, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let gone = |_| Err(io::Error::other("the resolver was dropped"));
            waiting.lock().recv().unwrap_or_else(gone)
        });
        Silent { lookups, asked, answers }
    }

    pub(crate) fn answer(&self, addresses: &[&str]) {
        self.answers.send(Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())).unwrap();
    }

    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.lookups.clone().resolve(host.to_owned(), 7001).boxed()
    }

    pub(crate) fn await_asked(&self, times: usize) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.asked.load(Ordering::SeqCst) < times {
            assert!(std::time::Instant::now() < deadline, "the resolver was not asked {times} times");
            thread::yield_now();
        }
    }
}

fn ports(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(SocketAddr::to_string).collect()
}

#[test]
fn a_literal_address_is_not_looked_up() {
    let silent = Silent::new(1);
    let found = block_on(silent.resolve("127.0.0.1")).unwrap();
    assert_eq!((ports(&found), silent.asked.load(Ordering::SeqCst)), (vec!["127.0.0.1:7001".to_owned()], 0));
}

#[test]
fn all_callers_of_one_name_share_one_lookup_those_that_come_later_too() {
    let silent = Silent::new(8);
    block_on(async {
        let mut given_up = silent.resolve("host");
        assert!(poll_once(&mut given_up).await.is_none());
        silent.await_asked(1);
        drop(given_up);
        let mut callers: Vec<_> = (0..100).map(|_| silent.resolve("host")).collect();
        for caller in &mut callers {
            assert!(poll_once(caller).await.is_none());
        }
        silent.answer(&["10.0.0.1:0", "[2001:db8::1]:0"]);
        for found in join_all(callers).await {
            assert_eq!(ports(&found.unwrap()), ["10.0.0.1:7001", "[2001:db8::1]:7001"]);
        }
    });
    assert_eq!(silent.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn no_more_lookups_are_in_progress_than_allowed_and_the_next_one_waits_its_turn() {
    let silent = Silent::new(2);
    block_on(async {
        let mut callers: Vec<_> = (0..5).map(|host| silent.resolve(&format!("host{host}"))).collect();
        for caller in &mut callers {
            assert!(poll_once(caller).await.is_none());
        }
        silent.await_asked(2);
        assert_eq!((silent.asked.load(Ordering::SeqCst), silent.lookups.in_progress.lock().len()), (2, 2));
        (0..5).for_each(|_| silent.answer(&["10.0.0.1:0"]));
        for found in join_all(callers).await {
            assert_eq!(ports(&found.unwrap()), ["10.0.0.1:7001"]);
        }
    });
    assert_eq!(silent.asked.load(Ordering::SeqCst), 5);
}

#[test]
fn all_callers_receive_a_failure_and_a_panic_is_a_failure() {
    let lookups = Lookups::new(1, |host| {
        assert_ne!(host, "panics", "on purpose");
        Err(io::ErrorKind::NotFound.into())
    });
    for (host, kind) in [
        ("absent", io::ErrorKind::NotFound),
        ("panics", io::ErrorKind::Other),
        ("absent", io::ErrorKind::NotFound),
    ] {
        let found = block_on(lookups.clone().resolve(host.to_owned(), 1));
        assert_eq!(found.unwrap_err().kind(), kind, "{host}");
    }
}
