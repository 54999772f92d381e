//! All pairs of many nodes dial each other at the same moment, in both directions, over real
//! connections.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use futures::future::{FutureExt, join_all};
use peer_service::{DialId, PeerService};
use support::Setup;
use support::{Live, config, count, next_session, receive_one, say, spec, start};
use transport_tcp::Heartbeat;

/// 1,035 pairs.
const NODES: usize = 46;

fn patient(at: usize) -> Setup {
    // All nodes share about two processors, so a slow node must not be refused.
    let heartbeat = Heartbeat::new(Duration::from_secs(5), Duration::from_secs(60));
    config(&format!("n{at:02}")).heartbeat(heartbeat).setup_timeout(Duration::from_secs(60))
}

#[test]
fn a_thousand_pairs_that_dial_at_once_get_one_session_each_and_none_ends() {
    smol::block_on(async {
        let nodes: Vec<_> = join_all((0..NODES).map(|at| start(patient(at)))).await;
        for from in &nodes {
            for to in nodes.iter().filter(|to| to.local() != from.local()) {
                from.connect(&spec(to), DialId(1));
            }
        }
        let mut sessions: Vec<Vec<Live>> = Vec::new();
        for node in &nodes {
            let mut of_node = Vec::new();
            for _ in 1..NODES {
                of_node.push(next_session(node).await);
            }
            let peers: BTreeSet<_> = of_node.iter().map(|session| session.peer().node.clone()).collect();
            assert_eq!(peers.len(), NODES - 1);
            sessions.push(of_node);
        }
        // Every session is the same one at both ends and is open; no dial has failed, and no
        // connection was refused for lack of places.
        for (node, of_node) in nodes.iter().zip(&sessions) {
            of_node.iter().for_each(|session| say(session, node.local().name.as_str().as_bytes()));
        }
        for session in sessions.iter_mut().flatten() {
            let peer = session.peer().node.name.clone();
            assert_eq!(receive_one(session).await, peer.as_str().as_bytes());
        }
        for node in &nodes {
            assert!(node.next().now_or_never().is_none(), "an event too many");
            assert_eq!(count(node, "sessions"), NODES as u64 - 1);
            assert_eq!(count(node, "sessions_replaced"), 0);
            assert_eq!(count(node, "refused_busy") + count(node, "refused_busy_address"), 0);
        }
    });
}
