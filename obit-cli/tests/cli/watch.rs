//! `obit watch`.

use monitor_runtime::{ExitReason, Node, NodeType, Process};
use rustix::process::Signal;

use crate::support::{Directory, Running, end, eventually, node, obit, target, test};

fn process(node: &Node, name: &str) -> Process {
    let process = node.process().unwrap();
    process.register(name).unwrap();
    process
}

/// Watches a process, ends it with this reason once it is watched, and returns the line and the
/// exit code.
async fn result_of(reason: ExitReason, options: &[&str]) -> (String, Option<i32>) {
    let node = node("a").await;
    let worker = process(&node, "worker");
    let target = target("worker", &node);
    let watch = Running::start(obit(["watch", &target].iter().chain(options)));
    eventually("the monitor has arrived", || node.stats().incoming_monitors == 1).await;
    worker.exit(reason);
    let ended = watch.end().await;
    assert_eq!(ended.stdout.len(), 1, "{}", ended.stderr);
    (ended.stdout[0].clone(), ended.code)
}

fn other(text: &str) -> ExitReason {
    ExitReason::other(text)
}

#[test]
fn an_end_is_a_line_and_an_exit_code() {
    test(async {
        let result = result_of(ExitReason::Normal, &[]).await;
        assert_eq!(result, ("worker@a@127.0.0.1 is gone: exit: normal".to_owned(), Some(0)));
        let result = result_of(ExitReason::Shutdown, &[]).await;
        assert_eq!(result, ("worker@a@127.0.0.1 is gone: exit: shutdown".to_owned(), Some(0)));
        let result = result_of(other("out of paper"), &[]).await;
        assert_eq!(result, ("worker@a@127.0.0.1 is gone: exit: out of paper".to_owned(), Some(3)));
    });
}

#[test]
fn the_longest_times_that_can_be_given_are_as_good_as_none() {
    test(async {
        let (longest, least) = ("1000000000", "0.000000001");
        let result = result_of(ExitReason::Normal, &["--wait", longest, "--timeout", longest]).await;
        assert_eq!(result.1, Some(0));
        let result = result_of(ExitReason::Normal, &["--wait", least, "--timeout", longest]).await;
        assert_eq!(result.1, Some(0));
    });
}

#[test]
fn programs_read_the_end_as_json() {
    test(async {
        let json = async |reason| {
            let (line, code) = result_of(reason, &["--json"]).await;
            let mut json: serde_json::Value = serde_json::from_str(&line).unwrap();
            let monitor = json.as_object_mut().unwrap().remove("monitor").unwrap();
            assert!(monitor.as_str().unwrap().starts_with("partisan:ref:visitor-"), "{monitor}");
            assert!(json.as_object_mut().unwrap().remove("after_ms").unwrap().is_u64());
            (json.to_string(), code)
        };
        let target = "\"target\":\"worker@a@127.0.0.1\"";
        let of = |rest: &str| format!("{{{rest},{target},");
        let (status, code) = json(other("status 7")).await;
        assert_eq!(code, Some(3));
        assert_eq!(
            status,
            of(r#""exit":"other","reason":"exit","reason_was_cut":false,"status":7"#)
                + r#""text":"exit: status 7"}"#
        );
        let (signal, _) = json(other("signal 9 (SIGKILL)")).await;
        assert!(signal.contains(r#""signal":9"#), "{signal}");
        let (panic, _) = json(ExitReason::panicked("oh")).await;
        assert_eq!(
            panic,
            of(r#""exit":"panicked","reason":"exit","reason_was_cut":false"#)
                + r#""text":"exit: panicked: oh"}"#
        );
    });
}

#[test]
fn a_long_reason_is_cut_for_people_and_whole_in_json() {
    test(async {
        let reason = "long \u{1b} ".repeat(5000);
        let (line, _) = result_of(other(&reason), &[]).await;
        assert!(line.len() < 1100 && line.ends_with("… (cut)"), "{}: {line}", line.len());
        let (json, _) = result_of(other(&reason), &["--json"]).await;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let shown = reason.replace('\u{1b}', "\\u{1b}");
        assert_eq!(json["text"], format!("exit: {shown}"));
        assert_eq!(json["reason_was_cut"], false);
    });
}

#[test]
fn a_missing_process_and_an_unreachable_node_are_distinguished() {
    test(async {
        let node = node("a").await;
        let nobody = target("nobody", &node);
        let absent = end(obit(["watch", &nobody])).await;
        assert_eq!(absent.stdout, ["nobody@a@127.0.0.1 is not there: no such process"]);
        assert_eq!(absent.code, Some(4));

        node.stop().await;
        let unreachable = end(obit(["watch", "--json", &nobody])).await;
        assert_eq!(unreachable.code, Some(5));
        let json: serde_json::Value = serde_json::from_str(&unreachable.stdout[0]).unwrap();
        assert_eq!((&json["reason"], &json["cause"]), (&"noconnection".into(), &"Refused".into()));
    });
}

#[test]
fn every_end_is_told_as_it_comes_and_the_worst_is_the_exit_code() {
    test(async {
        let node = node("a").await;
        let (one, two) = (process(&node, "one"), process(&node, "two"));
        let two_by_pid = two.pid().to_string();
        let mut watch = Running::start(obit(["watch", &target("one", &node), &two_by_pid]));
        eventually("the monitors have arrived", || node.stats().incoming_monitors == 2).await;
        two.exit(other("status 1"));
        assert_eq!(watch.line().await, format!("{two_by_pid} is gone: exit: status 1"));
        one.exit(ExitReason::Normal);
        assert_eq!(watch.line().await, "one@a@127.0.0.1 is gone: exit: normal");
        assert_eq!(watch.end().await.code, Some(3));
    });
}

#[test]
fn a_signal_ends_the_watching_and_nothing_is_said_of_the_target() {
    test(async {
        let node = node("a").await;
        let _worker = process(&node, "worker");
        let watch = Running::start(obit(["watch", &target("worker", &node)]));
        eventually("the monitor has arrived", || node.stats().incoming_monitors == 1).await;
        watch.signal(Signal::TERM);
        let ended = watch.end().await;
        assert_eq!((ended.code, ended.stdout.len()), (Some(143), 0));
        eventually("the monitor is over", || node.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn an_absent_target_has_the_given_time_to_appear() {
    test(async {
        let node = node("a").await;
        let target = target("worker", &node);
        let patient = Running::start(obit(["watch", "--wait", "100000", &target]));
        eventually("it has been asked for", || !node.nodes(NodeType::All).is_empty()).await;
        let worker = process(&node, "worker");
        eventually("the monitor has arrived", || node.stats().incoming_monitors == 1).await;
        worker.exit(ExitReason::Normal);
        let ended = patient.end().await;
        assert_eq!(
            (&ended.stdout[..], ended.code),
            (&["worker@a@127.0.0.1 is gone: exit: normal".to_owned()][..], Some(0))
        );

        let impatient = end(obit(["watch", "--wait", "1", &target])).await;
        assert_eq!((impatient.stdout.len(), impatient.code), (1, Some(4)));
    });
}

#[test]
fn a_time_that_is_up_has_an_exit_code_of_its_own() {
    test(async {
        let node = node("a").await;
        let _worker = process(&node, "worker");
        let ended = end(obit(["watch", "--timeout", "0.2", &target("worker", &node)])).await;
        assert_eq!((ended.code, ended.stdout.len()), (Some(6), 0), "{}", ended.stderr);
        assert!(ended.stderr.contains("1 not known to have ended"), "{}", ended.stderr);
        let nonsense = end(obit(["watch", "--timeout", "soon", &target("worker", &node)])).await;
        assert!(nonsense.code == Some(2) && nonsense.stderr.contains("60 or 0.5"), "{}", nonsense.stderr);
    });
}

#[test]
fn the_first_end_is_enough_if_any_will_do() {
    test(async {
        let node = node("a").await;
        let (one, _two) = (process(&node, "one"), process(&node, "two"));
        let watch = Running::start(obit(["watch", "--any", &target("one", &node), &target("two", &node)]));
        eventually("the monitors have arrived", || node.stats().incoming_monitors == 2).await;
        one.exit(other("status 1"));
        let ended = watch.end().await;
        assert_eq!(ended.stdout, ["one@a@127.0.0.1 is gone: exit: status 1"]);
        assert_eq!(ended.code, Some(3));
    });
}

#[test]
fn the_socket_that_the_environment_names_is_that_of_another() {
    test(async {
        let directory = Directory::new();
        let socket = directory.path("a.sock");
        let agent = ["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"];
        let mut command = obit(agent);
        command.env("OBIT_SOCKET", &socket);
        let mut agent = Running::start(command);
        let address = agent.line().await.rsplit(' ').next().unwrap().to_owned();
        let mut command = obit(["watch", &format!("nobody@a@127.0.0.1={address}")]);
        command.env("OBIT_SOCKET", &socket);
        assert_eq!(end(command).await.code, Some(4), "it does not listen there, and watches");
        let mut command = obit(["nodes"]);
        command.env("OBIT_SOCKET", &socket);
        assert!(end(command).await.stdout[0].starts_with("a@127.0.0.1 "));
    });
}

#[test]
fn a_reader_that_exits_ends_it_silently() {
    test(async {
        let node = node("a").await;
        let nobody = target("nobody", &node);
        let obit = env!("CARGO_BIN_EXE_obit");
        let script = format!("{{ '{obit}' watch '{nobody}'; echo $? >&2; }} | true");
        let mut shell = smol::process::Command::new("sh");
        shell.args(["-c", &script]).kill_on_drop(true);
        assert_eq!(end(shell).await.stderr, "141");
        #[cfg(target_os = "linux")]
        {
            let mut shell = smol::process::Command::new("sh");
            shell.args(["-c", &format!("'{obit}' watch '{nobody}' >/dev/full; echo $?")]).kill_on_drop(true);
            let full = end(shell).await;
            assert_eq!(full.stdout, ["1"]);
            assert!(full.stderr.starts_with("error: cannot write to standard output: "), "{}", full.stderr);
        }
    });
}
