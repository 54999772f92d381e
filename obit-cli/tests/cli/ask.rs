//! `obit nodes`, `obit monitors` and `obit why`, with commands of `obit` as the nodes.

use std::{fs, os::unix::fs::PermissionsExt};

use futures::{AsyncReadExt, AsyncWriteExt};
use monitor_runtime::ExitReason;
use serde_json::Value;

use crate::support::{Directory, Running, end, eventually, node, obit, obit_run, target, test};

/// Returns the lines that the command prints, parsed as JSON.
async fn json(directory: &Directory, arguments: &[&str]) -> Vec<Value> {
    let mut command = obit(arguments.iter().chain(&["--json"]));
    command.env("XDG_RUNTIME_DIR", directory.path(""));
    let ended = end(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_node_that_watches_is_asked_why() {
    test(async {
        let directory = Directory::new();
        let (a, b) = (node("a").await, node("b").await);
        let (worker, other) = (a.process().unwrap(), b.process().unwrap());
        worker.register("worker").unwrap();
        other.register("other").unwrap();
        let mut command = obit(["watch", "--json", &target("worker", &a), &target("other", &b)]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let mut watch = Running::start(command);
        let arrived = || a.stats().incoming_monitors + b.stats().incoming_monitors == 2;
        eventually("the monitors have arrived", arrived).await;

        let sockets: Vec<_> = fs::read_dir(directory.path("obit")).unwrap().map(Result::unwrap).collect();
        assert_eq!(sockets.len(), 1);
        assert_eq!(sockets[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);

        let nodes = json(&directory, &["nodes"]).await.remove(0);
        assert!(nodes["name"].as_str().unwrap().starts_with("visitor-"), "{nodes}");
        let peers: Vec<_> = nodes["peers"].as_array().unwrap().iter().map(|peer| &peer["name"]).collect();
        assert_eq!(peers, ["a@127.0.0.1", "b@127.0.0.1"]);
        let monitors = json(&directory, &["monitors"]).await.remove(0);
        let held = monitors["held"].as_array().unwrap().iter().map(|held| &held["target"]);
        assert_eq!(held.collect::<Vec<_>>(), ["worker@a@127.0.0.1", "other@b@127.0.0.1"]);

        worker.exit(ExitReason::other("status 7"));
        let told: Value = serde_json::from_str(&watch.line().await).unwrap();
        let why = json(&directory, &["why", told["monitor"].as_str().unwrap()]).await.remove(0);
        assert_eq!((&why["source"], &why["text"]), (&"target-node".into(), &"exit: status 7".into()));
        assert_eq!(why["incarnation"], a.id().incarnation.to_string());

        // The same answer as text for people.
        let socket = sockets[0].path();
        for why in [&["why"][..], &["why", "worker@a@127.0.0.1"]] {
            let ended = end(obit(why.iter().chain(&["--socket", socket.to_str().unwrap()]))).await;
            assert_eq!(ended.stdout[..2], ["worker@a@127.0.0.1", "  what     exit: status 7"]);
            assert!(
                ended.stdout[2].starts_with("  decided  by a@127.0.0.1 (incarnation "),
                "{:?}",
                ended.stdout
            );
        }
        let why = async |of: &str| end(obit(["why", of, "--socket", socket.to_str().unwrap()])).await;
        let nothing = why("x@a@127.0.0.1").await;
        assert!(nothing.code == Some(1) && nothing.stderr.contains("nothing of x@a"), "{}", nothing.stderr);
        assert!(nothing.stderr.contains("the node of the watcher"), "{}", nothing.stderr);
        let neither = why("x").await;
        assert!(
            neither.code == Some(2) && neither.stderr.contains("job1@a@10.0.0.7:7001"),
            "{}",
            neither.stderr
        );

        other.exit(ExitReason::Normal);
        assert_eq!(watch.end().await.code, Some(3));
        assert_eq!(fs::read_dir(directory.path("obit")).unwrap().count(), 0, "the socket went with it");
    });
}

#[test]
fn the_silence_of_a_frozen_node_is_the_evidence() {
    test(async {
        let directory = Directory::new();
        let socket = directory.path("watch.sock");
        let mut command = obit_run(&["cat"]);
        command.env("OBIT_PRESET", "fast");
        let mut job = Running::start(command);
        let job1 = format!("job1@job@127.0.0.1={}", job.address().await);
        let b = node("b").await;
        let other = b.process().unwrap();
        other.register("other").unwrap();
        let mut command =
            obit(["watch", "--preset", "fast", &job1, "nobody@job@127.0.0.1", &target("other", &b)]);
        command.arg("--socket").arg(&socket);
        let mut watch = Running::start(command);
        assert_eq!(watch.line().await, "nobody@job@127.0.0.1 is not there: no such process");

        job.signal(rustix::process::Signal::STOP);
        let line = watch.line().await;
        let silent = "job1@job@127.0.0.1 cannot be reached: no connection: the peer fell silent (silent for ";
        assert!(line.starts_with(silent), "{line}");
        let socket = ["--socket", socket.to_str().unwrap()];
        let why = [&["why", "job1@job@127.0.0.1"], &socket[..]].concat();
        let why = json(&directory, &why).await.remove(0);
        assert_eq!((&why["source"], &why["cause"]), (&"session-end".into(), &"Timeout".into()));
        assert!(why["silent_ms"].as_u64() >= Some(500) && why["incarnation"].is_string(), "{why}");

        other.exit(ExitReason::Normal);
        assert_eq!(watch.end().await.code, Some(5));
        job.kill().await;
    });
}

#[test]
fn the_node_to_ask_must_be_unambiguous() {
    test(async {
        let directory = Directory::new();
        let ask = async || {
            let mut command = obit(["nodes"]);
            command.env("XDG_RUNTIME_DIR", directory.path(""));
            end(command).await
        };
        let agent = async |label: &str| {
            let name = format!("{label}@127.0.0.1");
            let mut command = obit(["agent", "--node", &name, "--listen", "127.0.0.1:0"]);
            command.env("XDG_RUNTIME_DIR", directory.path(""));
            let mut agent = Running::start(command);
            agent.line().await;
            agent
        };
        let none = ask().await;
        assert!(
            none.code == Some(1) && none.stderr.contains("no node of `obit` runs here"),
            "{}",
            none.stderr
        );

        let mut one = agent("one").await;
        assert!(ask().await.stdout[0].starts_with("one@127.0.0.1 (this node, incarnation "));
        let _two = agent("two").await;
        let several = ask().await;
        assert_eq!(several.code, Some(1));
        for name in ["one", "two"] {
            assert!(several.stderr.contains(&format!("\n  --at {name}@127.0.0.1")), "{}", several.stderr);
            for at in [name, &format!("{name}@127.0.0.1")] {
                let at = format!("--at={at}");
                let mut command = obit(["nodes", &at]);
                command.env("XDG_RUNTIME_DIR", directory.path("")).env("OBIT_SOCKET", "/nowhere");
                let answer = end(command).await;
                assert!(answer.stdout[0].starts_with(&format!("{name}@127.0.0.1 ")), "{}", answer.stderr);
            }
        }

        // The next command removes the socket of a killed node, and does not count it as a node.
        one.kill().await;
        assert!(ask().await.stdout[0].starts_with("two@127.0.0.1 "));
        assert_eq!(fs::read_dir(directory.path("obit")).unwrap().count(), 1);
        // A hidden node is not the default if there is a visible one.
        let mut command = obit(["agent", "--node", "shy@127.0.0.1", "--listen", "127.0.0.1:0", "--hidden"]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let mut shy = Running::start(command);
        shy.line().await;
        assert!(ask().await.stdout[0].starts_with("two@127.0.0.1 "));

        let unset = end(obit(["nodes"])).await;
        assert!(unset.code == Some(1) && unset.stderr.contains("--socket"), "{}", unset.stderr);
    });
}

#[test]
fn a_node_is_shown_over_http_if_it_is_told_to() {
    test(async {
        let mut command = obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"]);
        command.env("OBIT_HTTP", "0").env("OBIT_LOG", "info");
        let mut agent = Running::start(command);
        let url = agent.logged("shown over HTTP url=").await;
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/").unwrap();
        let mut stream = smol::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\nobit_sessions 0\n"),
            "{answer}"
        );

        let taken =
            end(obit(["agent", "--node", "b@127.0.0.1", "--listen", "127.0.0.1:0", "--http", address])).await;
        assert!(
            taken.code == Some(1) && taken.stderr.contains("cannot listen for HTTP at"),
            "{}",
            taken.stderr
        );
    });
}

#[test]
fn an_empty_result_is_reported() {
    test(async {
        let directory = Directory::new();
        let mut command = obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let mut agent = Running::start(command);
        agent.line().await;
        for (ask, said) in [("monitors", "holds no monitors"), ("why", "so far"), ("nodes", "no other node")]
        {
            let mut command = obit([ask]);
            command.env("XDG_RUNTIME_DIR", directory.path(""));
            let answer = end(command).await;
            assert!(answer.code == Some(0) && answer.stderr.contains(said), "{ask}: {}", answer.stderr);
            assert_eq!(answer.stdout.len(), usize::from(ask == "nodes"), "{ask}");
        }
        let nodes = json(&directory, &["nodes"]).await.remove(0);
        assert_eq!((&nodes["version"], &nodes["hidden"]), (&env!("CARGO_PKG_VERSION").into(), &false.into()));
        assert!(nodes["uptime_ms"].is_u64(), "{nodes}");
    });
}

#[test]
fn a_hidden_node_shows_no_peer_as_hidden() {
    test(async {
        let directory = Directory::new();
        let a = node("a").await;
        let worker = a.process().unwrap();
        worker.register("worker").unwrap();
        let mut command = obit(["watch", &target("worker", &a)]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let _watch = Running::start(command);
        eventually("the monitor has arrived", || a.stats().incoming_monitors == 1).await;
        let mut command = obit(["nodes"]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let nodes = end(command).await.stdout;
        assert!(nodes[0].contains(", hidden") && !nodes[1].contains("hidden"), "{nodes:?}");
        assert!(nodes[1].contains("monitors on it 1, by it 0"), "{nodes:?}");
    });
}

#[test]
fn a_repeated_down_is_one_entry_for_people() {
    test(async {
        let directory = Directory::new();
        let a = node("a").await;
        let mut command = obit(["watch", "--wait", "100000", &target("worker", &a)]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let mut watch = Running::start(command);
        assert_eq!(watch.logged("waiting for ").await, "worker@a@127.0.0.1: no such process");
        let told = async || json(&directory, &["why"]).await.len();
        while told().await < 3 {
            smol::Timer::after(std::time::Duration::from_millis(10)).await;
        }
        let mut command = obit(["why", "worker@a@127.0.0.1"]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let why = end(command).await.stdout;
        assert!(why.len() == 6 && why[4].contains(" times, the first "), "{why:?}");
        assert_eq!(json(&directory, &["why", "--last", "2"]).await.len(), 2);
    });
}

#[test]
fn long_reasons_that_were_not_read_are_cut_and_marked_and_a_short_one_behind_them_is_whole() {
    // More bytes than the limit for unread reasons and the output buffer together.
    const FLOOD: usize = 160;
    test(async {
        let directory = Directory::new();
        let a = node("a").await;
        let workers: Vec<_> = (0..=FLOOD)
            .map(|n| {
                let worker = a.process().unwrap();
                worker.register(format!("worker{n}")).unwrap();
                worker
            })
            .collect();
        let targets = (0..=FLOOD).map(|n| target(&format!("worker{n}"), &a));
        let mut command = obit(["watch".to_owned(), "--json".to_owned()].into_iter().chain(targets));
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let watch = Running::start(command);
        eventually("the monitors have arrived", || a.stats().incoming_monitors == FLOOD + 1).await;

        let long = "x".repeat(ExitReason::MAX_LEN);
        for (n, worker) in workers.into_iter().enumerate() {
            let reason = if n < FLOOD { &*long } else { "status 7" };
            worker.exit(ExitReason::other(reason));
        }
        let is_active = |held: &Value| held["fired"] == false;
        while json(&directory, &["monitors"]).await[0]["held"].as_array().unwrap().iter().any(is_active) {
            smol::Timer::after(std::time::Duration::from_millis(10)).await;
        }
        let of = |told: &Value| (told["text"].as_str().unwrap().to_owned(), told["reason_was_cut"] == true);
        let cut = "exit: ".to_owned() + &long[..256];
        let why = json(&directory, &["why"]).await;
        assert_eq!(of(&why[0]), ("exit: status 7".to_owned(), false));
        assert_eq!(of(&why[1]), (cut.clone(), true));
        let mut command = obit(["why", "--last", "2"]);
        command.env("XDG_RUNTIME_DIR", directory.path(""));
        let why = end(command).await.stdout;
        assert!(why.contains(&"  what     exit: status 7".to_owned()), "{why:?}");
        assert!(why.contains(&format!("  what     {cut}… (cut)")), "{why:?}");

        let told = watch.end().await.stdout;
        let mut told: Vec<Value> = told.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(told.len(), FLOOD + 1);
        let last = told.pop().unwrap();
        assert_eq!((&last["status"], of(&last)), (&7.into(), ("exit: status 7".to_owned(), false)));
        assert_eq!(of(&told.pop().unwrap()), (cut, true));
        assert_eq!(of(&told[0]), (format!("exit: {long}"), false));
    });
}

#[test]
fn to_look_whether_a_node_is_there_is_no_question_that_is_refused() {
    test(async {
        let directory = Directory::new();
        let mut command = obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"]);
        command.env("XDG_RUNTIME_DIR", directory.path("")).env("OBIT_HTTP", "0").env("OBIT_LOG", "info");
        let mut agent = Running::start(command);
        let url = agent.logged("shown over HTTP url=").await;
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/").unwrap();
        json(&directory, &["nodes"]).await;
        let mut stream = smol::net::TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("obit_drops_total{what=\"questions_refused\"} 0\n"), "{answer}");
    });
}
