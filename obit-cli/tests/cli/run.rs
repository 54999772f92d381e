//! `obit run`.

use monitor_runtime::{DownReason, EndKind, Secret};
use rustix::process::Signal;
#[cfg(target_os = "linux")]
use smol::process::Command;

use crate::support::{Directory, Running, end, monitor_job, node, node_with_secret, obit, obit_run, test};

/// Runs a command that waits for a line, monitors it, sends the line, and returns the reason and
/// the exit code.
async fn result_of(command: &str) -> (String, Option<i32>) {
    let watcher = node("watcher").await;
    let mut job = Running::start(obit_run(&["sh", "-c", &format!("read line; {command}")]));
    let mut set = monitor_job(&watcher, &job.address().await).await;
    job.write("go\n").await;
    let down = set.next().await.unwrap();
    assert_eq!(down.target.to_string(), "job1@job@127.0.0.1");
    (down.reason.to_string(), job.end().await.code)
}

#[test]
fn the_status_of_the_command_is_the_reason_and_the_exit_code() {
    test(async {
        assert_eq!(result_of("exit 0").await, ("exit: normal".to_owned(), Some(0)));
        assert_eq!(result_of("exit 7").await, ("exit: status 7".to_owned(), Some(7)));
    });
}

#[test]
fn the_signal_that_ends_the_command_is_the_reason() {
    test(async {
        assert_eq!(result_of("kill -KILL $$").await, ("exit: signal 9 (SIGKILL)".to_owned(), Some(137)));
    });
}

#[test]
fn signals_are_passed_on_to_the_command() {
    test(async {
        let watcher = node("watcher").await;
        let mut job = Running::start(obit_run(&["cat"]));
        let mut set = monitor_job(&watcher, &job.address().await).await;
        job.signal(Signal::TERM);
        // The command ended by the signal that asked `obit` to end.
        assert_eq!(set.next().await.unwrap().reason.to_string(), "exit: shutdown");
        assert_eq!(job.end().await.code, Some(143));
    });
}

// Only Linux reports which signals a program was started to ignore.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_switched_off_stays_so() {
    test(async {
        let run = obit_run(&["grep", "SigIgn", "/proc/self/status"]);
        let mut nohup = Command::new("sh");
        nohup.kill_on_drop(true).args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run.get_program());
        nohup.args(run.get_args());
        let ended = end(nohup).await;
        let ignored = ended.stdout[0].strip_prefix("SigIgn:").unwrap().trim();
        // The bit of signal 1: the command inherits it only if `obit` does not catch the signal.
        assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "{ignored}");
    });
}

#[test]
fn a_node_that_is_killed_says_nothing_of_its_command_which_runs_on() {
    test(async {
        let watcher = node("watcher").await;
        let mut job = Running::start(obit_run(&["cat"]));
        let mut set = monitor_job(&watcher, &job.address().await).await;
        job.kill().await;
        let reason = set.next().await.unwrap().reason;
        assert!(matches!(reason, DownReason::NoConnection(end) if end.kind == EndKind::Closed), "{reason}");
        job.write("still there\n").await;
        assert_eq!(job.line().await, "still there");
    });
}

#[test]
fn the_command_has_the_streams_of_obit_and_not_its_secret() {
    test(async {
        let mut command = obit_run(&["sh", "-c", "read line; echo \"$line, ${OBIT_SECRET-no secret}\""]);
        command.env("OBIT_SECRET", "a secret that is long enough for a node");
        let mut job = Running::start(command);
        job.write("one line\n").await;
        assert_eq!(job.line().await, "one line, no secret");
        assert_eq!(job.end().await.code, Some(0));
    });
}

#[test]
fn a_command_that_cannot_be_run_has_the_exit_codes_of_shells() {
    test(async {
        let missing = end(obit_run(&["/no/such/program"])).await;
        assert_eq!(missing.code, Some(127));
        assert!(missing.stderr.contains("cannot start /no/such/program: "), "{}", missing.stderr);
        assert_eq!(end(obit_run(&["/"])).await.code, Some(126));

        let nameless = end(obit(["run", "--name", "job1", "--", "true"])).await;
        assert_eq!(nameless.code, Some(125));
        assert!(nameless.stderr.contains("--node a@10.0.0.7:7001"), "{}", nameless.stderr);
        assert_eq!(end(obit(["run", "--name", "job@1", "--", "true"])).await.code, Some(2));
    });
}

#[test]
fn run_and_watch_share_the_secret_that_keygen_makes() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("cluster.key");
        let key = key.to_str().unwrap();
        assert_eq!(end(obit(["keygen", key])).await.code, Some(0));
        assert_eq!(end(obit(["keygen", key])).await.code, Some(1), "it is never overwritten");

        let watcher = node_with_secret("watcher", Secret::from_file(key).unwrap()).await;
        let mut command = obit_run(&["cat"]);
        command.env("OBIT_SECRET_FILE", key);
        let mut job = Running::start(command);
        let address = job.address().await;
        // With the secret the monitor reaches the node,
        let mut set = monitor_job(&watcher, &address).await;
        // and without it does not.
        let job1 = format!("job1@job@127.0.0.1={address}");
        assert_eq!(end(obit(["watch", &job1])).await.code, Some(5));

        let nobody = "nobody@job@127.0.0.1";
        let mut inside = Running::start(obit(["watch", "--secret-file", key, &job1, nobody]));
        assert_eq!(inside.line().await, format!("{nobody} is not there: no such process"));
        assert_eq!(job.end().await.code, Some(0));
        assert_eq!(inside.line().await, "job1@job@127.0.0.1 is gone: exit: normal");
        assert!(set.next().await.unwrap().reason.is_terminal());
    });
}
