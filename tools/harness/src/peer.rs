//! A process that is driven by lines: verbs go in, numbers come out. What it uses is read from
//! outside.

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

/// How long any verb may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the [module](self). It is ended when this is dropped.
pub struct Peer {
    process: Running,
    stdin: ChildStdin,
    replies: Receiver<Reply>,
}

/// A line, and when it was read.
type Reply = (Instant, String);

/// Processor time, in seconds, and resident memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Of the threads that live: precise.
    pub cpu: f64,
    /// Of all threads there ever were: in hundredths.
    pub coarse: f64,
    /// Resident memory, in bytes.
    pub rss: f64,
}

impl Usage {
    /// The processor time between both, and the memory now.
    pub fn since(self, before: Usage) -> Usage {
        // What a thread has used that has ended meanwhile is in the coarse figure alone. Of two
        // nodes that is right to this:
        const COARSE: f64 = 0.04;
        let (precise, coarse) = (self.cpu - before.cpu, self.coarse - before.coarse);
        let cpu = if coarse > precise + COARSE { coarse } else { precise };
        Usage { cpu, coarse, rss: self.rss }
    }
}

impl Peer {
    /// Starts it, and waits until it is ready.
    pub fn start(children: &Children, command: &mut Command) -> Result<Self> {
        let peer = Peer::begin(children, command)?;
        peer.await_ready()?;
        Ok(peer)
    }

    /// Starts it. Its standard input and output must be piped.
    pub fn begin(children: &Children, command: &mut Command) -> Result<Self> {
        let (process, stdin, stdout) = children.start(command, None)?;
        Ok(Peer { process, stdin, replies: lines(stdout) })
    }

    /// Waits until it is ready.
    pub fn await_ready(&self) -> Result<()> {
        match self.replies.recv_timeout(PATIENCE) {
            Ok((_, said)) if said == "ready" => Ok(()),
            said => bail!("a node does not start: {said:?}"),
        }
    }

    /// Has it do something; the numbers it answers.
    pub fn ask(&mut self, verb: &str) -> Result<Vec<u64>> {
        self.tell(verb)?;
        self.answer(verb)
    }

    /// Has it begin something.
    pub fn tell(&mut self, verb: &str) -> Result<()> {
        let written = writeln!(self.stdin, "{verb}").and_then(|()| self.stdin.flush());
        written.with_context(|| format!("{verb}: the node takes no more verbs"))
    }

    /// The numbers it answers next.
    pub fn answer(&self, verb: &str) -> Result<Vec<u64>> {
        self.timed_answer(verb).map(|(_, numbers)| numbers)
    }

    /// The numbers it answers next, and when they came, whenever this is called.
    pub fn timed_answer(&self, verb: &str) -> Result<(Instant, Vec<u64>)> {
        let (at, line) = self.replies.recv_timeout(PATIENCE).with_context(|| format!("{verb}: no answer"))?;
        let numbers = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>();
        match numbers {
            Ok(numbers) => Ok((at, numbers)),
            Err(_) => bail!("{verb}: {line}"),
        }
    }

    /// Whether it has answered nothing so far.
    pub fn is_silent(&self) -> bool {
        self.replies.try_recv().is_err()
    }

    /// SIGSTOP.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// What it has written on its connections so far, in bytes; none if the system does not tell.
    pub fn bytes_sent(&self) -> Option<u64> {
        let told = Command::new("ss").args(["-tnipOH", "state", "established"]).output().ok()?;
        let (told, process) = (String::from_utf8_lossy(&told.stdout), format!("pid={},", self.process.id()));
        let sent = |line: &str| line.split("bytes_sent:").nth(1)?.split(' ').next()?.parse::<u64>().ok();
        told.lines().filter(|line| line.contains(&process)).map(sent).sum()
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// What it has used so far, and uses.
    pub fn usage(&self) -> Result<Usage> {
        let process = PathBuf::from("/proc").join(self.process.id().to_string());
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut nanos = 0;
        for thread in fs::read_dir(process.join("task")).context("cannot list threads")? {
            let thread = thread.context("cannot list threads")?;
            // One that has ended meanwhile has done its work.
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
        // Behind the name, which may hold anything: the twelfth and thirteenth word are user and
        // system time.
        let stat = read(process.join("stat"))?;
        let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = words.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
        Ok(Usage { cpu: nanos as f64 / 1e9, coarse: ticks / 100.0, rss: kib * 1024.0 })
    }
}

/// The lines of standard output, read on a thread of their own, so that to wait for one has a
/// limit.
fn lines(stdout: ChildStdout) -> Receiver<Reply> {
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
