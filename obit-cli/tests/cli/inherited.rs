//! Tests that `obit run` and its command inherit signals, streams and limits correctly.
#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::PermissionsExt};

use smol::process::Command;

use crate::{
    signals::obit_run,
    support::{Directory, Ended, end, obit, test},
};

/// A command line through a program that executes it: `["env", "--ignore-signal=INT"]`.
fn by_way_of(before: &[&str], command: &Command) -> Command {
    let (program, arguments) = before.split_first().unwrap();
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program()).args(command.get_args()).kill_on_drop(true);
    outer
}

/// The options with which `obit` starts a command in different ways.
const OPTIONS: [&[&str]; 4] = [&[], &["--group"], &["--die-with-obit"], &["--group", "--die-with-obit"]];

fn field(ended: &Ended, name: &str) -> u64 {
    let found = ended.stdout.iter().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(found.unwrap().trim_start_matches(':').trim(), 16).unwrap()
}

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

const SIGCHLD: u32 = 17;
const SIGPIPE: u32 = 13;

#[test]
fn a_parent_that_ignores_the_end_of_children_hides_no_status() {
    test(async {
        for options in OPTIONS {
            let run = obit_run(options, &["sh", "-c", "exit 7"]);
            let ended = end(by_way_of(&["env", "--ignore-signal=CHLD"], &run)).await;
            assert_eq!(ended.code, Some(7), "{options:?}: {}", ended.stderr);
        }
    });
}

#[test]
fn the_command_ignores_what_obit_was_started_to_ignore_and_nothing_else_is_special() {
    test(async {
        for options in OPTIONS {
            let run = obit_run(options, &["cat", "/proc/self/status"]);
            let before = [
                "env",
                "--ignore-signal=HUP",
                "--ignore-signal=USR2",
                "--ignore-signal=CHLD",
                "--block-signal",
            ];
            let ended = end(by_way_of(&before, &run)).await;
            let direct = end(by_way_of(&before, &{
                let mut cat = Command::new("cat");
                cat.arg("/proc/self/status");
                cat
            }))
            .await;
            let ignored = field(&direct, "SigIgn") & !bit(SIGCHLD) & !bit(SIGPIPE);
            assert_eq!(field(&ended, "SigIgn"), ignored, "{options:?}");
            assert_eq!(field(&ended, "SigCgt"), field(&direct, "SigCgt"), "{options:?}");
            assert_eq!((field(&ended, "SigBlk"), field(&ended, "SigPnd")), (0, 0), "{options:?}");
        }
    });
}

#[test]
fn the_command_has_the_descriptors_of_obit_and_no_others() {
    test(async {
        for options in OPTIONS {
            // The command inherits descriptors of `obit`, those of the test process included.
            let before = ["sh", "-c", "exec \"$0\" \"$@\" 7</dev/null"];
            let ended = end(by_way_of(&before, &obit_run(options, &["ls", "/proc/self/fd"]))).await;
            let mut direct = Command::new("ls");
            direct.arg("/proc/self/fd");
            assert_eq!(ended.stdout, end(by_way_of(&before, &direct)).await.stdout, "{options:?}");
            assert!(ended.stdout.contains(&"7".to_owned()), "{options:?}: {:?}", ended.stdout);
        }
    });
}

#[test]
fn a_standard_stream_that_is_closed_is_empty() {
    test(async {
        for options in OPTIONS {
            let run = obit_run(options, &["sh", "-c", "readlink /proc/$$/fd/0 /proc/$$/fd/2"]);
            let ended = end(by_way_of(&["sh", "-c", "exec \"$0\" \"$@\" <&- 2>&-"], &run)).await;
            assert_eq!(
                (ended.code, &*ended.stdout.join(" ")),
                (Some(0), "/dev/null /dev/null"),
                "{options:?}"
            );
            let all_closed = ["sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"];
            assert_eq!(
                end(by_way_of(&all_closed, &obit_run(options, &["sh", "-c", "exit 9"]))).await.code,
                Some(9)
            );
        }
    });
}

#[test]
fn the_command_is_in_the_process_group_of_obit_unless_it_has_one_of_its_own() {
    test(async {
        // The pid, and the ids of its parent, its process group and its session.
        let script = "read pid name state parent group session rest < /proc/$$/stat; echo $pid $parent $group $session; \
            read pid name state parent group session rest < /proc/$PPID/stat; echo $group $session";
        for options in OPTIONS {
            let ended = end(obit_run(options, &["sh", "-c", script])).await;
            let numbers: Vec<u32> = ended
                .stdout
                .iter()
                .flat_map(|line| line.split(' '))
                .map(|word| word.parse().unwrap())
                .collect();
            let [pid, _parent, group, session, obits_group, obits_session] = numbers[..] else { panic!() };
            let expected = if options.contains(&"--group") { pid } else { obits_group };
            assert_eq!((group, session), (expected, obits_session), "{options:?}");
        }
    });
}

#[test]
fn a_directory_that_was_removed_keeps_no_command_from_running() {
    test(async {
        for options in OPTIONS {
            let run = obit_run(options, &["sh", "-c", "exit 5"]);
            let script = "cd \"$(mktemp -d)\"; rmdir \"$PWD\"; exec \"$0\" \"$@\"";
            assert_eq!(end(by_way_of(&["sh", "-c", script], &run)).await.code, Some(5), "{options:?}");
        }
    });
}

#[test]
fn a_program_that_cannot_be_executed_has_the_same_exit_code_however_it_is_started() {
    test(async {
        for options in OPTIONS {
            for (program, code) in [("/no/such/program", 127), ("/", 126)] {
                let ended = end(obit_run(options, &[program])).await;
                assert_eq!(ended.code, Some(code), "{program} with {options:?}");
                assert!(ended.stderr.contains(&format!("cannot start {program}: ")), "{}", ended.stderr);
            }
        }
    });
}

/// Returns whether `obit` failed. If it did, checks that it failed with one line of text.
fn failed_clearly(ended: &Ended, own_failure: i32, what: &str) -> bool {
    let lines: Vec<_> = ended.stderr.lines().filter(|line| !line.contains(" WARN ")).collect();
    if ended.code == Some(0) {
        assert!(lines.is_empty(), "{what}: {}", ended.stderr);
        return false;
    }
    assert_eq!(ended.code, Some(own_failure), "{what}: {}", ended.stderr);
    assert!(lines.len() == 1 && lines[0].starts_with("error: cannot "), "{what}: {}", ended.stderr);
    assert!(lines[0].contains("; raise the limit of "), "{what}: {}", ended.stderr);
    true
}

#[test]
fn a_script_that_names_no_interpreter_is_run_by_the_shell() {
    test(async {
        let directory = Directory::new();
        let script = directory.file("job", "echo \"$0 $1\"\nexit 7\n");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for options in OPTIONS {
            for program in [script.to_str().unwrap(), "job"] {
                let mut run = obit_run(options, &[program, "one two"]);
                run.env("PATH", format!("{}:/usr/bin:/bin", script.parent().unwrap().display()));
                let ended = end(run).await;
                assert_eq!(ended.code, Some(7), "{program} with {options:?}: {}", ended.stderr);
                assert_eq!(ended.stdout, [format!("{} one two", script.display())], "{options:?}");
            }
        }
    });
}

#[test]
fn with_few_descriptors_it_fails_clearly_and_does_not_hang() {
    test(async {
        let directory = Directory::new();
        let socket = ["--socket", directory.path("socket").to_str().unwrap()].map(str::to_owned);
        for options in [&[][..], &socket.each_ref().map(String::as_str)] {
            let mut failed = Vec::new();
            for limit in 5..20 {
                let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
                let ended = end(by_way_of(&["sh", "-c", &script], &obit_run(options, &["true"]))).await;
                failed.push(failed_clearly(&ended, 125, &format!("{limit} descriptors")));
            }
            assert!(failed[0] && !failed[failed.len() - 1], "{failed:?}");
        }
    });
}

#[test]
fn a_log_that_reaches_the_limit_of_file_sizes_ends_neither_obit_nor_the_command() {
    test(async {
        let directory = Directory::new();
        let log = directory.path("log");
        let script = format!("ulimit -f 0; exec \"$0\" \"$@\" 2>{}", log.display());
        let run = obit_run(&["--log", "trace"], &["sh", "-c", "exit 7"]);
        let ended = end(by_way_of(&["sh", "-c", &script], &run)).await;
        assert_eq!(ended.code, Some(7), "{}", ended.stderr);
        assert_eq!(fs::metadata(&log).unwrap().len(), 0, "nothing fits");
    });
}

#[test]
fn with_few_threads_it_fails_clearly_and_does_not_hang() {
    test(async {
        // The limit does not apply to root, and counts all processes of a user, those that were not
        // reaped yet included. So each command gets a user of its own without other processes.
        let mut users = 1_000_000 + 64 * std::process::id()..;
        let mut as_user = |limit: u32, command: &Command| {
            let user = format!("--reuid={}", users.next().unwrap());
            let limit = format!("--nproc={limit}");
            by_way_of(&["setpriv", &user, "--clear-groups", "prlimit", &limit], command)
        };
        if end(as_user(1000, &obit(["--version"]))).await.code != Some(0) {
            eprintln!("not tested: another user cannot run the program here");
            return;
        }
        let (mut failed, directory) = (Vec::new(), Directory::new());
        let question = obit(["nodes", "--socket", directory.path("none.sock").to_str().unwrap()]);
        for limit in 1..16 {
            let ended = end(as_user(limit, &obit_run(&[], &["true"]))).await;
            failed.push(failed_clearly(&ended, 125, &format!("{limit} threads")));
            let asked = end(as_user(limit, &question)).await;
            let lines: Vec<_> = asked.stderr.lines().collect();
            assert_eq!((asked.code, lines.len()), (Some(1), 1), "{limit} threads: {}", asked.stderr);
            assert!(lines[0].starts_with("error: "), "{limit} threads: {}", asked.stderr);
        }
        assert!(failed[0] && !failed[failed.len() - 1], "{failed:?}");
    });
}

#[test]
fn a_small_stack_is_enough() {
    test(async {
        for options in OPTIONS {
            let run = obit_run(options, &["sh", "-c", "exit 5"]);
            let ended = end(by_way_of(&["sh", "-c", "ulimit -s 128; exec \"$0\" \"$@\""], &run)).await;
            assert_eq!(ended.code, Some(5), "{options:?}: {}", ended.stderr);
        }
    });
}

#[test]
fn a_process_in_the_background_that_holds_the_output_open_keeps_it_from_nothing() {
    test(async {
        // The background process runs until its input ends, with the test.
        let mut job =
            crate::support::Running::start(obit_run(&[], &["sh", "-c", "exec 3<&0; cat <&3 & exit 4"]));
        assert_eq!(job.child.status().await.unwrap().code(), Some(4));
    });
}

/// Whether a process may have a pid namespace of its own here.
async fn can_be_process_1() -> bool {
    let mut unshare = Command::new("unshare");
    let allowed =
        unshare.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "true"]).output();
    allowed.await.is_ok_and(|output| output.status.success())
}

#[test]
fn as_process_1_it_reaps_orphans_and_keeps_the_status_of_its_command() {
    test(async {
        if !can_be_process_1().await {
            eprintln!("not tested: `unshare` is not permitted here");
            return;
        }
        // The orphan ends after its parent, so process 1 is its parent then. Its entry disappears
        // when it is reaped.
        let script = "read orphan <<EOF\n$(sh -c 'sleep 0.1 >/dev/null & echo $!')\nEOF\n\
            for turn in $(seq 500); do [ -e /proc/$orphan ] || exit 7; sleep 0.02; done; cat /proc/$orphan/status; exit 1";
        for options in OPTIONS {
            let run = obit_run(options, &["sh", "-c", script]);
            let before = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
            let ended = end(by_way_of(&before, &run)).await;
            assert_eq!(ended.code, Some(7), "{options:?}: {:?} {}", ended.stdout, ended.stderr);
        }
    });
}

#[test]
fn the_status_is_that_of_the_command_whatever_other_children_there_are() {
    test(async {
        // The shell executes `obit`, which so has a child that it did not start and that ends
        // first.
        let run = obit_run(&[], &["sh", "-c", "sleep 0.3; exit 6"]);
        let ended = end(by_way_of(&["sh", "-c", "(exit 3) & exec \"$0\" \"$@\""], &run)).await;
        assert_eq!(ended.code, Some(6));
    });
}
