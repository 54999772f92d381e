//! A process that is controlled by lines: it reads verbs and answers with numbers. Its use of
//! resources is read from the system.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{ChildStdin, ChildStdout, Command},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::children::{Children, Running};

/// Maximum time for a verb.
const VERB_TIMEOUT: Duration = Duration::from_secs(120);

/// See the [module](self). The process is killed on drop.
pub struct Peer {
    process: Running,
    stdin: ChildStdin,
    replies: Receiver<TimedLine>,
}

/// The time at which a line was read, and the line.
type TimedLine = (Instant, String);

/// Processor time, in seconds, and resident memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Of the running threads: precise.
    pub cpu: f64,
    /// Of all threads, those that have ended included: in hundredths of a second.
    pub coarse: f64,
    /// Resident memory, in bytes.
    pub rss: f64,
}

impl Usage {
    /// The processor time between the two, and the memory now.
    pub fn since(self, before: Usage) -> Usage {
        // The time of threads that ended in between is only in the coarse figure. Of two nodes the
        // difference is precise up to:
        const COARSE: f64 = 0.04;
        let (precise, coarse) = (self.cpu - before.cpu, self.coarse - before.coarse);
        let cpu = if coarse > precise + COARSE { coarse } else { precise };
        Usage { cpu, coarse, rss: self.rss }
    }
}

impl Peer {
    /// Starts the process, and waits until it is ready.
    pub fn start(children: &Children, command: &mut Command) -> Result<Self> {
        let peer = Peer::begin(children, command)?;
        peer.await_ready()?;
        Ok(peer)
    }

    /// Starts the process. Its standard input and output must be piped.
    pub fn begin(children: &Children, command: &mut Command) -> Result<Self> {
        let (process, stdin, stdout) = children.start(command, None)?;
        Ok(Peer { process, stdin, replies: lines(stdout) })
    }

    /// Waits until the process is ready.
    pub fn await_ready(&self) -> Result<()> {
        match self.replies.recv_timeout(VERB_TIMEOUT) {
            Ok((_, said)) if said == "ready" => Ok(()),
            said => bail!("a node does not start: {said:?}"),
        }
    }

    /// Sends a verb, and returns the numbers of the answer.
    pub fn ask(&mut self, verb: &str) -> Result<Vec<u64>> {
        self.tell(verb)?;
        self.answer(verb)
    }

    /// Sends a verb without waiting for the answer.
    pub fn tell(&mut self, verb: &str) -> Result<()> {
        let written = writeln!(self.stdin, "{verb}").and_then(|()| self.stdin.flush());
        written.with_context(|| format!("{verb}: the node takes no more verbs"))
    }

    /// Waits for the next answer, and returns its numbers.
    pub fn answer(&self, verb: &str) -> Result<Vec<u64>> {
        self.timed_answer(verb).map(|(_, numbers)| numbers)
    }

    /// Waits for the next answer, and returns its numbers and the time at which it arrived.
    pub fn timed_answer(&self, verb: &str) -> Result<(Instant, Vec<u64>)> {
        let (at, line) =
            self.replies.recv_timeout(VERB_TIMEOUT).with_context(|| format!("{verb}: no answer"))?;
        let numbers = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>();
        match numbers {
            Ok(numbers) => Ok((at, numbers)),
            Err(_) => bail!("{verb}: {line}"),
        }
    }

    /// Whether no answer has arrived.
    pub fn is_silent(&self) -> bool {
        self.replies.try_recv().is_err()
    }

    /// Sends SIGSTOP.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Number of bytes that its connections have sent so far; `None` if the system does not report
    /// it.
    pub fn bytes_sent(&self) -> Option<u64> {
        let output = Command::new("ss").args(["-tnipOH", "state", "established"]).output().ok()?;
        let (output, process) =
            (String::from_utf8_lossy(&output.stdout), format!("pid={},", self.process.id()));
        let sent = |line: &str| line.split("bytes_sent:").nth(1)?.split(' ').next()?.parse::<u64>().ok();
        output.lines().filter(|line| line.contains(&process)).map(sent).sum()
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// The resources that it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let process = PathBuf::from("/proc").join(self.process.id().to_string());
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut nanos = 0;
        for thread in fs::read_dir(process.join("task")).context("cannot list threads")? {
            let thread = thread.context("cannot list threads")?;
            // A thread that ended in the meantime counts in the coarse figure.
            let ran = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanos += ran.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or_default();
        }
        let status = read(process.join("status"))?;
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kib: f64 = match resident.map(str::parse) {
            Some(Ok(kib)) => kib,
            _ => bail!("the system does not tell how much memory a node occupies"),
        };
        // The name of the program may contain anything. The twelfth and thirteenth word after it
        // are the user and the system time.
        let stat = read(process.join("stat"))?;
        let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = words.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
        Ok(Usage { cpu: nanos as f64 / 1e9, coarse: ticks / 100.0, rss: kib * 1024.0 })
    }
}

/// The lines of standard output, read on a thread of their own, so that a wait for a line can time
/// out.
fn lines(stdout: ChildStdout) -> Receiver<TimedLine> {
    let (said, replies) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
        for line in lines {
            if said.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    replies
}
