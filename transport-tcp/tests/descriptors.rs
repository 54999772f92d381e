//! No descriptor left: the listener rests instead of spinning, says so in its counter, and
//! recovers. In a process of its own, because the limit is the process's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::time::{Duration, Instant};

use peer_service::{DialId, EndKind, PeerService};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{
    config, connect, count, next_failure,
    raw::{CHALLENGE, VERSION, dial, frame, hello_with, read_frame},
    soon, start, talk, until,
};

/// Allows that many descriptors beyond those in use now.
fn allow_descriptors(more: u64) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    // The descriptors in use are the lowest ones, or nearly so: what is free below the highest is
    // free to be used.
    let highest = support::descriptors().last().copied().unwrap_or(0);
    let current = Some(highest + 1 + more);
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
    before
}

#[test]
fn without_descriptors_the_listener_rests_and_recovers() {
    smol::block_on(async {
        let (a, b) =
            (start(config("a")).await, start(config("b").setup_timeout(Duration::from_secs(60))).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        talk(&mut at_a, &mut at_b).await;

        let before = allow_descriptors(3);
        // Whatever is left is taken by this program, which calls the node with the last one.
        let mut taken = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            taken.push(file);
        }
        taken.pop();
        let begun = Instant::now();
        let caller = dial(&b).await;
        until("some errors", || count(&b, "accept_errors") >= 5).await;
        assert!(begun.elapsed() >= Duration::from_millis(10 + 20 + 40 + 80), "it has rested after each");
        talk(&mut at_a, &mut at_b).await;
        assert_eq!(count(&b, "accepted"), 1);
        // A dial fails because of this node, which says nothing of the peer.
        a.connect(&format!("x@127.0.0.1={}", b.local_addr()).parse().unwrap(), DialId(9));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Quota);

        setrlimit(Resource::Nofile, before).unwrap();
        // The caller had to wait and is served now, and so is everybody else.
        use smol::io::AsyncWriteExt;
        (&caller).write_all(&frame(&hello_with(VERSION, 0, "", "x@h", "b@127.0.0.1"))).await.unwrap();
        assert_eq!(soon("a challenge", read_frame(&caller)).await[0], CHALLENGE);
        let c = start(config("c")).await;
        let (mut at_c, mut of_c) = connect(&c, &b).await;
        talk(&mut at_c, &mut of_c).await;
        talk(&mut at_a, &mut at_b).await;
    });
}
