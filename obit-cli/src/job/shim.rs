//! Prepares the process of the command before the command is executed in it.
//!
//! `obit` starts itself with a hidden first argument. That process sets up its parent-death signal
//! and its terminal, then it executes the command. So no code runs between `fork` and `exec`, where
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
/// Flag: kill the command when its parent ends. The pid of the parent follows.
const DIES_WITH: &str = "--dies-with=";
/// Flag: give the foreground of the terminal to the process group of the command.
const FOREGROUND: &str = "--foreground";
/// The argument before the command.
const COMMAND: &str = "--";

/// Makes a `Command` that runs the words through the shim.
pub(super) fn command(words: &[OsString], dies_with_obit: bool, foreground: bool) -> Command {
    // This is the running program, even if its file was replaced or removed in the meantime.
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

/// Executes the command if this process was started as the shim. Returns only if it was not.
pub(crate) fn become_command_if_asked() {
    let mut words = env::args_os().skip(1);
    if words.next().is_none_or(|word| word != SHIM) {
        return;
    }
    let failure = prepare_and_exec(words);
    failure.note();
    crate::supervisor::leave(failure.exit_code());
}

fn prepare_and_exec(mut words: impl Iterator<Item = OsString>) -> Failure {
    for word in words.by_ref().take_while(|word| word != COMMAND) {
        let prepared = match parent_in(&word) {
            Some(parent) => die_with(parent),
            None if word == FOREGROUND => {
                Terminal::open().give_to(Group::led_by(getpid()));
                Ok(())
            }
            None => Err(Failure::new("this argument is only for `obit run`")),
        };
        if let Err(failure) = prepared {
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
    // The parent may have ended before that call. Then another process is the parent by now.
    if getppid() != Pid::from_raw(parent) {
        crate::supervisor::leave(signals::exit_code(Signal::KILL.as_raw()));
    }
    Ok(())
}
