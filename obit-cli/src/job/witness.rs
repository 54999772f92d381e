//! A process that shares the process group of the command, and tells which signals the whole group
//! has got.
//!
//! A signal to the group reaches `obit` and the command; passed on, the command would get it twice.
//! The system does not tell to whom a signal was sent besides its receiver. So `obit` starts itself
//! once more, with a hidden argument, and asks that process whether it has got the signal too.
//! Linux sends to the youngest processes of a group first: what `obit` has got, the witness has.

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

/// How long an answer may take; a witness that is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long a signal of the witness is held against one that `obit` has still to look at.
const MEMORY: Duration = Duration::from_secs(5);

/// The connection to the process. It ends when this is dropped.
pub(crate) struct Witness {
    questions: ChildStdin,
    answers: ChildStdout,
    /// The signals that it has got and `obit` has not looked at yet, a bit each.
    seen: u64,
    /// When it told the last of them.
    told: Instant,
}

impl Witness {
    /// Starts the process, and waits until it catches signals. Its end is reaped with that of every
    /// other child.
    pub(crate) fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("obit-witness").arg(WITNESS).env_remove(SECRET).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut witness = Witness { questions, answers, seen: 0, told: Instant::now() };
        witness.answer()?;
        Ok(witness)
    }

    /// Whether it has got a signal that `obit` has got. An error means that it cannot tell, now or
    /// ever.
    pub(crate) fn has_got(&mut self, signal: i32) -> io::Result<bool> {
        if self.told.elapsed() > MEMORY {
            self.seen = 0;
        }
        self.ask()?;
        let got = self.seen & bit(signal) != 0;
        self.seen &= !bit(signal);
        Ok(got)
    }

    /// Forgets the signals that it has got so far.
    pub(crate) fn forget(&mut self) {
        // If it cannot tell now, the next question shows that.
        let _ = self.ask();
        self.seen = 0;
    }

    fn ask(&mut self) -> io::Result<()> {
        self.questions.write_all(&[0])?;
        self.seen |= self.answer()?;
        self.told = Instant::now();
        Ok(())
    }

    fn answer(&mut self) -> io::Result<u64> {
        let until = Instant::now() + PATIENCE;
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

/// If this process was started as the witness, it is that until `obit` ends or needs it no more.
/// Returns only if it was not.
pub(crate) fn be_witness_if_asked() {
    if env::args_os().nth(1).is_some_and(|word| word == WITNESS) {
        // The witness ends when `obit` closes the pipe, which is an error here and the normal end.
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
        // The first answer says that it has begun.
        answers.write_all(&seen.to_ne_bytes())?;
        answers.flush()?;
        questions.read_exact(&mut [0])?;
        seen = 0;
        while let Some(received) = signals.next() {
            seen |= bit(received.number);
        }
    }
}
