//! Signals to the command of `obit run` without a terminal.

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use smol::process::Command;

use crate::{
    parts::{Record, recorder},
    support::{Directory, Running, eventually, monitor_job, node, obit, test},
};

/// The signal that is sent last. When it has arrived, all signals before it have: it has the
/// highest number.
pub(crate) const LAST: Signal = Signal::WINCH;

/// `obit run` of this command, with these options.
pub(crate) fn obit_run<T: AsRef<str>>(options: &[&str], command: &[T]) -> Command {
    let settings = ["run", "--node", "job@127.0.0.1", "--listen", "127.0.0.1:0", "--name", "job1"];
    let command = command.iter().map(AsRef::as_ref);
    obit(settings.into_iter().chain(options.iter().copied()).chain(["--"]).chain(command))
}

/// A process that is not a child of the test, and is killed on drop.
pub(crate) struct Stray(pub(crate) Pid);

impl Drop for Stray {
    fn drop(&mut self) {
        // It may have ended already, as some tests expect.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// A recorder under `obit run`, in a process group other than that of the tests.
struct Recorded {
    record: Record,
    obit: Running,
    job: Stray,
    _directory: Directory,
}

impl Recorded {
    async fn start(options: &[&str], before: &[&str]) -> Self {
        let directory = Directory::new();
        let record = Record::new(directory.path("record"));
        let run = obit_run(options, &recorder());
        let words: Vec<_> =
            before.iter().map(AsRef::as_ref).chain([run.get_program()]).chain(run.get_args()).collect();
        let mut command = Command::new("setsid");
        command.arg("--wait").args(words).kill_on_drop(true);
        let (variable, value) = record.variable();
        command.env(variable, value);
        let obit = Running::start(command);
        let job = Stray(record.pid("pid ").await);
        record.pid("group ").await;
        Recorded { record, obit, job, _directory: directory }
    }

    fn obit(&self) -> Pid {
        // `setsid` has executed `obit` in its own process, since it was not a group leader.
        Pid::from_raw(self.obit.child.id().try_into().unwrap()).unwrap()
    }

    /// Sends a signal, and returns the number of times that the command has received it.
    async fn times(&self, signal: Signal, send: impl FnOnce()) -> usize {
        let lasts = self.record.count(&format!("signal {}", LAST.as_raw()));
        let before = self.record.signals().get(&signal.as_raw()).copied().unwrap_or_default();
        send();
        if signal != LAST {
            kill_process(self.obit(), LAST).unwrap();
        }
        self.record.wait(&format!("signal {}", LAST.as_raw()), lasts + 1).await;
        self.record.signals().get(&signal.as_raw()).copied().unwrap_or_default() - before
    }
}

const PASSED_ON: [Signal; 12] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CONT,
    Signal::TSTP,
    Signal::VTALARM,
    Signal::PROF,
    LAST,
];

#[test]
fn every_signal_to_obit_alone_is_passed_on_once() {
    test(async {
        for options in [&[][..], &["--group"], &["--die-with-obit"]] {
            let run = Recorded::start(options, &[]).await;
            for signal in PASSED_ON {
                let times = run.times(signal, || kill_process(run.obit(), signal).unwrap()).await;
                assert_eq!(times, 1, "{signal:?} with {options:?}");
            }
        }
    });
}

#[test]
fn a_signal_to_the_process_group_of_obit_reaches_the_command_once() {
    test(async {
        for options in [&[][..], &["--group"], &["--die-with-obit"]] {
            let run = Recorded::start(options, &[]).await;
            // Twice, to show that the first round does not affect the second. The last signal shows
            // that the others have arrived, so it cannot be one of them: sent twice in a row, it
            // may arrive once.
            let others = || PASSED_ON.into_iter().filter(|signal| *signal != LAST);
            for signal in others().chain(others()) {
                let times = run.times(signal, || kill_process_group(run.obit(), signal).unwrap()).await;
                assert_eq!(times, 1, "{signal:?} with {options:?}");
                let times = run.times(signal, || kill_process(run.obit(), signal).unwrap()).await;
                assert_eq!(times, 1, "{signal:?} to obit alone with {options:?}");
            }
        }
    });
}

#[test]
fn a_signal_that_obit_was_started_to_ignore_is_not_passed_on() {
    test(async {
        let run = Recorded::start(&[], &["env", "--ignore-signal=HUP", "--ignore-signal=INT"]).await;
        for signal in [Signal::HUP, Signal::INT] {
            assert_eq!(
                run.times(signal, || kill_process(run.obit(), signal).unwrap()).await,
                0,
                "{signal:?}"
            );
        }
        assert_eq!(run.times(Signal::USR1, || kill_process(run.obit(), Signal::USR1).unwrap()).await, 1);
    });
}

#[test]
fn signals_that_the_parent_has_blocked_are_passed_on() {
    test(async {
        let run = Recorded::start(&[], &["env", "--block-signal"]).await;
        for signal in PASSED_ON {
            assert_eq!(
                run.times(signal, || kill_process(run.obit(), signal).unwrap()).await,
                1,
                "{signal:?}"
            );
        }
    });
}

#[test]
fn a_command_that_is_stopped_goes_on_so_that_it_can_end() {
    test(async {
        let run = Recorded::start(&[], &[]).await;
        kill_process(run.job.0, Signal::STOP).unwrap();
        let stopped = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.job.0.as_raw_nonzero()));
            stat.unwrap().rsplit_once(") ").unwrap().1.starts_with('T')
        };
        eventually("the command is stopped", stopped).await;
        kill_process(run.obit(), Signal::TERM).unwrap();
        run.record.wait("signal 15", 1).await;
    });
}

#[test]
fn an_early_signal_ends_it_before_there_is_a_command() {
    test(async {
        let directory = Directory::new();
        let fifo = directory.path("obit.toml");
        let made = Command::new("mkfifo").arg(&fifo).status().await.unwrap();
        assert!(made.success());
        for (signal, code) in
            [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)]
        {
            // It waits for a writer of its settings, and receives the signal there.
            let run = obit_run(&["--config", fifo.to_str().unwrap()], &["echo", "it ran"]);
            let job = Running::start(run);
            // The worker starts after the handlers of signals.
            let waits = || {
                let tasks = std::fs::read_dir(format!("/proc/{}/task", job.child.id())).into_iter().flatten();
                let mut names = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("comm")));
                names.any(|name| name.is_ok_and(|name| name.trim_end() == "worker"))
            };
            eventually("it has begun", waits).await;
            job.signal(signal);
            let ended = job.end().await;
            assert_eq!((ended.code, ended.stdout), (Some(code), Vec::new()), "{}", ended.stderr);
        }
    });
}

/// Waits until a command with a process in the background says `ready`, sends SIGTERM to `obit`,
/// and returns the reason and the exit code.
async fn told_of_stopped_shell(options: &[&str]) -> (String, Option<i32>) {
    let watcher = node("watcher").await;
    // The background process holds the standard output open.
    let script = "sleep 1000 & echo $!; wait";
    let mut job = Running::start(obit_run(&[&["--log", "info"], options].concat(), &["sh", "-c", script]));
    let mut set = monitor_job(&watcher, &job.address().await).await;
    let background = Stray(Pid::from_raw(job.line().await.parse().unwrap()).unwrap());
    job.signal(Signal::TERM);
    let reason = set.next().await.unwrap().reason.to_string();
    if options.contains(&"--group") {
        // The standard output is closed when no process of the group is left.
        return (reason, job.end().await.code);
    }
    let code = job.child.status().await.unwrap().code();
    test_kill_process(background.0).expect("what the command has started is not touched");
    (reason, code)
}

#[test]
fn a_command_that_stops_as_asked_is_told_to_be_shut_down_and_with_its_group_all_of_it_ends() {
    test(async {
        let shutdown = ("exit: shutdown".to_owned(), Some(143));
        assert_eq!(told_of_stopped_shell(&["--group"]).await, shutdown);
        assert_eq!(told_of_stopped_shell(&[]).await, shutdown);
    });
}

#[test]
fn a_signal_of_which_obit_knows_nothing_is_no_shutdown() {
    test(async {
        let watcher = node("watcher").await;
        let mut job = Running::start(obit_run(&["--log", "info"], &["sh", "-c", "read line; kill -TERM $$"]));
        let mut set = monitor_job(&watcher, &job.address().await).await;
        job.write("go\n").await;
        assert_eq!(set.next().await.unwrap().reason.to_string(), "exit: signal 15 (SIGTERM)");
        assert_eq!(job.end().await.code, Some(143));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_dies_with_obit_is_killed_with_it() {
    test(async {
        for options in
            [&["--die-with-obit", "--log", "info"][..], &["--die-with-obit", "--group", "--log", "info"]]
        {
            let mut job = Running::start(obit_run(options, &["cat"]));
            job.address().await;
            job.write("there\n").await;
            assert_eq!(job.line().await, "there");
            job.kill().await;
            // No other process holds its standard output open.
            assert!(job.line_or_end().await.is_none());
        }
    });
}
