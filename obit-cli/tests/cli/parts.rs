//! Programs that the tests need, parts of this very executable: a command that records its signals,
//! and a shell with job control.
//!
//! Each is an ignored test that another test runs in a process of its own.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, getpid, ioctl_tiocsctty, kill_process_group, setsid, waitpid,
};
use signal_hook::{
    consts::{
        SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
        SIGWINCH,
    },
    iterator::Signals,
};

use crate::support::eventually;

/// The environment variable with the arguments of a part, one per line.
const WORDS: &str = "PART_WORDS";
/// The environment variable with the file of the record.
const RECORD: &str = "PART_RECORD";

/// The signals that the recorder records. It stops at SIGTSTP if it does not record it.
const RECORDED: [i32; 11] =
    [SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH];

/// The command line of a program that records every signal that it receives, and ends by SIGKILL
/// alone.
pub(crate) fn recorder() -> Vec<String> {
    part("parts::record_signals")
}

/// The same recorder, but it stops at SIGTSTP instead of recording it.
pub(crate) fn stoppable_recorder() -> Vec<String> {
    part("parts::record_signals_and_stop")
}

/// The command line of a program that makes its standard input the controlling terminal of a new
/// session, and then executes the command.
pub(crate) fn session_leader() -> Vec<String> {
    part("parts::lead_a_session")
}

/// The same, but it runs the command in the foreground as a shell does. When the command stops, it
/// records that and takes the foreground; at SIGUSR1 it continues the command in the foreground, at
/// SIGUSR2 in the background.
pub(crate) fn shell() -> Vec<String> {
    part("parts::be_a_shell")
}

fn part(name: &str) -> Vec<String> {
    let executable = env::current_exe().unwrap().into_os_string().into_string().unwrap();
    [&executable, "--exact", name, "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

/// The environment variable with the command of a session leader or of a shell.
pub(crate) fn words<T: AsRef<OsStr>>(words: impl IntoIterator<Item = T>) -> (&'static str, String) {
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_str().unwrap().to_owned()).collect();
    (WORDS, words.join("\n"))
}

/// The record that a recorder or a shell writes.
pub(crate) struct Record(PathBuf);

impl Record {
    pub(crate) fn new(file: PathBuf) -> Self {
        Record(file)
    }

    /// The environment variable that names the record to the part.
    pub(crate) fn variable(&self) -> (&'static str, &Path) {
        (RECORD, &self.0)
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Number of times that this line was recorded.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|other| *other == line).count()
    }

    /// Waits until this line was recorded this number of times.
    pub(crate) async fn wait(&self, line: &str, times: usize) {
        eventually(&format!("{line} {times} times"), || self.count(line) >= times).await;
    }

    /// Waits for a recorded line with this name, and returns the number in it.
    pub(crate) async fn pid(&self, name: &str) -> Pid {
        let find = || {
            let lines = self.lines();
            let found = lines.iter().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            found.and_then(Pid::from_raw)
        };
        eventually(name, || find().is_some()).await;
        find().unwrap()
    }

    /// Number of times that each signal was recorded.
    pub(crate) fn signals(&self) -> BTreeMap<i32, usize> {
        let mut counts = BTreeMap::new();
        for number in self.lines().iter().filter_map(|line| line.strip_prefix("signal ")?.parse().ok()) {
            *counts.entry(number).or_default() += 1;
        }
        counts
    }
}

fn write_record(line: &str) {
    let file = env::var_os(RECORD).unwrap();
    let mut file = File::options().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn record(signals: impl IntoIterator<Item = i32>) -> ! {
    let mut signals = Signals::new(signals).unwrap();
    write_record(&format!("pid {}", getpid().as_raw_nonzero()));
    write_record(&format!("group {}", getpgrp().as_raw_nonzero()));
    loop {
        for signal in signals.wait() {
            write_record(&format!("signal {signal}"));
        }
    }
}

#[test]
#[ignore = "it is a program that other tests run"]
fn record_signals() {
    record(RECORDED.into_iter().chain([SIGTSTP]));
}

#[test]
#[ignore = "it is a program that other tests run"]
fn record_signals_and_stop() {
    record(RECORDED);
}

fn command() -> process::Command {
    let words = env::var(WORDS).unwrap();
    let mut words = words.lines();
    let mut command = process::Command::new(words.next().unwrap());
    command.args(words).env_remove(WORDS);
    command
}

fn take_terminal() {
    setsid().unwrap();
    ioctl_tiocsctty(std::io::stdin()).unwrap();
}

#[test]
#[ignore = "it is a program that other tests run"]
fn lead_a_session() {
    take_terminal();
    panic!("{}", command().exec());
}

#[test]
#[ignore = "it is a program that other tests run"]
#[allow(clippy::zombie_processes, reason = "it is waited for by its number, which tells of its stops, too")]
fn be_a_shell() {
    take_terminal();
    let mut signals = Signals::new([SIGUSR1, SIGUSR2]).unwrap();
    let child = command().process_group(0).spawn().unwrap();
    let group = Pid::from_child(&child);
    let own = getpgrp();
    give_foreground(group);
    write_record(&format!("shell {}", getpid().as_raw_nonzero()));
    write_record(&format!("child {}", group.as_raw_nonzero()));
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stopped = is_stopped.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                give_foreground(group);
            }
            if stopped.swap(false, Ordering::SeqCst) {
                kill_process_group(group, Signal::CONT).unwrap();
            }
        }
    });
    loop {
        let (_, status) = waitpid(Some(group), WaitOptions::UNTRACED).unwrap().unwrap();
        if status.stopped() {
            give_foreground(own);
            is_stopped.store(true, Ordering::SeqCst);
            write_record("stopped");
            continue;
        }
        let foreground = rustix::termios::tcgetpgrp(std::io::stdin()).unwrap();
        write_record(&format!("foreground {}", foreground.as_raw_nonzero()));
        write_record(&format!("ended {}", status.exit_status().unwrap_or(-1)));
        process::exit(0);
    }
}

fn give_foreground(group: Pid) {
    use nix::sys::signal::{SigSet, Signal};
    let ttou: SigSet = [Signal::SIGTTOU].into_iter().collect();
    ttou.thread_block().unwrap();
    rustix::termios::tcsetpgrp(std::io::stdin(), group).unwrap();
}
