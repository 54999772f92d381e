//! The terminal of `obit top`, and its end.

use std::{io, process, thread, time::Duration};

use rustix::{process::Signal, termios};

use crate::{failure::ExitCode, signals};

/// How often the terminal is checked.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the terminal is closed at its other end.
pub(super) fn is_gone() -> bool {
    termios::tcgetattr(io::stdout()).is_err()
}

/// The exit code if the terminal is gone: that of a program that SIGHUP has ended.
pub(super) fn exit_code() -> ExitCode {
    signals::exit_code(Signal::HUP.as_raw())
}

/// Ends the raw mode of the terminal. This works even if the terminal accepts no output, as after
/// Ctrl-S.
pub(super) fn leave_raw_mode() {
    // The program exits anyway.
    let _ = ratatui::crossterm::terminal::disable_raw_mode();
}

/// Ends the program once the terminal is gone. The thread that reads keys cannot do this: crossterm
/// retries reads from a closed terminal forever.
pub(super) fn exit_when_gone() {
    while !is_gone() {
        thread::sleep(PAUSE);
    }
    process::exit(128 + Signal::HUP.as_raw());
}
