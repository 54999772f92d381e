//! Arrangements in the process of the command, made before the command is executed there.
//!
//! `obit` starts itself with a hidden first argument. That process makes its arrangements, then it
//! becomes the command. In this way, the arrangements need no code between `fork` and `exec`, where
//! almost nothing is allowed.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    process::Command,
};

use rustix::process::{Pid, Signal, getpid, getppid};

use super::{
    platform,
    terminal::{Group, Terminal},
};
use crate::{failure::Failure, run::cannot_start, signals};

/// The hidden argument.
const SHIM: &str = "__become";
/// That the command has to die with its parent; the number of the parent follows after this.
const DIES_WITH: &str = "--dies-with=";
/// That its process group takes the foreground of the terminal.
const FOREGROUND: &str = "--foreground";
/// The word before the command.
const COMMAND: &str = "--";

/// Runs a command by way of the shim.
pub(super) fn command(words: &[OsString], dies_with_obit: bool, foreground: bool) -> Command {
    // This very program, even if its file was replaced or removed meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg(SHIM);
    if dies_with_obit {
        command.arg(format!("{DIES_WITH}{}", getpid().as_raw_nonzero()));
    }
    if foreground {
        command.arg(FOREGROUND);
    }
    command.arg(COMMAND).args(words);
    command
}

/// If this process was started as the shim, it becomes the command. Returns only if it was not.
pub(crate) fn become_command_if_asked() {
    let mut words = env::args_os().skip(1);
    if words.next().is_none_or(|word| word != SHIM) {
        return;
    }
    let failure = arrange_and_become(words);
    failure.note();
    crate::supervisor::leave(failure.exit_code());
}

fn arrange_and_become(mut words: impl Iterator<Item = OsString>) -> Failure {
    for word in words.by_ref().take_while(|word| word != COMMAND) {
        let arranged = match parent_in(&word) {
            Some(parent) => die_with(parent),
            None if word == FOREGROUND => {
                Terminal::open().give_to(Group::led_by(getpid()));
                Ok(())
            }
            None => Err(Failure::new("it is for `obit run` alone")),
        };
        if let Err(failure) = arranged {
            return failure;
        }
    }
    let words: Vec<_> = words.collect();
    let Some((program, arguments)) = words.split_first() else { return Failure::new("no command") };
    cannot_start(&words, &Command::new(program).args(arguments).exec())
}

fn parent_in(word: &OsStr) -> Option<i32> {
    word.to_str()?.strip_prefix(DIES_WITH)?.parse().ok()
}

/// Has the kernel kill this process, and the command that it becomes, when its parent ends.
fn die_with(parent: i32) -> Result<(), Failure> {
    platform::set_death_signal().map_err(|error| Failure::new(format!("--die-with-obit: {error}")))?;
    // It may have ended before that was arranged. Then another process is the parent by now.
    if getppid() != Pid::from_raw(parent) {
        crate::supervisor::leave(signals::exit_code(Signal::KILL.as_raw()));
    }
    Ok(())
}
