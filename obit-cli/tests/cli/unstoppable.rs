//! Tests that signals, `--timeout` and the end of a command take effect whatever blocks `obit`.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::{fs::OpenOptionsExt, net::UnixListener, process::ExitStatusExt},
    path::PathBuf,
    process::ExitStatus,
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    pipe::pipe,
    process::{Pid, Signal, kill_process},
    termios::{Action, tcflow},
};
use smol::process::{Child, Command, Stdio};

use crate::{
    pty::terminal,
    signals::obit_run,
    support::{Directory, Running, eventually, obit, test},
};

/// A full pipe without a reader: writes to it block while both ends are held.
struct FullPipe {
    _read: File,
    write: File,
}

impl FullPipe {
    fn new() -> Self {
        let (read, write) = pipe().unwrap();
        let flags = fcntl_getfl(&write).unwrap();
        fcntl_setfl(&write, flags | OFlags::NONBLOCK).unwrap();
        // First with large writes, then byte by byte.
        for piece in [4096, 1] {
            while rustix::io::write(&write, &vec![b'x'; piece]).is_ok() {}
        }
        fcntl_setfl(&write, flags).unwrap();
        FullPipe { _read: read.into(), write: write.into() }
    }

    fn end(&self) -> Stdio {
        self.write.try_clone().unwrap().into()
    }
}

/// Starts a program, and waits until one of its threads is blocked in one of these system calls.
async fn blocked(command: &mut Command, system_calls: &[&str]) -> Child {
    let child = command.kill_on_drop(true).spawn().unwrap();
    eventually("it is blocked", || is_in(child.id(), system_calls)).await;
    child
}

/// Whether a thread of the process is in a system call whose line in `/proc` starts with one of
/// these texts.
fn is_in(process: u32, system_calls: &[&str]) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let calls = threads.filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
    calls.into_iter().any(|call| system_calls.iter().any(|number| call.starts_with(number)))
}

/// A write to standard output or to standard error.
const WRITES: &[&str] =
    if cfg!(target_arch = "x86_64") { &["1 0x1 ", "1 0x2 "] } else { &["64 0x1 ", "64 0x2 "] };
/// An `openat`.
const OPENS: &[&str] = if cfg!(target_arch = "x86_64") { &["257 "] } else { &["56 "] };

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

async fn ends(mut child: Child) -> ExitStatus {
    child.status().await.unwrap()
}

/// A watcher of an unreachable process, which prints a line at once.
fn watch(options: &[&str]) -> Command {
    // Nothing listens on port 1.
    obit(["watch"].iter().chain(options).chain(&["job1@a@127.0.0.1:1"]))
}

#[test]
fn a_watcher_ends_while_nothing_reads_its_output() {
    test(async {
        let full = FullPipe::new();
        for (number, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
            let child = blocked(watch(&[]).stdout(full.end()), WRITES).await;
            signal(&child, number);
            assert_eq!(ends(child).await.code(), Some(code));
        }
        let child = watch(&["--timeout", "0.5"]).stdout(full.end()).stderr(full.end()).spawn().unwrap();
        assert_eq!(ends(child).await.code(), Some(6));
        // `--wait` prints the missing target to standard error.
        let child = watch(&["--timeout", "0.5", "--wait", "60"]).stderr(full.end()).spawn().unwrap();
        assert_eq!(ends(child).await.code(), Some(6));
    });
}

#[test]
fn an_agent_ends_while_nothing_reads_its_output() {
    test(async {
        let full = FullPipe::new();
        let mut agent = obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"]);
        let child = blocked(agent.stdout(full.end()), WRITES).await;
        signal(&child, Signal::TERM);
        assert_eq!(ends(child).await.code(), Some(0));
    });
}

#[test]
fn a_question_and_help_end_while_nothing_reads_their_output() {
    test(async {
        let full = FullPipe::new();
        for words in [&["completions", "bash"][..], &["--help"], &["run", "--help"]] {
            let child = blocked(obit(words).stdout(full.end()), WRITES).await;
            signal(&child, Signal::TERM);
            // The default action of the signal has ended it.
            assert_eq!(ends(child).await.signal(), Some(15), "{words:?}");
        }
        let child = blocked(obit(["nodes", "--socket", "/nonexistent"]).stderr(full.end()), WRITES).await;
        signal(&child, Signal::TERM);
        let status = ends(child).await;
        // The main thread waits one second for the failure to be written.
        assert!(status.signal() == Some(15) || status.code() == Some(1), "{status}");
    });
}

#[test]
fn a_question_that_is_not_answered_can_be_given_up() {
    test(async {
        let directory = Directory::new();
        let socket = directory.path("a.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        for words in [&["nodes"][..], &["monitors"], &["why"]] {
            // The signal counts even if the parent has blocked it.
            let asked = obit(words.iter().chain(&["--socket", socket.to_str().unwrap()]));
            let mut command = Command::new("env");
            command.arg("--block-signal").arg(asked.get_program()).args(asked.get_args()).kill_on_drop(true);
            let child = command.spawn().unwrap();
            let (_asked, _) = listener.accept().unwrap();
            signal(&child, Signal::TERM);
            assert_eq!(ends(child).await.signal(), Some(15), "{words:?}");
        }
    });
}

#[test]
fn a_command_ends_its_wrapper_while_nothing_reads_standard_error() {
    test(async {
        let full = FullPipe::new();
        let child = obit_run(&[], &["sh", "-c", "exit 7"]).stderr(full.end()).spawn().unwrap();
        assert_eq!(ends(child).await.code(), Some(7));
        let child = obit_run(&[], &["/no/such/program"]).stderr(full.end()).spawn().unwrap();
        assert_eq!(ends(child).await.code(), Some(127));
        // No machine has the address 192.0.2.1.
        let failing = ["agent", "--node", "a@192.0.2.1:7001", "--listen", "192.0.2.1:7001"];
        let child = obit(failing)
            .env("OBIT_SECRET", "a secret that is long enough")
            .stderr(full.end())
            .spawn()
            .unwrap();
        assert_eq!(ends(child).await.code(), Some(1));
    });
}

#[test]
fn a_command_can_be_stopped_while_the_node_is_blocked_in_its_log() {
    test(async {
        let full = FullPipe::new();
        // The node logs a warning for each unreachable peer, and blocks on the first one.
        let mut run = obit_run(
            &["--peer", "b@127.0.0.1:1", "--log", "warn"],
            &["sh", "-c", "echo there; exec sleep 1000"],
        );
        let mut child = run.stdout(Stdio::piped()).stderr(full.end()).spawn().unwrap();
        let mut there = [0; 6];
        futures::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut there).await.unwrap();
        signal(&child, Signal::TERM);
        assert_eq!(ends(child).await.code(), Some(143));
    });
}

async fn fifo(directory: &Directory) -> PathBuf {
    let fifo = directory.path("a.fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().await.unwrap().success());
    fifo
}

#[test]
fn a_file_that_cannot_be_opened_yet_keeps_nothing_from_ending() {
    test(async {
        let directory = Directory::new();
        let fifo = fifo(&directory).await;
        let fifo = fifo.to_str().unwrap();
        for option in ["--config", "--secret-file"] {
            let run = || obit_run(&[option, fifo], &["true"]);
            let agent = || obit(["agent", "--node", "a@127.0.0.1", option, fifo]);
            for mut command in [run(), agent(), watch(&[option, fifo])] {
                let child = blocked(&mut command, OPENS).await;
                signal(&child, Signal::TERM);
                assert_eq!(ends(child).await.code(), Some(143), "{option}");
            }
            let child = watch(&[option, fifo, "--timeout", "0.3"]).spawn().unwrap();
            assert_eq!(ends(child).await.code(), Some(6), "{option}");
        }
    });
}

/// Sends a signal, and waits until the process has received it.
async fn deliver(child: &Child, number: Signal) {
    signal(child, number);
    let bit = 1_u64 << (number.as_raw() - 1);
    let is_pending = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & bit != 0)
    };
    eventually("the signal is received", || !is_pending()).await;
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_request() {
    test(async {
        let directory = Directory::new();
        let fifo = fifo(&directory).await;
        // `timeout` sends the signal to its child and then to the whole group. systemd can send
        // SIGHUP as well.
        for second in [Signal::TERM, Signal::HUP] {
            let mut agent = obit(["agent", "--config", fifo.to_str().unwrap()]);
            let mut child = blocked(agent.stdout(Stdio::null()), OPENS).await;
            for number in [Signal::TERM, second] {
                deliver(&child, number).await;
            }
            // If the second signal counted as a new request, the program would have ended, and the
            // settings would have no reader.
            eventually("a reader of the settings, or the end", || {
                let writer =
                    File::options().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(&fifo);
                let settings = "node = \"a@127.0.0.1\"\nlisten = \"127.0.0.1:0\"\n";
                let written = writer.is_ok_and(|mut fifo| fifo.write_all(settings.as_bytes()).is_ok());
                written || child.try_status().unwrap().is_some()
            })
            .await;
            assert_eq!(ends(child).await.code(), Some(0), "{second:?}");
        }
    });
}

#[test]
fn a_later_signal_ends_it_at_once() {
    test(async {
        let directory = Directory::new();
        let fifo = fifo(&directory).await;
        let mut agent = obit(["agent", "--node", "a@127.0.0.1", "--config", fifo.to_str().unwrap()]);
        let mut child = blocked(&mut agent, OPENS).await;
        // After the first signal the program waits for the node to stop; signals that follow at
        // once are repeats of it.
        eventually("it ends", || {
            if child.try_status().unwrap().is_none() {
                signal(&child, Signal::TERM);
            }
            child.try_status().unwrap().is_some()
        })
        .await;
        assert_eq!(ends(child).await.code(), Some(143));
    });
}

#[test]
fn a_terminal_that_takes_no_output_keeps_the_picture_from_nothing() {
    test(async {
        let directory = Directory::new();
        let socket = directory.path("a.sock");
        let mut agent = Running::start(obit([
            "agent",
            "--node",
            "a@127.0.0.1",
            "--listen",
            "127.0.0.1:0",
            "--socket",
            socket.to_str().unwrap(),
        ]));
        agent.line().await;
        let (user, program) = terminal();
        let mut top = obit(["top", "--socket", socket.to_str().unwrap()]);
        top.env("TERM", "xterm").stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap());
        // As after Ctrl-S: the program blocks on its first write.
        tcflow(&program, Action::OOff).unwrap();
        let child = blocked(&mut top, WRITES).await;
        signal(&child, Signal::TERM);
        assert_eq!(ends(child).await.code(), Some(143));
        let modes = rustix::termios::tcgetattr(&program).unwrap().local_modes;
        assert!(modes.contains(rustix::termios::LocalModes::ICANON), "keys are keys again");
        drop(user);
    });
}
