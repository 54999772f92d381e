//! Tests an implementation of [`PeerService`] against the [contract](crate), clause by clause.
//!
//! Write a [`Harness`] that starts nodes of your service and injects faults between them, and let
//! [`conformance_tests!`](crate::conformance_tests) generate one test for each clause:
//!
//! ```text
//! peer_service::conformance_tests!(MyHarness::new());
//! ```
//!
//! Clauses that need an operation that the harness lacks are reported as skipped, with the reason.
//! No clause measures time: every wait is for a condition, with a deadline of [`PATIENCE`].

mod channels;
mod dials;
mod ends;
mod frames;
mod kit;
mod sessions;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::LocalBoxFuture;
use refs::{ChannelName, NodeName, NodeSpec};

use crate::service::PeerService;

/// Deadline of every wait of the suite.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A node of the service under test.
pub type Service = Arc<dyn PeerService>;

/// Starts nodes of the service under test, and injects faults between them.
///
/// An operation that a harness does not have returns [`Unsupported`], which is the default; the
/// clauses that need it are skipped.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Starts a node. A label is used again only after its node was killed.
    async fn join(&self, label: &str) -> Service;

    /// Starts a node that has these channels besides the default one.
    async fn join_with_channels(
        &self,
        label: &str,
        channels: &[ChannelName],
    ) -> Result<Service, Unsupported> {
        let _ = (label, channels);
        Err(Unsupported("has no channels"))
    }

    /// The address by which another node dials this one.
    fn spec(&self, to: &Service) -> NodeSpec {
        to.local().name.clone().into()
    }

    /// A node that does not exist: dialing it fails soon.
    fn absent(&self) -> NodeSpec;

    /// Resets the connection between two nodes, so that both notice at once.
    async fn sever(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        let _ = (a, b);
        Err(Unsupported("cannot reset a connection"))
    }

    /// Drops everything between two nodes, and lets the time pass after which they must notice.
    async fn silence(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        let _ = (a, b);
        Err(Unsupported("cannot make a link silent"))
    }

    /// Kills the node.
    async fn kill(&self, node: Service) -> Result<(), Unsupported> {
        let _ = node;
        Err(Unsupported("cannot kill a node"))
    }

    /// A node that never answers a dial of `from`. The set-up time passes on its own, or in
    /// [`Harness::pass_setup_time`].
    async fn mute(&self, from: &NodeName) -> Result<NodeSpec, Unsupported> {
        let _ = from;
        Err(Unsupported("cannot make a node that never answers"))
    }

    /// Lets the set-up time pass.
    async fn pass_setup_time(&self) {}

    /// Removes `node` from the membership view of `at`.
    async fn evict(&self, at: &NodeName, node: &NodeName) -> Result<(), Unsupported> {
        let _ = (at, node);
        Err(Unsupported("has no membership views"))
    }

    /// Makes `from` send bytes to `to`, on their session, that violate the protocol.
    async fn break_protocol(&self, from: &NodeName, to: &NodeName) -> Result<(), Unsupported> {
        let _ = (from, to);
        Err(Unsupported("cannot break the protocol"))
    }
}

/// The operation that the harness lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported(pub &'static str);

/// The result of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The clause holds.
    Held,
    /// The clause could not be tested: the harness lacks this operation.
    Skipped(&'static str),
    /// The clause does not hold: the expected and the actual behavior.
    Broken(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Held => f.write_str("held"),
            Outcome::Skipped(why) => write!(f, "skipped: the harness {why}"),
            Outcome::Broken(how) => write!(f, "broken: {how}"),
        }
    }
}

/// Why a check failed.
#[derive(Debug)]
pub(crate) enum Fault {
    Broken(String),
    Skipped(&'static str),
}

impl From<Unsupported> for Fault {
    fn from(unsupported: Unsupported) -> Self {
        Fault::Skipped(unsupported.0)
    }
}

type Check = for<'a> fn(&'a dyn Harness) -> LocalBoxFuture<'a, Result<(), Fault>>;

/// One clause of the contract.
pub struct Clause {
    /// Its number in the contract.
    pub number: u8,
    /// Its name in the contract.
    pub name: &'static str,
    check: Check,
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clause {}, {}", self.number, self.name)
    }
}

macro_rules! clauses {
    ($($number:literal $name:literal $check:path;)*) => {
        /// All clauses, in their order.
        pub const CLAUSES: &[Clause] =
            &[$(Clause { number: $number, name: $name, check: |harness| Box::pin($check(harness)) }),*];
    };
}

clauses! {
    1 "one at a time" sessions::one_at_a_time;
    2 "numbered" sessions::numbered;
    3 "identified" sessions::identified;
    4 "agreed" sessions::agreed;
    5 "ordered" frames::ordered;
    6 "prefix" frames::prefix;
    7 "never of another session" frames::never_of_another_session;
    8 "bounded" frames::bounded;
    9 "never blocks" frames::never_blocks;
    10 "messages are limited, signals are not lost" frames::limited;
    11 "backpressure is the reader's" frames::backpressure;
    12 "one end" ends::one_end;
    13 "a good end loses nothing" ends::good_end;
    14 "ends are told apart" ends::told_apart;
    15 "every dial is answered" dials::answered;
    16 "bounded in time" dials::bounded_in_time;
    17 "disconnect" dials::disconnect;
    18 "no self" dials::no_self;
    19 "capabilities are honest" dials::capabilities;
    20 "shutdown" dials::shutdown;
    21 "channels" channels::channels;
}

/// Checks one clause.
pub async fn check(clause: &Clause, harness: &dyn Harness) -> Outcome {
    match (clause.check)(harness).await {
        Ok(()) => Outcome::Held,
        Err(Fault::Skipped(why)) => Outcome::Skipped(why),
        Err(Fault::Broken(how)) => Outcome::Broken(how),
    }
}

/// Checks all clauses, each with its own harness.
pub async fn run<H: Harness>(harness: impl Fn() -> H) -> Vec<(&'static Clause, Outcome)> {
    let mut outcomes = Vec::new();
    for clause in CLAUSES {
        outcomes.push((clause, check(clause, &harness()).await));
    }
    outcomes
}

/// Checks the clause with that number, for a test.
///
/// # Panics
/// If the clause does not hold, or does not exist.
#[track_caller]
pub fn expect(number: u8, harness: &dyn Harness) {
    let clause = CLAUSES.iter().find(|clause| clause.number == number).expect("a clause with that number");
    match smol::block_on(check(clause, harness)) {
        Outcome::Held => {}
        Outcome::Skipped(why) => eprintln!("clause {number}, {}: skipped, the harness {why}", clause.name),
        Outcome::Broken(how) => panic!("clause {number}, {}: {how}", clause.name),
    }
}

/// Generates one test for each clause of the [contract](crate); the argument creates a new
/// [`Harness`](crate::conformance::Harness).
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests! { @tests $harness;
            c01_one_at_a_time 1, c02_numbered 2, c03_identified 3, c04_agreed 4, c05_ordered 5, c06_prefix 6,
            c07_never_of_another_session 7, c08_bounded 8, c09_never_blocks 9, c10_limited 10, c11_backpressure 11,
            c12_one_end 12, c13_good_end 13, c14_told_apart 14, c15_answered 15, c16_bounded_in_time 16,
            c17_disconnect 17, c18_no_self 18, c19_capabilities 19, c20_shutdown 20, c21_channels 21,
        }
    };
    (@tests $harness:expr; $($name:ident $number:literal,)*) => {
        $(#[test]
        fn $name() {
            $crate::conformance::expect($number, &$harness);
        })*

        #[test]
        fn every_clause_has_its_test() {
            let tested: Vec<u8> = vec![$($number),*];
            let clauses: Vec<u8> = $crate::conformance::CLAUSES.iter().map(|clause| clause.number).collect();
            assert_eq!(tested, clauses);
        }
    };
}
