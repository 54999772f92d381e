//! Programs of the command `obit`, as a user would start them.

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

/// `obit`, knowing nothing of the environment of this program, with its standard error thrown away.
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

/// A program of `obit` that runs. Dropped, it is ended.
pub struct Program {
    /// The process.
    pub running: Running,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it, in that namespace if one is given; its standard input and output must be piped.
    pub fn start(children: &Children, mut command: Command, home: Option<&Namespace>) -> Result<Self> {
        let (running, stdin, stdout) = children.start(&mut command, home)?;
        Ok(Program { running, stdin: Some(stdin), stdout: BufReader::new(stdout).lines() })
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        drop(self.stdin.take());
    }

    /// The next line on its standard output.
    pub fn line(&mut self) -> Result<String> {
        match self.stdout.next() {
            Some(line) => line.context("cannot read what obit prints"),
            None => bail!("obit has ended without a further line"),
        }
    }

    /// Waits until it has ended.
    pub fn end(&self) -> Result<ExitStatus> {
        match poll(SOON, || self.running.ended())? {
            Some(status) => Ok(status),
            None => bail!("obit does not end"),
        }
    }
}

/// What is at the other end of a program's standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogReader {
    /// A program that reads nothing: the pipe is full.
    Blocked,
    /// None: it has exited.
    Gone,
    /// A program that exits when it is told to.
    Leaving,
}

impl LogReader {
    /// The end of a pipe for a program, and the other end, which must be held as long as there is a
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
