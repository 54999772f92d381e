//! Programs of the command `obit`, started as a user would start them.

use std::{
    io::{BufRead, BufReader, Lines, PipeReader, Write, pipe},
    os::fd::AsFd,
    path::Path,
    process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::io::ioctl_fionbio;

use crate::{
    children::{Children, Running},
    conditions::{SOON, poll},
    net::namespace::Namespace,
};

/// `obit` without the environment of this program. Its standard error is discarded.
pub fn obit_command(obit: &Path) -> Command {
    let mut command = Command::new(obit);
    for variable in std::env::vars_os().map(|(variable, _)| variable) {
        if variable.to_string_lossy().starts_with("OBIT_") {
            command.env_remove(variable);
        }
    }
    command.env_remove("XDG_RUNTIME_DIR").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A running program of `obit`, ended on drop.
pub struct Program {
    /// The process.
    pub running: Running,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts the program, in that namespace if one is given. Its standard input and output must be
    /// piped.
    pub fn start(children: &Children, mut command: Command, home: Option<&Namespace>) -> Result<Self> {
        let (running, stdin, stdout) = children.start(&mut command, home)?;
        Ok(Program { running, stdin: Some(stdin), stdout: BufReader::new(stdout).lines() })
    }

    /// Closes the standard input of the program.
    pub fn close_input(&mut self) {
        drop(self.stdin.take());
    }

    /// The next line on the standard output of the program.
    pub fn line(&mut self) -> Result<String> {
        match self.stdout.next() {
            Some(line) => line.context("cannot read what obit prints"),
            None => bail!("obit has ended without a further line"),
        }
    }

    /// Waits until the program has ended.
    pub fn end(&self) -> Result<ExitStatus> {
        match poll(SOON, || self.running.ended())? {
            Some(status) => Ok(status),
            None => bail!("obit does not end"),
        }
    }
}

/// The reader of a program's standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogReader {
    /// The reader does not read, and the pipe is full.
    Blocked,
    /// The reader has exited.
    Gone,
    /// The reader exits when it receives a signal.
    Leaving,
}

impl LogReader {
    /// A pipe: the end for the program, and the other end, which the caller holds while there is a
    /// reader.
    pub fn pipe(self) -> Result<(Stdio, Option<PipeReader>)> {
        let failed = || "cannot make a pipe for a log".to_owned();
        let (reader, mut writer) = pipe().with_context(failed)?;
        if self == LogReader::Blocked {
            ioctl_fionbio(writer.as_fd(), true).with_context(failed)?;
            while writer.write(&[b'x'; 4096]).is_ok() {}
            ioctl_fionbio(writer.as_fd(), false).with_context(failed)?;
        }
        Ok((writer.into(), (self != LogReader::Gone).then_some(reader)))
    }
}
