//! `obit run` on a terminal, alone and under a shell with job control.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
};

use rustix::{
    process::{Pid, Signal, kill_process, kill_process_group},
    termios::{Winsize, tcgetpgrp, tcsetwinsize},
};
use smol::process::{Child, Command, Stdio};

use crate::{
    parts::{Record, recorder, session_leader, shell, stoppable_recorder, words},
    pty::terminal,
    signals::{LAST, Stray, obit_run},
    support::{Directory, eventually, test},
};

const OPTIONS: [&[&str]; 4] = [&[], &["--group"], &["--die-with-obit"], &["--group", "--die-with-obit"]];

/// A recorder under `obit run`, on a terminal.
struct OnTerminal {
    user: File,
    record: Record,
    /// The leader of the session: `obit` itself, or the shell that started it.
    leader: Child,
    obit: Pid,
    job: Stray,
    _directory: Directory,
}

impl OnTerminal {
    async fn start(
        leader: Vec<String>,
        options: &[&str],
        command: Vec<String>,
        nothing_to_read: bool,
    ) -> Self {
        let before = ["sh", "-c", "exec \"$0\" \"$@\" </dev/null"];
        let before = if nothing_to_read { &before[..] } else { &[] };
        OnTerminal::start_by_way_of(before, leader, options, command).await
    }

    /// `obit run` by way of a command that `before` begins.
    async fn start_by_way_of(
        before: &[&str],
        leader: Vec<String>,
        options: &[&str],
        command: Vec<String>,
    ) -> Self {
        let directory = Directory::new();
        let record = Record::new(directory.path("record"));
        let mut run: Vec<_> = before.iter().copied().map(str::to_owned).collect();
        let obit = obit_run(options, &command);
        let obit = [obit.get_program()]
            .into_iter()
            .chain(obit.get_args())
            .map(|word| word.to_str().unwrap().to_owned());
        run.extend(obit);
        let (user, program) = terminal();
        let mut outer = Command::new(&leader[0]);
        outer.args(&leader[1..]).env(record.variable().0, record.variable().1).kill_on_drop(true);
        outer.env(words(&run).0, words(&run).1).env_remove("XDG_RUNTIME_DIR");
        let copy = || Stdio::from(program.try_clone().unwrap());
        let leader = outer.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
        let job = Stray(record.pid("pid ").await);
        record.pid("group ").await;
        let obit = parent_of(job.0);
        OnTerminal { user, record, leader, obit, job, _directory: directory }
    }

    fn press(&mut self, key: u8) {
        rustix::io::write(&self.user, &[key]).unwrap();
    }

    fn foreground(&self) -> Pid {
        tcgetpgrp(&self.user).unwrap()
    }

    /// Number of times that the command has received the signal, once it has received it and a
    /// later signal to `obit`.
    async fn times(&self, signal: Signal) -> usize {
        let name = format!("signal {}", signal.as_raw());
        self.record.wait(&name, 1).await;
        let lasts = self.record.count(&format!("signal {}", LAST.as_raw()));
        kill_process(self.obit, LAST).unwrap();
        self.record.wait(&format!("signal {}", LAST.as_raw()), lasts + 1).await;
        self.record.count(&name)
    }

    async fn both(&self, state: char) {
        let what = format!("obit and its command are both {state}");
        eventually(&what, || state_of(self.obit) == state && state_of(self.job.0) == state).await;
    }
}

fn stat(pid: Pid) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect()
}

fn state_of(pid: Pid) -> char {
    stat(pid)[0].chars().next().unwrap()
}

fn parent_of(pid: Pid) -> Pid {
    Pid::from_raw(stat(pid)[1].parse().unwrap()).unwrap()
}

const CONTROL_C: u8 = 3;
const CONTROL_BACKSLASH: u8 = 28;
const CONTROL_Z: u8 = 26;

#[test]
fn a_key_gives_the_command_its_signal_once_whatever_there_is_to_read() {
    test(async {
        for options in OPTIONS {
            for nothing_to_read in [false, true] {
                let keys =
                    [(CONTROL_C, Signal::INT), (CONTROL_BACKSLASH, Signal::QUIT), (CONTROL_Z, Signal::TSTP)];
                let mut run = OnTerminal::start(session_leader(), options, recorder(), nothing_to_read).await;
                for (key, signal) in keys {
                    run.press(key);
                    assert_eq!(run.times(signal).await, 1, "{signal:?} with {options:?}, {nothing_to_read}");
                }
            }
        }
    });
}

#[test]
fn on_a_terminal_a_signal_to_obit_alone_is_passed_on_once() {
    test(async {
        for options in OPTIONS {
            let run = OnTerminal::start(session_leader(), options, recorder(), false).await;
            for signal in [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::TSTP, Signal::CONT] {
                kill_process(run.obit, signal).unwrap();
                assert_eq!(run.times(signal).await, 1, "{signal:?} with {options:?}");
            }
        }
    });
}

#[test]
fn a_terminal_that_changes_its_size_tells_the_command_once() {
    test(async {
        for options in OPTIONS {
            let run = OnTerminal::start(session_leader(), options, recorder(), false).await;
            tcsetwinsize(&run.user, Winsize { ws_row: 10, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
            run.record.wait("signal 28", 1).await;
            kill_process(run.obit, Signal::USR1).unwrap();
            // A signal that `obit` passed on would have arrived before the one that is sent last.
            run.record.wait("signal 10", 1).await;
            kill_process(run.obit, Signal::USR2).unwrap();
            run.record.wait("signal 12", 1).await;
            assert_eq!(run.record.count("signal 28"), 1, "{options:?}");
        }
    });
}

#[test]
fn obit_and_its_command_stop_together_and_go_on_together() {
    test(async {
        for options in OPTIONS {
            let mut run = OnTerminal::start(shell(), options, stoppable_recorder(), false).await;
            let shell_pid = run.record.pid("shell ").await;
            let jobs_group = run.record.pid("group ").await;
            assert_eq!(run.foreground(), jobs_group, "{options:?}");
            for (turn, back) in [(1, Signal::USR1), (2, Signal::USR1), (3, Signal::USR2)] {
                run.press(CONTROL_Z);
                run.record.wait("stopped", turn).await;
                run.both('T').await;
                assert_eq!(run.foreground(), shell_pid, "{options:?}");
                kill_process(shell_pid, back).unwrap();
                run.both('S').await;
                let in_front = if back == Signal::USR1 { jobs_group } else { shell_pid };
                eventually("who has the terminal", || run.foreground() == in_front).await;
            }
            // In the background, keys do not reach the command, and signals do.
            kill_process(run.obit, Signal::INT).unwrap();
            assert_eq!(run.times(Signal::INT).await, 1, "{options:?}");
            // A shell that brings a running command to the foreground does not signal it.
            let obits_group = run.record.pid("child ").await;
            kill_process(shell_pid, Signal::USR1).unwrap();
            eventually("obit has the terminal", || run.foreground() == obits_group).await;
            run.press(CONTROL_C);
            run.record.wait("signal 2", 2).await;
            run.press(CONTROL_Z);
            run.record.wait("stopped", 4).await;
            run.both('T').await;
        }
    });
}

#[test]
fn in_the_background_its_log_stops_neither_obit_nor_the_command() {
    test(async {
        let script = "set -m; stty tostop; \"$0\" \"$@\" >/dev/null & wait";
        let before = ["sh", "-c", script];
        for options in OPTIONS {
            let options = [&["--log", "info"], options].concat();
            let run = OnTerminal::start_by_way_of(&before, session_leader(), &options, recorder()).await;
            let user = BufReader::new(run.user.try_clone().unwrap());
            let logged =
                smol::unblock(|| user.lines().any(|line| line.unwrap().contains("the command runs")));
            assert!(logged.await, "{options:?}");
            kill_process(run.obit, Signal::USR1).unwrap();
            assert_eq!(run.times(Signal::USR1).await, 1, "{options:?}");
        }
    });
}

#[test]
fn a_stop_that_obit_or_its_process_group_is_asked_for_is_one_of_both() {
    test(async {
        for options in OPTIONS {
            let run = OnTerminal::start(shell(), options, stoppable_recorder(), false).await;
            let shell_pid = run.record.pid("shell ").await;
            let group = run.record.pid("child ").await;
            kill_process(run.obit, Signal::TSTP).unwrap();
            run.record.wait("stopped", 1).await;
            run.both('T').await;
            // Continued in the background: there the shell stops the group, as by `kill -TSTP %1`.
            kill_process(shell_pid, Signal::USR2).unwrap();
            run.both('S').await;
            kill_process_group(group, Signal::TSTP).unwrap();
            run.record.wait("stopped", 2).await;
            run.both('T').await;
            kill_process(shell_pid, Signal::USR1).unwrap();
            run.both('S').await;
        }
    });
}

#[test]
fn when_the_command_ends_obit_has_the_terminal_again() {
    test(async {
        for options in OPTIONS {
            let mut run = OnTerminal::start(shell(), options, recorder(), false).await;
            let obits_group = run.record.pid("child ").await;
            kill_process(run.job.0, Signal::KILL).unwrap();
            run.record.wait("ended 137", 1).await;
            assert_eq!(run.record.pid("foreground ").await, obits_group, "{options:?}");
            assert!(run.leader.status().await.unwrap().success());
        }
    });
}

#[test]
fn a_terminal_that_goes_away_ends_the_command_of_a_session_leader() {
    test(async {
        for options in OPTIONS {
            let run = OnTerminal::start(session_leader(), options, recorder(), false).await;
            let OnTerminal { user, record, leader: _leader, job: _job, .. } = run;
            drop(user);
            record.wait("signal 1", 1).await;
        }
    });
}
