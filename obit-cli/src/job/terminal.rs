//! The controlling terminal of this process, and the process group in its foreground.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
};

use nix::{
    sys::signal::{SigSet, SigmaskHow, Signal},
    unistd,
};
use rustix::{
    fs::OFlags,
    process::{Pid, getppid},
    termios::{tcgetpgrp, tcsetpgrp},
};

/// The id of a process group.
///
/// It is 0 for every group whose leader is outside of the pid namespace of this process, as may be
/// that of process 1 in a container. `rustix` cannot represent that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(i32);

impl Group {
    pub(crate) fn own() -> Self {
        Group(unistd::getpgrp().as_raw())
    }

    pub(crate) const fn led_by(leader: Pid) -> Self {
        Group(leader.as_raw_nonzero().get())
    }

    pub(crate) fn of(process: Pid) -> Option<Self> {
        let group = unistd::getpgid(Some(nix_pid(process))).ok()?;
        Some(Group(group.as_raw()))
    }
}

/// The terminal, if there is one.
pub(crate) struct Terminal(Option<File>);

impl Terminal {
    /// Opens the controlling terminal of this process. Never blocks.
    pub(crate) fn open() -> Self {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let file = File::options().read(true).write(true).custom_flags(flags as i32).open("/dev/tty");
        Terminal(file.ok())
    }

    /// The process group in its foreground.
    pub(crate) fn foreground(&self) -> Option<Group> {
        self.0.as_ref().and_then(|file| tcgetpgrp(file).ok()).map(Group::led_by)
    }

    /// Whether the process group of this program is in its foreground.
    pub(crate) fn is_ours(&self) -> bool {
        self.foreground() == Some(Group::own())
    }

    /// Brings a process group to the foreground. Works from the background too.
    pub(crate) fn give_to(&self, Group(group): Group) {
        let (Some(file), Some(group)) = (&self.0, Pid::from_raw(group)) else { return };
        // The kernel sends SIGTTOU to a process that does this from the background, unless the
        // signal is blocked.
        let ttou: SigSet = [Signal::SIGTTOU].into_iter().collect();
        if let Ok(before) = ttou.thread_swap_mask(SigmaskHow::SIG_BLOCK) {
            // This fails if the group has ended or the terminal is gone: then there is nothing to
            // do.
            let _ = tcsetpgrp(file, group);
            let _ = before.thread_set_mask();
        }
    }
}

/// Whether this process leads its session.
pub(crate) fn is_session_leader() -> bool {
    unistd::getsid(None).is_ok_and(|session| session == unistd::getpid())
}

/// Whether no shell could continue this process if it stopped: no ancestor outside of its process
/// group is in its session.
pub(crate) fn is_orphaned() -> bool {
    let (group, session) = (Some(Group::own()), unistd::getsid(None));
    let mut ancestor = getppid();
    while let Some(pid) = ancestor {
        if unistd::getsid(Some(nix_pid(pid))) != session {
            return true;
        }
        if Group::of(pid) != group {
            return false;
        }
        ancestor = parent_of(pid);
    }
    true
}

fn nix_pid(pid: Pid) -> unistd::Pid {
    unistd::Pid::from_raw(pid.as_raw_nonzero().get())
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name of the program, in parentheses, may contain anything. Its state and its parent
    // follow.
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}
