//! `hostile`

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

use fastrand::Rng;

use crate::{
    cluster::{
        Cluster, ensure,
        node::{Node, SOON},
        process::{NORMAL, Wanted},
        protocol::{Exit, Tables},
    },
    failure::{Context, Result, fail},
    keygen::fresh_secret,
};

/// Strangers knock at a node's port with everything but a good handshake. Each is turned away and counted, and the
/// two nodes that watch each other meanwhile notice nothing.
pub(super) fn hostile(cluster: &Cluster<'_>) -> Result {
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
        attack.throw_at(&b)?;
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

    // Nobody else has noticed: one event each, and the monitors work.
    for (watcher, monitor) in watchers.iter().zip(&monitors) {
        watcher.drain()?;
        monitor.expect_silence("its target lives")?;
        let events = watcher.node_events();
        ensure(events.len() == 1, || format!("strangers caused node events: {events:?}"))?;
    }
    for (worker, monitor) in workers.iter().zip(&monitors) {
        worker.exit(Exit::Normal)?;
        monitor.expect_down(NORMAL)?;
    }
    Ok(())
}

/// Bytes that a stranger sends, and by which counters they may be seen.
struct Attack {
    what: &'static str,
    bytes: Vec<u8>,
    counters: &'static [&'static str],
}

fn attacks(target: &Node, rng: &mut Rng) -> Vec<Attack> {
    let attack = |what, bytes, counters| Attack { what, bytes, counters };
    let noise = (0..4096).map(|_| rng.u8(..)).collect();
    let good = Hello {
        magic: *b"OBIT",
        version: 1,
        cluster: "",
        name: "mallory@127.0.0.1:9",
        expected: target.name(),
    };
    let unproved = [good.frame(), frame(PROOF, &[7; 40])].concat();
    vec![
        attack("nothing", Vec::new(), &["handshakes_cut"]),
        attack("half a frame", vec![0x80, 0x04, HELLO, 2, 3], &["handshakes_cut"]),
        // What noise begins with may look like a long frame.
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

/// Kinds of frames in a handshake.
const HELLO: u8 = 16;
const PROOF: u8 = 18;

/// The first frame of a handshake. Its layout is frozen for all versions.
#[derive(Clone, Copy)]
struct Hello<'a> {
    magic: [u8; 4],
    version: u16,
    cluster: &'a str,
    name: &'a str,
    expected: &'a str,
}

impl Hello<'_> {
    fn frame(&self) -> Vec<u8> {
        frame(HELLO, &self.body())
    }

    fn body(&self) -> Vec<u8> {
        let mut body = self.magic.to_vec();
        // The lowest version and the highest.
        body.extend([self.version.to_be_bytes(), self.version.to_be_bytes()].concat());
        let (features, incarnation, dial, nonce) = (0_u64, 0x5eed_u64, 1_u64, [9; 32]);
        body.extend([features.to_be_bytes(), incarnation.to_be_bytes(), dial.to_be_bytes()].concat());
        body.extend(nonce);
        for text in [self.cluster, self.name, self.expected] {
            body.push(text.len() as u8);
            body.extend(text.as_bytes());
        }
        body
    }
}

/// A frame: length as varint, kind, body.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 1;
    let mut frame =
        if length < 0x80 { vec![length as u8] } else { vec![length as u8 | 0x80, (length >> 7) as u8] };
    frame.push(kind);
    frame.extend(body);
    frame
}

impl Attack {
    /// Connects, sends, and waits until the node closes the connection.
    fn throw_at(&self, node: &Node) -> Result {
        let address = node.name().split_once('@').map_or("", |(_, address)| address);
        let name = || format!("{} thrown at {address}", self.what);
        let mut stream = TcpStream::connect(address).context(name)?;
        stream.set_read_timeout(Some(SOON)).context(name)?;
        // The node may close it before everything is sent: that is what it should do.
        let _ = stream.write_all(&self.bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        match stream.take(1 << 20).read_to_end(&mut answer) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Ok(())
            }
            Err(error) => {
                fail!("{}: {error}; expected the node to close the connection within {SOON:?}", name())
            }
        }
    }
}

/// Waits until one of the counters stands higher than before.
fn counted(node: &Node, what: &str, before: &Tables, counters: &[&str]) -> Result {
    let sum = |tables: &Tables| counters.iter().filter_map(|name| tables.counters.get(*name)).sum::<u64>();
    let what = format!("{what} to be counted as {counters:?}");
    node.await_tables(&what, |tables| sum(tables) > sum(before)).map(drop)
}
