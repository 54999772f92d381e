//! Signals that other programs, terminals and supervisors send to this one.

use std::{
    fs,
    io::{self, IsTerminal},
    process::ExitCode,
};

use async_signal::{Signal, Signals};
use futures::StreamExt;

use crate::failure::{Context, Result};

/// What asks a program to end.
const ENDING: [Signal; 3] = [Signal::Hup, Signal::Int, Signal::Term];
/// What a command that is run gets passed on.
const FORWARDED: [Signal; 6] =
    [Signal::Hup, Signal::Int, Signal::Quit, Signal::Term, Signal::Usr1, Signal::Usr2];

/// Signals, as they come. While it lives they do nothing else.
pub(crate) struct Incoming(Signals);

impl Incoming {
    /// Those that ask this program to end.
    pub(crate) fn ending() -> Result<Self> {
        Self::of(&ENDING)
    }

    /// Those that are meant for the command that is run.
    pub(crate) fn forwarded() -> Result<Self> {
        Self::of(&FORWARDED)
    }

    fn of(signals: &[Signal]) -> Result<Self> {
        // What `nohup` or a shell has switched off stays so, for this program and for the command that inherits it.
        let ignored = ignored_from_birth();
        let signals = signals.iter().filter(|&&signal| ignored >> (signal as i32 - 1) & 1 == 0);
        let signals = Signals::new(signals).context(|| "cannot wait for signals".to_owned())?;
        Ok(Incoming(signals))
    }

    /// The number of the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<i32> {
        match self.0.next().await {
            Some(signal) => signal.map(|signal| signal as i32),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The signals that this program was started to ignore, a bit each, where the system tells: Linux does.
fn ignored_from_birth() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Whether the terminal, which sends these to the whole foreground job, has sent the command its own.
pub(crate) fn sent_to_all_by_terminal(signal: i32) -> bool {
    let by_key = [Signal::Int as i32, Signal::Quit as i32].contains(&signal);
    by_key && io::stdin().is_terminal()
}

/// What a program ends with that was ended by a signal, as shells tell it.
pub(crate) fn exit_code(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
