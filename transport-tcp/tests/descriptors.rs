//! No free descriptor: the listener pauses instead of spinning, counts the errors, and recovers. In
//! its own process, because the limit applies to the process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::time::{Duration, Instant};

use peer_service::{DialId, EndKind, PeerService};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{
    config, connect, count, exchange_frames, next_failure,
    raw::{CHALLENGE, VERSION, dial, frame, hello_with, read_frame},
    soon, start, until,
};

/// Allows that many descriptors beyond those in use now.
fn allow_descriptors(more: u64) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    // The descriptors in use are the lowest ones, or nearly so: free ones below the highest can be
    // used.
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
        exchange_frames(&mut at_a, &mut at_b).await;

        let before = allow_descriptors(3);
        // The test takes all free descriptors except one, and connects to the node with that one.
        let mut taken = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            taken.push(file);
        }
        taken.pop();
        let begun = Instant::now();
        let caller = dial(&b).await;
        until("some errors", || count(&b, "accept_errors") >= 5).await;
        assert!(begun.elapsed() >= Duration::from_millis(10 + 20 + 40 + 80), "it has rested after each");
        exchange_frames(&mut at_a, &mut at_b).await;
        assert_eq!(count(&b, "accepted"), 1);
        // The dial fails because of this node, so its error says nothing about the peer.
        a.connect(&format!("x@127.0.0.1={}", b.local_addr()).parse().unwrap(), DialId(9));
        assert_eq!(next_failure(&a).await.1.kind, EndKind::Quota);

        setrlimit(Resource::Nofile, before).unwrap();
        // The waiting caller is accepted now, and so are other nodes.
        use smol::io::AsyncWriteExt;
        (&caller).write_all(&frame(&hello_with(VERSION, 0, "", "x@h", "b@127.0.0.1"))).await.unwrap();
        assert_eq!(soon("a challenge", read_frame(&caller)).await[0], CHALLENGE);
        let c = start(config("c")).await;
        let (mut at_c, mut of_c) = connect(&c, &b).await;
        exchange_frames(&mut at_c, &mut of_c).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}
