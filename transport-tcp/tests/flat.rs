//! Connections and sessions that have ended leave nothing behind: memory and descriptors after
//! thousands of hostile connections, and after hundreds of sessions with a node. In its own
//! process, one test at a time, because it measures the process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{collections::VecDeque, sync::Arc};

use peer_service::{DialId, EndKind, PeerService};
use smol::io::AsyncWriteExt;
use support::{
    config, connect, count, descriptors, end_of, exchange_frames, next_session,
    proxy::Proxy,
    raw::{VERSION, dial, dial_from, frame, hello, hello_with, join, listen_to, read_frame, say},
    spec_at, start, until,
};
use transport_tcp::TcpTransport;

const B: &str = "b@127.0.0.1";
/// Number of silent connections at any time.
const SILENT: usize = 100;
/// Tolerated growth of the process's memory: the system counts whole pages, and the allocator keeps
/// some.
const SLACK: usize = 512 << 10;

#[test]
fn a_thousand_hostile_connections_and_a_hundred_sessions_leave_nothing_behind() {
    smol::block_on(leaves_nothing_behind(1_000, 100));
}

#[test]
#[ignore = "the long form; docs/security-annex.md has its output"]
fn ten_thousand_hostile_connections_and_a_thousand_sessions_leave_nothing_behind() {
    smol::block_on(leaves_nothing_behind(10_000, 1_000));
}

async fn leaves_nothing_behind(hostile: usize, sessions: usize) {
    static ONE_AT_A_TIME: smol::lock::Mutex<()> = smol::lock::Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().await;
    let (a, b) = (start(config("bystander")).await, start(config("b")).await);
    let (mut at_a, mut at_b) = connect(&a, &b).await;
    let recorded = record(&b).await;
    // Everything that is allocated once and kept is allocated now.
    attack(&b, &recorded, hostile / 5).await;
    come_and_go(&b, sessions / 5).await;

    let before = Footprint::at_rest().await;
    attack(&b, &recorded, hostile).await;
    before.is_still_true(&format!("{hostile} hostile connections")).await;
    come_and_go(&b, sessions).await;
    before.is_still_true(&format!("{sessions} sessions that came and went")).await;
    exchange_frames(&mut at_a, &mut at_b).await;
    for refusal in ["malformed", "proof", "busy"] {
        assert!(count(&b, &format!("refused_{refusal}")) > 0, "none was refused as {refusal}");
    }
}

/// Records the bytes by which a node proves itself, for a replay.
async fn record(b: &TcpTransport) -> Vec<u8> {
    let c = start(config("recorded")).await;
    let wire = Proxy::to(b.local_addr());
    c.connect(&spec_at(b, wire.address), DialId(1));
    let (at_c, mut at_b) = (next_session(&c).await, next_session(b).await);
    let said = wire.said_by("recorded@127.0.0.1");
    drop(at_c);
    end_of(&mut at_b).await;
    said
}

/// `times` hostile connections, one after the other, of every kind; silent ones stay until others
/// take their place.
async fn attack(b: &Arc<TcpTransport>, recorded: &[u8], times: usize) {
    let mut silent = VecDeque::new();
    for at in 0..times {
        match at % 6 {
            0 => drop(say(b, b"GET / HTTP/1.1\r\nHost: b\r\n\r\n").await),
            1 => drop(say(b, &[0xff, 0xff, 0xff, 0x7f]).await),
            2 => half_a_handshake(b).await,
            3 => a_wrong_proof(b).await,
            4 => drop(say(b, recorded).await),
            _ => silent.push_back(dial_from([127, 0, 0, 2 + (at % 4) as u8], b).await),
        }
        if silent.len() > SILENT {
            silent.pop_front();
        }
    }
    // More than there are places, so that some are evicted.
    for at in 0..200 {
        silent.push_back(dial_from([127, 0, 0, 2 + (at % 4) as u8], b).await);
    }
}

async fn half_a_handshake(b: &TcpTransport) {
    let stream = dial(b).await;
    (&stream).write_all(&hello(VERSION, "", "x@h", B)).await.unwrap();
    read_frame(&stream).await;
}

async fn a_wrong_proof(b: &TcpTransport) {
    let stream = dial(b).await;
    (&stream).write_all(&frame(&hello_with(VERSION, u64::MAX, "", "x@h", B))).await.unwrap();
    read_frame(&stream).await;
    (&stream).write_all(&frame(&[18; 40])).await.unwrap();
    listen_to(&stream).await;
}

/// `times` sessions, one after the other: with a node, ended by either side and in every way; and
/// with a peer that has the secret and uses a new name each time.
async fn come_and_go(b: &Arc<TcpTransport>, times: usize) {
    let c = start(config("c")).await;
    for at in 0..times {
        let newly_named = hello_with(VERSION, 1, "", &format!("c{at}@h"), B);
        let stream = join(b, &newly_named).await;
        let mut at_b = next_session(b).await;
        drop(stream);
        end_of(&mut at_b).await;

        let (mut at_c, mut at_b) = connect(&c, b).await;
        exchange_frames(&mut at_c, &mut at_b).await;
        match at % 4 {
            0 => at_c.outbox().close(EndKind::Left),
            1 => at_b.outbox().close(EndKind::Disconnected),
            2 => drop(at_c),
            _ => drop(at_b),
        }
    }
}

/// The resources that the process holds.
struct Footprint {
    memory: usize,
    descriptors: usize,
}

impl Footprint {
    /// Measured once nothing is in progress any more.
    async fn at_rest() -> Self {
        let mut last = (usize::MAX, 0);
        until("the descriptors to stay as they are", || {
            let now = descriptors().len();
            last = if now < last.0 { (now, 0) } else { (last.0, last.1 + 1) };
            last.1 == 500
        })
        .await;
        Footprint { memory: resident(), descriptors: last.0 }
    }

    async fn is_still_true(&self, after: &str) {
        until(&format!("the descriptors to be {} again after {after}", self.descriptors), || {
            descriptors().len() <= self.descriptors
        })
        .await;
        let memory = resident();
        eprintln!(
            "after {after}: {} descriptors as before, {} KiB resident, {} KiB before",
            self.descriptors,
            memory / 1024,
            self.memory / 1024
        );
        assert!(memory < self.memory + SLACK, "grown from {} to {memory} bytes after {after}", self.memory);
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}
