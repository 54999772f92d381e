//! Inspecting a node over HTTP.
#![cfg(all(feature = "http", unix))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use common::{Cluster, name, run};
use monitor_runtime::{Config, Node, http};
use serde_json::Value;

const LOOPBACK: &str = "127.0.0.1:0";

async fn node() -> Node {
    Cluster::new().node_with("a", |config| config.max_history(8)).await
}

/// Sends these bytes, and returns the response until the connection is closed.
fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The node may refuse an invalid request before it has read it to its end.
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
        assert_eq!(get(address, "/page").0, 404);
        assert_eq!(ask(address, "POST", "/metrics", "localhost").0, 405);
        assert_eq!(ask(address, "HEAD", "/metrics", "localhost"), (200, String::new()));
        assert!(raw(address, b"\x16\x03\x01 garbage\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert_eq!(ask(address, "GET", "/inspect?downs=all", "localhost").0, 400);
        assert_eq!(ask(address, "TRACE", "/", "localhost").0, 405);
        let endless = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'x'; 100_000]].concat();
        assert!(raw(address, &endless).starts_with("HTTP/1.1 431 "));
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

#[test]
fn a_request_that_names_no_host_or_two_is_refused() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        for hosts in ["", "Host: localhost\r\nHost: localhost\r\n"] {
            let answer = raw(served.local_addr(), format!("GET /inspect HTTP/1.1\r\n{hosts}\r\n").as_bytes());
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
    });
}

#[test]
fn the_page_brings_all_it_needs_and_may_load_nothing_else() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        let page = raw(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (head, page) = page.split_once("\r\n\r\n").unwrap();
        for header in [
            "content-type: text/html; charset=utf-8",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "cross-origin-resource-policy: same-origin",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{header}\nis not in\n{head}");
        }
        assert!(!page.contains("style=") && !page.contains("onclick"), "the policy forbids it");
        let named = page
            .split(['"', '='])
            .filter(|word| [".css", ".js", ".svg"].iter().any(|end| word.ends_with(end)));
        let named: Vec<_> = named.collect();
        assert!(named.len() >= 3, "{named:?}");
        for file in named {
            let (status, text) = get(address, &format!("/{file}"));
            assert!(status == 200 && !text.contains("innerHTML"), "{file}: {status}");
            for import in text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert_eq!(get(address, &format!("/{import}")).0, 200, "{import}");
            }
        }
        assert!(!page.contains("http:") && !page.contains("https:"), "nothing comes from elsewhere");
    });
}

#[test]
fn a_look_shows_no_more_than_was_asked_for() {
    run(async {
        let node = node().await;
        let worker = node.process().unwrap();
        let monitors: Vec<_> = (0..3).map(|_| node.monitor(worker.pid()).unwrap()).collect();
        for name in ["x", "y"].map(name) {
            node.monitor(name.at(node.name().clone())).unwrap().await;
        }
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let look = |query: &str| -> Value {
            let (status, json) = get(served.local_addr(), &format!("/inspect?{query}"));
            assert_eq!(status, 200, "{json}");
            serde_json::from_str(&json).unwrap()
        };
        let some = look("monitors=2&downs=1");
        assert_eq!(
            (some["monitors"]["held"].as_array().unwrap().len(), &some["monitors"]["more"]),
            (2, &true.into())
        );
        assert_eq!(some["downs"].as_array().unwrap().len(), 1);
        let all = look("");
        assert_eq!(
            (all["monitors"]["held"].as_array().unwrap().len(), &all["monitors"]["more"]),
            (3, &false.into())
        );
        let count = |list: &str, name: &str| {
            let lines = all[list].as_array().unwrap().iter();
            lines.filter(|line| line["name"] == name).map(|line| line["count"].as_u64().unwrap()).next()
        };
        assert_eq!(
            [count("told", "noproc"), count("told", "exit"), count("gauges", "monitors")],
            [Some(2), Some(0), Some(3)]
        );
        drop(monitors);
    });
}

#[test]
fn those_who_say_nothing_give_their_places_to_others() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        // More clients than can be connected at once. Each is disconnected after its timeout, and
        // until then others wait.
        let silent: Vec<_> = (0..150).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(get(address, "/metrics").0, 200);
        assert!(node.stats().count("questions_slow").unwrap() > 0);
        drop(silent);
    });
}

#[test]
fn who_has_said_nothing_for_the_longest_gives_way_to_who_comes() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        let half = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /metrics HT").unwrap();
            stream
        };
        let mut half: Vec<_> = (0..180).map(half).collect();
        assert_eq!(get(address, "/metrics").0, 200);
        // The first of them was closed to free its slot, the last still has its slot and can
        // continue.
        let host = format!("TP/1.1\r\nHost: {address}\r\n\r\n");
        let last = half.last_mut().unwrap();
        last.write_all(host.as_bytes()).unwrap();
        let mut answer = String::new();
        last.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(node.stats().count("questions_slow").unwrap() >= 45);
    });
}

#[test]
fn hundreds_that_ask_at_once_are_all_answered() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        let ask = |number: usize| {
            let mut stream = TcpStream::connect(address).unwrap();
            let path = ["/inspect", "/metrics", "/"][number % 3];
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
            stream
        };
        for _ in 0..5 {
            let asking: Vec<_> = (0..400).map(ask).collect();
            for mut stream in asking {
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            }
        }
        assert_eq!(node.stats().count("questions_slow"), Some(0));
    });
}

#[test]
fn a_page_of_another_site_gets_nothing_and_may_embed_nothing() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        for path in ["/", "/inspect", "/metrics", "/page.js", "/nothing"] {
            let ask = |site: &str| {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}\r\n\r\n");
                raw(served.local_addr(), request.as_bytes())
            };
            for site in ["cross-site", "same-site"] {
                let answer = ask(site);
                assert!(
                    answer.starts_with("HTTP/1.1 403 ") && !answer.contains("a@local"),
                    "{path}: {answer}"
                );
            }
            for site in ["same-origin", "none"] {
                let answer = ask(site);
                assert!(!answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
            }
            for site in ["none", "cross-site"] {
                assert!(ask(site).contains("\r\ncross-origin-resource-policy: same-origin\r\n"), "{path}");
            }
        }
    });
}

#[test]
fn a_link_on_another_site_leads_to_the_page_and_nothing_else() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let ask = |path: &str, destination: &str| {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n\
                 Sec-Fetch-Dest: {destination}\r\n\r\n"
            );
            raw(served.local_addr(), request.as_bytes())
        };
        let page = ask("/", "document");
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        // A script of the other site cannot read the window that it has opened.
        assert!(page.contains("\r\ncross-origin-opener-policy: same-origin\r\n"), "{page}");
        for path in ["/inspect", "/metrics", "/page.js"] {
            assert!(ask(path, "document").starts_with("HTTP/1.1 403 "), "{path}");
        }
        for frame in ["iframe", "frame", "embed", "object", "script", "empty"] {
            assert!(ask("/", frame).starts_with("HTTP/1.1 403 "), "{frame}");
        }
    });
}

#[test]
fn the_monitors_with_each_peer_are_counted_however_few_are_shown() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (here, there) = (a.process().unwrap(), b.process().unwrap());
        let _held: Vec<_> = (0..7).map(|_| here.monitor(there.pid()).unwrap()).collect();
        let _on: Vec<_> = (0..5).map(|_| there.monitor(here.pid()).unwrap()).collect();
        common::eventually("all monitors stand", || {
            a.stats().incoming_monitors == 5 && b.stats().incoming_monitors == 7
        })
        .await;
        let served = http::serve(&a, LOOPBACK.parse().unwrap()).unwrap();
        let (_, json) = get(served.local_addr(), "/inspect?monitors=2");
        let look: Value = serde_json::from_str(&json).unwrap();
        let peer = &look["node"]["peers"][0];
        assert_eq!((&peer["monitors"], &peer["monitored_by"]), (&7.into(), &5.into()), "{peer}");
        assert_eq!(look["monitors"]["more"], true);
    });
}

/// The metrics that the page for operators explains: the name, and the label's value where there
/// are several.
#[cfg(feature = "tcp")]
fn explained() -> BTreeSet<(String, String)> {
    let page = include_str!("../../docs/METRICS.md");
    let mut family = "";
    let mut explained = BTreeSet::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            family = heading.trim_matches('`');
        }
        let Some(name) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) else { continue };
        let metric = if name.starts_with("obit_") { (name, "") } else { (family, name) };
        // The heads of tables have the names of labels.
        if !["reason", "what"].contains(&name) {
            let cells = line.split(" | ").count();
            assert_eq!(cells, 4, "{line}");
            explained.insert((metric.0.to_owned(), metric.1.to_owned()));
        }
    }
    explained
}

#[cfg(feature = "tcp")]
#[test]
fn every_metric_is_explained() {
    run(async {
        let config = Config::new("a@127.0.0.1").listen(LOOPBACK.parse().unwrap());
        let node = Node::start(config).await.unwrap();
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let (_, text) = get(served.local_addr(), "/metrics");
        let series =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0);
        let shown: BTreeSet<_> = series
            .map(|series| match series.split_once('{') {
                Some((name @ ("obit_node_info" | "obit_build_info"), _)) => (name.to_owned(), String::new()),
                Some((name, labels)) => (name.to_owned(), labels.split('"').nth(1).unwrap().to_owned()),
                None => (series.to_owned(), String::new()),
            })
            .collect();
        let explained = explained();
        let missing: Vec<_> = shown.difference(&explained).collect();
        let too_many: Vec<_> = explained.difference(&shown).collect();
        assert!(missing.is_empty() && too_many.is_empty(), "explain {missing:?}, remove {too_many:?}");
    });
}

#[test]
fn what_is_refused_is_counted() {
    run(async {
        let node = node().await;
        let served = http::serve(&node, LOOPBACK.parse().unwrap()).unwrap();
        let address = served.local_addr();
        let refused = || node.stats().count("questions_refused").unwrap();
        assert_eq!((get(address, "/metrics").0, refused()), (200, 0));
        assert_eq!((get(address, "/nothing").0, refused()), (404, 1));
        assert_eq!((ask(address, "GET", "/inspect", "evil.test").0, refused()), (421, 2));
        raw(address, b"\x16\x03\x01 garbage\r\n\r\n");
        common::eventually("what is no HTTP is counted", || refused() == 3).await;
    });
}
