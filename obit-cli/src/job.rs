//! The command of `obit run`, and all other children of this process, adopted ones included.

use std::{
    ffi::OsString,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitStatus},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait},
};

use crate::config::SECRET;

mod platform;
pub(crate) mod shim;
pub(crate) mod terminal;
pub(crate) mod witness;

use terminal::{Group, Terminal};

/// Options for the start of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartMode {
    /// Start it in a process group of its own, which gets the foreground of the terminal if this
    /// program has it.
    pub(crate) group: bool,
    /// Have the kernel kill it when this process ends.
    pub(crate) dies_with_obit: bool,
}

/// A running command with the standard streams of this program. It keeps running on drop.
///
/// Only [`Job::change`] reaps it, on the thread that also sends the signals. So no signal goes to
/// another process that has got the pid of the command.
pub(crate) struct Job {
    pid: Pid,
    group: bool,
    stopped: bool,
    ended: bool,
}

/// A change of the state of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Ended(ExitStatus),
    Stopped(Signal),
}

impl Job {
    /// Starts a command. The main thread must call this: for a command that dies with `obit`, the
    /// kernel treats the end of the thread that started it as the end of the parent.
    pub(crate) fn start(words: &[OsString], mode: StartMode, terminal: &Terminal) -> io::Result<Self> {
        let foreground = mode.group && terminal.is_ours();
        let by_shim = || shim::command(words, mode.dies_with_obit, foreground);
        let spawn = |mut command: Command| {
            if mode.group {
                command.process_group(0);
            }
            // Only the node needs the secret.
            command.env_remove(SECRET).spawn()
        };
        let child = match mode.dies_with_obit || foreground {
            true => spawn(by_shim())?,
            false => match spawn(direct(words)) {
                // A script without `#!`. The shim calls `execvp`, which runs it with the shell.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => spawn(by_shim())?,
                child => child?,
            },
        };
        Ok(Job { pid: Pid::from_child(&child), group: mode.group, stopped: false, ended: false })
    }

    /// The pid of the command.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether the command was started in a process group of its own.
    pub(crate) const fn has_group(&self) -> bool {
        self.group
    }

    /// The current process group of the command.
    pub(crate) fn group(&self) -> Option<Group> {
        if self.group { Some(Group::led_by(self.pid)) } else { Group::of(self.pid) }
    }

    /// Whether signals to the process group of this program reach the command too.
    pub(crate) fn shares_group(&self) -> bool {
        self.group() == Some(Group::own())
    }

    /// Whether the command was stopped and has not been continued since.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Sends a signal to the command, or to its process group if it has one of its own. Does
    /// nothing if the command has ended.
    pub(crate) fn signal(&self, number: i32) {
        let Some(signal) = Signal::from_named_raw(number).filter(|_| !self.ended) else { return };
        // This fails only if the command has ended and was not reaped yet, or if it has changed to
        // another user on purpose.
        let _ = match self.group {
            true => kill_process_group(self.pid, signal),
            false => kill_process(self.pid, signal),
        };
    }

    /// Returns the next change of the command that was not reported yet, or `None` if there is
    /// none.
    ///
    /// Reaps other children that have ended: as process 1 of a container this program adopts every
    /// orphan.
    pub(crate) fn change(&mut self) -> io::Result<Option<Change>> {
        loop {
            let result = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED);
            let (pid, status) = match result {
                Ok(Some(change)) => change,
                Ok(None) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if pid != self.pid {
                continue;
            }
            self.stopped = status.stopped();
            if let Some(signal) = status.stopping_signal().and_then(Signal::from_named_raw) {
                return Ok(Some(Change::Stopped(signal)));
            }
            if status.exited() || status.signaled() {
                self.ended = true;
                return Ok(Some(Change::Ended(ExitStatus::from_raw(status.as_raw()))));
            }
        }
    }
}

fn direct(words: &[OsString]) -> Command {
    let (program, arguments) = words.split_first().expect("clap requires a command");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
