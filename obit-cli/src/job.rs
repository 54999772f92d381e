//! The command that `obit run` runs, and every other child that this process has or adopts.

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

/// The way in which a command is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// In a process group of its own, which gets the foreground of the terminal if this program has
    /// it.
    pub(crate) group: bool,
    /// With the order to the kernel to kill it when this process ends.
    pub(crate) dies_with_obit: bool,
}

/// A command that was started, with the standard streams of this program. Dropped, it runs on.
///
/// Its end is seen by [`Job::change`] alone, and the thread that calls it is the one that sends
/// signals: so no signal goes to another process that has got the number of the command.
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
    /// Starts a command. To be called by the main thread: the kernel takes the end of the thread
    /// that starts a command that dies with `obit` for the end of its parent.
    pub(crate) fn start(words: &[OsString], manner: Manner, terminal: &Terminal) -> io::Result<Self> {
        let foreground = manner.group && terminal.is_ours();
        let by_shim = || shim::command(words, manner.dies_with_obit, foreground);
        let spawn = |mut command: Command| {
            if manner.group {
                command.process_group(0);
            }
            // The secret is the node's, and no program needs it.
            command.env_remove(SECRET).spawn()
        };
        let child = match manner.dies_with_obit || foreground {
            true => spawn(by_shim())?,
            false => match spawn(direct(words)) {
                // A script without `#!`. The shim becomes the command by `execvp`, which has the
                // shell run it.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => spawn(by_shim())?,
                child => child?,
            },
        };
        Ok(Job { pid: Pid::from_child(&child), group: manner.group, stopped: false, ended: false })
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it was started in a process group of its own.
    pub(crate) const fn has_group(&self) -> bool {
        self.group
    }

    /// The process group in which it is now.
    pub(crate) fn group(&self) -> Option<Group> {
        if self.group { Some(Group::led_by(self.pid)) } else { Group::of(self.pid) }
    }

    /// Whether what the kernel sends to the process group of this program is sent to the command,
    /// too.
    pub(crate) fn shares_group(&self) -> bool {
        self.group() == Some(Group::own())
    }

    /// Whether it was stopped and has not been continued since.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Sends a signal to the command, or to its process group if it has one of its own, unless it
    /// has ended.
    pub(crate) fn signal(&self, number: i32) {
        let Some(signal) = Signal::from_named_raw(number).filter(|_| !self.ended) else { return };
        // This fails only if it has ended and was not reaped yet, or if it has taken another user's
        // identity on purpose.
        let _ = match self.group {
            true => kill_process_group(self.pid, signal),
            false => kill_process(self.pid, signal),
        };
    }

    /// The next change of the command that was not reported yet; `None` if there is none so far.
    ///
    /// Other children that have ended are reaped: as process 1 of a container this program adopts
    /// every orphan.
    pub(crate) fn change(&mut self) -> io::Result<Option<Change>> {
        loop {
            let seen = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED);
            let (pid, status) = match seen {
                Ok(Some(seen)) => seen,
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
    let (program, arguments) = words.split_first().expect("the command line asks for a command");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
