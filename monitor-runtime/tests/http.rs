//! Looking into a node over HTTP.
#![cfg(all(feature = "http", unix))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use common::{Cluster, name, run};
use monitor_runtime::{Node, http};
use serde_json::Value;

const LOOPBACK: &str = "127.0.0.1:0";

async fn node() -> Node {
    Cluster::new().node_with("a", |config| config.max_history(8)).await
}

/// What comes back for these bytes, until the connection is closed.
fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // What breaks the rules may be refused before it was read to its end.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Status and body.
fn ask(address: SocketAddr, method: &str, path: &str, host: &str) -> (u16, String) {
    let answer = raw(address, format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, "GET", path, &address.to_string())
}

#[test]
fn metrics_are_what_prometheus_reads() {
    run(async {
        let node = node().await;
        let _process = node.process().unwrap();
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let (status, text) = get(served.local_addr(), "/metrics");
        assert_eq!(status, 200);
        let mut described = "";
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(described_now) => described = described_now.split(' ').next().unwrap(),
                None if line.starts_with("# HELP ") => {}
                None => {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    assert_eq!(series.split('{').next(), Some(described), "{line}");
                    assert!(value.parse::<u64>().is_ok(), "{line}");
                }
            }
        }
        let info = format!("obit_node_info{{node=\"a@local\",incarnation=\"{}\"}} 1", node.id().incarnation);
        for line in [info.as_str(), "obit_processes 1", "obit_drops_total{what=\"messages_missed\"} 0"] {
            assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
        }
    });
}

#[test]
fn the_node_is_shown_as_json() {
    run(async {
        let node = node().await;
        let (watcher, worker) = (node.process().unwrap(), node.process().unwrap());
        let monitor = watcher.monitor(worker.pid()).unwrap();
        node.monitor(name("nobody").at(node.name().clone())).unwrap().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let (status, json) = get(served.local_addr(), "/inspect?x=y");
        let look: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((status, &look["node"]["name"]), (200, &"a@local".into()));
        assert_eq!(look["monitors"]["held"][0]["monitor"], monitor.to_string());
        assert_eq!(look["downs"][0]["target"], "nobody@a@local");
        assert_eq!(look["node"]["processes"], 2);
        assert_eq!(look["counts"][0]["name"], "messages_missed");
    });
}

#[test]
fn nothing_else_is_answered() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        assert_eq!(get(address, "/").0, 404);
        assert_eq!(ask(address, "POST", "/metrics", "localhost").0, 405);
        assert_eq!(ask(address, "HEAD", "/metrics", "localhost"), (200, String::new()));
        assert!(raw(address, b"\x16\x03\x01 garbage\r\n\r\n").starts_with("HTTP/1.1 400 "));
        let endless = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'x'; 100_000]].concat();
        assert!(!raw(address, &endless).contains(" 200 "));
        assert_eq!(get(address, "/metrics").0, 200, "and others are answered");
        drop(served);
        assert!(eventually_closed(address).await);
    });
}

async fn eventually_closed(address: SocketAddr) -> bool {
    // The port is closed by the node's own thread: soon, and not at once.
    while TcpStream::connect(address).is_ok() {
        smol::Timer::after(Duration::from_millis(1)).await;
    }
    true
}

#[test]
fn a_page_of_somebody_else_gets_nothing_from_a_loopback_address() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let (status, body) = ask(served.local_addr(), "GET", "/inspect", "evil.test");
        assert!(status == 421 && !body.contains("a@local"), "{status} {body}");
        let nameless = raw(served.local_addr(), b"GET /inspect HTTP/1.0\r\n\r\n");
        assert!(nameless.contains(" 421 "), "{nameless}");
    });
}
