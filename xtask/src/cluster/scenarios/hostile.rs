//! `hostile`

use anyhow::Result;
use fastrand::Rng;
use harness::{conditions::ensure, secret::fresh_secret};

use super::strangers::{HELLO, Hello, PROOF, counted, frame, knock};
use crate::cluster::{
    Cluster,
    node::Node,
    process::{NORMAL, Wanted},
    protocol::Exit,
};

/// Unauthenticated peers connect to a node's port and send anything but a valid handshake. The node
/// refuses and counts each, and the two nodes that monitor each other report nothing.
pub(super) fn hostile(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let watchers = [a.watcher()?, b.watcher()?];
    let workers = [b.spawn()?, a.spawn()?];
    let monitors = [watchers[0].monitor(&workers[0])?, watchers[1].monitor(&workers[1])?];
    watchers[0].expect_node_up(&b)?;
    watchers[1].expect_node_up(&a)?;
    cluster.at_rest()?;

    let attacks = attacks(&b, &mut Rng::with_seed(cluster.seed()));
    cluster.progress().plan(attacks.len() + 1, "attacks");
    for attack in &attacks {
        let before = b.tables()?;
        cluster.at("z", || knock(cluster.address("b"), &attack.bytes))??;
        counted(&b, attack.what, &before, attack.counters)?;
        cluster.progress().step();
    }
    // A node of the right program with the wrong secret. It may dial and be dialled.
    let stranger = fresh_secret()?;
    let eve = cluster.node_with("z", |launch| launch.secret = stranger)?;
    let nobody = |at: &Node| format!("nobody@{}", at.name());
    let before = b.tables()?;
    eve.watch(&nobody(&b))?.expect_down(Wanted::NoConnection(&["AuthFailed"]))?;
    counted(&b, "a wrong secret", &before, &["refused_proof"])?;
    a.watch(&nobody(&eve))?.expect_down(Wanted::NoConnection(&["AuthFailed"]))?;
    cluster.progress().step();
    cluster.figure("attacks", attacks.len() + 2);

    // The other nodes are unaffected: one event each, and the monitors work.
    for (watcher, monitor) in watchers.iter().zip(&monitors) {
        watcher.drain()?;
        monitor.expect_silence("its target is running")?;
        let events = watcher.node_events();
        ensure(events.len() == 1, || format!("unauthenticated peers caused node events: {events:?}"))?;
    }
    for (worker, monitor) in workers.iter().zip(&monitors) {
        worker.exit(Exit::Normal)?;
        monitor.expect_down(NORMAL)?;
    }
    Ok(())
}

/// Bytes that an unauthenticated peer sends, and the counters that may count them.
pub(super) struct Attack {
    what: &'static str,
    pub(super) bytes: Vec<u8>,
    counters: &'static [&'static str],
}

/// One of every kind.
pub(super) fn attacks(target: &Node, rng: &mut Rng) -> Vec<Attack> {
    let attack = |what, bytes, counters| Attack { what, bytes, counters };
    let noise = (0..4096).map(|_| rng.u8(..)).collect();
    let good = Hello::of("mallory@127.0.0.1:9", target.name());
    let unproved = [good.frame(), frame(PROOF, &[7; 40])].concat();
    vec![
        attack("nothing", Vec::new(), &["handshakes_cut"]),
        attack("half a frame", vec![0x80, 0x04, HELLO, 2, 3], &["handshakes_cut"]),
        // The first bytes of noise may look like a long frame.
        attack("noise", noise, &["refused_malformed", "handshakes_cut"]),
        attack("a web browser", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), MALFORMED),
        attack("empty frames", vec![0; 4096], MALFORMED),
        attack("a frame of 200 MiB", vec![0xff, 0xff, 0xff, 0x63, HELLO], MALFORMED),
        attack("a length without end", vec![0xff; 64], MALFORMED),
        attack("a frame of an established session", frame(0, b"monitor"), MALFORMED),
        attack("a wrong magic", Hello { magic: *b"TIBO", ..good }.frame(), MALFORMED),
        attack("a greeting cut short", frame(HELLO, &good.body()[..40]), MALFORMED),
        attack("a wrong version", Hello { version: 999, ..good }.frame(), &["refused_version"]),
        attack("another cluster", Hello { cluster: "other", ..good }.frame(), &["refused_cluster"]),
        attack("another's address", Hello { expected: "c@127.0.0.1:9", ..good }.frame(), &["refused_name"]),
        attack("one's own name", Hello { name: target.name(), ..good }.frame(), &["refused_name"]),
        attack("a proof of nothing", unproved, &["refused_proof"]),
    ]
}

const MALFORMED: &[&str] = &["refused_malformed"];
