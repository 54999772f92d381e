//! The terminal on which is drawn, and its end.

use std::{io, process, thread, time::Duration};

use rustix::{process::Signal, termios};

use crate::{failure::ExitCode, signals};

/// How often it is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether nobody is at its other end any more.
pub(super) fn is_gone() -> bool {
    termios::tcgetattr(io::stdout()).is_err()
}

/// What a program ends with whose terminal is gone: as SIGHUP would end it.
pub(super) fn exit_code() -> ExitCode {
    signals::exit_code(Signal::HUP.as_raw())
}

/// Gives the terminal back as far as that is possible while it takes no output, as after Ctrl-S.
pub(super) fn leave_raw_mode() {
    // There is nothing else to be done.
    let _ = ratatui::crossterm::terminal::disable_raw_mode();
}

/// Ends the program once the terminal is gone. Whoever waits for keys does not hear of it: from a
/// terminal that is gone crossterm reads for ever.
pub(super) fn end_with_it() {
    while !is_gone() {
        thread::sleep(PAUSE);
    }
    process::exit(128 + Signal::HUP.as_raw());
}
