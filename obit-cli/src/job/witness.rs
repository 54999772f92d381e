//! A process in the process group of the command that reports the signals that the whole group has
//! received.
//!
//! A signal to the group reaches both `obit` and the command; if `obit` passed it on, the command
//! would receive it twice. The system does not report to which other processes a signal was sent.
//! So `obit` starts itself a second time, with a hidden argument, and asks that process whether it
//! has received the signal too. Linux sends to the youngest processes of a group first: when `obit`
//! receives a signal to the group, the witness has received it.

use std::{
    env,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    config::SECRET,
    failure::{ExitCode, Result},
    signals::{self, OF_WITNESS, Signals},
    supervisor,
};

/// The hidden argument.
const WITNESS: &str = "__witness";

/// Maximum time for an answer. A witness that is stopped does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a signal that the witness has reported is kept, until `obit` handles the same signal.
const KEEP_SIGNALS: Duration = Duration::from_secs(5);

/// The connection to the witness process, which ends on drop.
pub(crate) struct Witness {
    questions: ChildStdin,
    answers: ChildStdout,
    /// The signals that the witness has received and `obit` has not handled yet, one bit each.
    seen: u64,
    /// When the witness answered last.
    answered: Instant,
}

impl Witness {
    /// Starts the process, and waits until it catches signals. [`Job::change`](super::Job::change)
    /// reaps it.
    pub(crate) fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("obit-witness").arg(WITNESS).env_remove(SECRET).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut witness = Witness { questions, answers, seen: 0, answered: Instant::now() };
        witness.answer()?;
        Ok(witness)
    }

    /// Whether the witness has received a signal that `obit` has received. After an error the
    /// witness is of no use any more.
    pub(crate) fn has_got(&mut self, signal: i32) -> io::Result<bool> {
        if self.answered.elapsed() > KEEP_SIGNALS {
            self.seen = 0;
        }
        self.ask()?;
        let got = self.seen & bit(signal) != 0;
        self.seen &= !bit(signal);
        Ok(got)
    }

    /// Discards the signals that the witness has received so far.
    pub(crate) fn forget(&mut self) {
        // If this fails, the next question fails too.
        let _ = self.ask();
        self.seen = 0;
    }

    fn ask(&mut self) -> io::Result<()> {
        self.questions.write_all(&[0])?;
        self.seen |= self.answer()?;
        self.answered = Instant::now();
        Ok(())
    }

    fn answer(&mut self) -> io::Result<u64> {
        let until = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], timeout.as_ref()) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut answer = [0; 8];
        self.answers.read_exact(&mut answer)?;
        Ok(u64::from_ne_bytes(answer))
    }
}

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Runs the witness until `obit` closes its pipe, if this process was started as the witness.
/// Returns only if it was not.
pub(crate) fn be_witness_if_asked() {
    if env::args_os().nth(1).is_some_and(|word| word == WITNESS) {
        // The error is the closed pipe, which is the normal end.
        let _ = answer_questions();
        supervisor::leave(ExitCode::SUCCESS);
    }
}

fn answer_questions() -> Result<()> {
    let mut signals = Signals::catch(&OF_WITNESS)?;
    signals::unblock_all()?;
    let (mut questions, mut answers) = (io::stdin().lock(), io::stdout().lock());
    let mut seen: u64 = 0;
    loop {
        // The first answer reports that the witness catches signals.
        answers.write_all(&seen.to_ne_bytes())?;
        answers.flush()?;
        questions.read_exact(&mut [0])?;
        seen = 0;
        while let Some(received) = signals.next() {
            seen |= bit(received.number);
        }
    }
}
