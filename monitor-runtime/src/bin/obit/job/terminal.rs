//! The terminal that controls this process, and the process group in its foreground.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    fs::OFlags,
    process::{Pid, getpgid, getpgrp, getppid, getsid},
    termios::{tcgetpgrp, tcsetpgrp},
};

/// The terminal, if there is one.
pub(crate) struct Terminal(Option<File>);

impl Terminal {
    /// Opens the terminal that controls this process. Never blocks.
    pub(crate) fn open() -> Self {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let file = File::options().read(true).write(true).custom_flags(flags as i32).open("/dev/tty");
        Terminal(file.ok())
    }

    /// The process group in its foreground.
    pub(crate) fn foreground(&self) -> Option<Pid> {
        self.0.as_ref().and_then(|file| tcgetpgrp(file).ok())
    }

    /// Whether the process group of this program is in its foreground.
    pub(crate) fn is_ours(&self) -> bool {
        self.foreground() == Some(getpgrp())
    }

    /// Brings a process group to its foreground, also from its background.
    pub(crate) fn give_to(&self, group: Pid) {
        let Some(file) = &self.0 else { return };
        // Who does that from the background is stopped by SIGTTOU, unless that is blocked.
        let ttou: SigSet = [Signal::SIGTTOU].into_iter().collect();
        if let Ok(before) = ttou.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK) {
            // A group that has ended, or a terminal that is gone, needs no foreground.
            let _ = tcsetpgrp(file, group);
            let _ = before.thread_set_mask();
        }
    }
}

/// Whether no shell could continue this process if it stopped: no ancestor outside of its process group is in its session.
pub(crate) fn is_orphaned() -> bool {
    let (group, session) = (getpgrp(), getsid(None).ok());
    let mut ancestor = getppid();
    while let Some(pid) = ancestor {
        if getsid(Some(pid)).ok() != session {
            return true;
        }
        if getpgid(Some(pid)).ok() != Some(group) {
            return false;
        }
        ancestor = parent_of(pid);
    }
    true
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name of the program, in parentheses, may contain anything. Its state and its parent follow.
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}
