//! Two nodes of one system, each a process of its own on loopback, driven by lines.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::{
    cluster::{
        children::{Children, Running},
        ports::Ports,
    },
    failure::{Context, Result, fail},
    otp::{Mapper, full_name},
};

/// How long any verb may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The module that nodes of Erlang/OTP run, and its source.
pub(super) const MODULE: &str = "bench";
pub(super) const PROGRAM: &str = include_str!("bench.erl");

/// What nodes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Obit {
        /// Its preset of heartbeats.
        heartbeat: &'static str,
        /// Its thread spins before it sleeps.
        low_latency: bool,
    },
    Otp {
        /// How its configuration is told.
        name: &'static str,
        flags: &'static [&'static str],
    },
}

impl System {
    pub(super) const OBIT: System = System::obit("default");
    pub(super) const OBIT_LOW_LATENCY: System = System::Obit { heartbeat: "default", low_latency: true };
    pub(super) const OTP: System = System::Otp { name: "OTP", flags: &[] };
    /// Senders are not suspended before 128 MiB wait, instead of 1.
    pub(super) const OTP_BIG_BUFFER: System =
        System::Otp { name: "OTP +zdbbl 131072", flags: &["+zdbbl", "131072"] };
    /// Its schedulers sleep when there is nothing to do, as ours do.
    pub(super) const OTP_NO_BUSY_WAIT: System = System::Otp {
        name: "OTP +sbwt none",
        flags: &["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"],
    };

    /// It gives up a silent node as soon as it can be told to.
    pub(super) const OTP_SHORT_TICK: System =
        System::Otp { name: "OTP net_ticktime 1", flags: &["-kernel", "net_ticktime", "1"] };

    pub(super) const fn obit(heartbeat: &'static str) -> System {
        System::Obit { heartbeat, low_latency: false }
    }

    pub(super) const fn is_otp(self) -> bool {
        matches!(self, System::Otp { .. })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            System::Obit { low_latency: false, .. } => "Obit",
            System::Obit { low_latency: true, .. } => "Obit low_latency",
            System::Otp { name, .. } => name,
        }
    }
}

/// What every pair is started with.
pub(super) struct Lab {
    pub(super) children: Children,
    /// Our program, and the folder of theirs.
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

/// See the [module](self).
pub(super) struct Pair {
    pub(super) watcher: Peer,
    pub(super) watched: Peer,
    // Kept for as long as the nodes live.
    _ports: Option<Ports>,
    _mapper: Option<Mapper>,
}

impl Pair {
    /// Starts both, connected.
    pub(super) fn start(lab: &Lab, system: System) -> Result<Self> {
        match system {
            System::Obit { heartbeat, low_latency } => {
                let ports = Ports::take()?;
                let name = |label: char, node| format!("{label}@127.0.0.1:{}", ports.port(node));
                let obit = |name: &str| {
                    let mut command = Command::new(&lab.program);
                    command.args(["--name", name, "--heartbeat", heartbeat]);
                    command.args(low_latency.then_some("--low-latency"));
                    command.stdin(Stdio::piped()).stdout(Stdio::piped());
                    command
                };
                let watched = Peer::start(lab, &mut obit(&name('b', 1)))?;
                let watcher = Peer::start(lab, obit(&name('a', 0)).args(["--peer", &name('b', 1)]))?;
                Ok(Pair { watcher, watched, _ports: Some(ports), _mapper: None })
            }
            System::Otp { flags, .. } => {
                let mapper = Mapper::start(&lab.children, &lab.folder)?;
                let watched = Peer::start(lab, &mut mapper.node("b", flags, MODULE))?;
                let watcher = Peer::start(lab, mapper.node("a", flags, MODULE).arg(full_name("b")))?;
                Ok(Pair { watcher, watched, _ports: None, _mapper: Some(mapper) })
            }
        }
    }

    /// What both together have used and use.
    pub(super) fn usage(&self) -> Result<Usage> {
        let [a, b] = [self.watcher.usage()?, self.watched.usage()?];
        Ok(Usage { cpu: a.cpu + b.cpu, coarse: a.coarse + b.coarse, rss: a.rss + b.rss })
    }
}

/// One node.
pub(super) struct Peer {
    process: Running,
    stdin: ChildStdin,
    replies: Receiver<String>,
}

/// Processor time, in seconds, and resident memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Of the threads that live: precise.
    pub(super) cpu: f64,
    /// Of all threads there ever were: in hundredths.
    pub(super) coarse: f64,
    pub(super) rss: f64,
}

impl Usage {
    /// The processor time between both, and the memory now.
    pub(super) fn since(self, before: Usage) -> Usage {
        // What a thread has used that has ended meanwhile is in the coarse figure alone. Of two nodes that is right to this:
        const COARSE: f64 = 0.04;
        let (precise, coarse) = (self.cpu - before.cpu, self.coarse - before.coarse);
        let cpu = if coarse > precise + COARSE { coarse } else { precise };
        Usage { cpu, coarse, rss: self.rss }
    }
}

impl Peer {
    fn start(lab: &Lab, command: &mut Command) -> Result<Self> {
        let (process, stdin, stdout) = lab.children.start(command, None)?;
        let peer = Peer { process, stdin, replies: lines(stdout) };
        match peer.replies.recv_timeout(PATIENCE).as_deref() {
            Ok("ready") => Ok(peer),
            said => fail!("a node does not start: {said:?}"),
        }
    }

    /// Has it do something; the numbers it answers.
    pub(super) fn ask(&mut self, verb: &str) -> Result<Vec<u64>> {
        self.tell(verb)?;
        self.answer(verb)
    }

    /// Has it begin something.
    pub(super) fn tell(&mut self, verb: &str) -> Result {
        let written = writeln!(self.stdin, "{verb}").and_then(|()| self.stdin.flush());
        written.context(|| format!("{verb}: the node takes no more verbs"))
    }

    /// The numbers it answers next.
    pub(super) fn answer(&self, verb: &str) -> Result<Vec<u64>> {
        let line = self.replies.recv_timeout(PATIENCE).context(|| format!("{verb}: no answer"))?;
        let numbers = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>();
        match numbers {
            Ok(numbers) => Ok(numbers),
            Err(_) => fail!("{verb}: {line}"),
        }
    }

    /// Whether it has answered nothing so far.
    pub(super) fn is_silent(&self) -> bool {
        self.replies.try_recv().is_err()
    }

    /// SIGSTOP.
    pub(super) fn freeze(&self) -> Result {
        self.process.freeze()
    }

    /// What it has written on its connections so far, in bytes; none if the system does not tell.
    pub(super) fn bytes_sent(&self) -> Option<u64> {
        let told = Command::new("ss").args(["-tnipOH", "state", "established"]).output().ok()?;
        let (told, process) = (String::from_utf8_lossy(&told.stdout), format!("pid={},", self.process.id()));
        let sent = |line: &str| line.split("bytes_sent:").nth(1)?.split(' ').next()?.parse::<u64>().ok();
        told.lines().filter(|line| line.contains(&process)).map(sent).sum()
    }

    /// SIGKILL.
    pub(super) fn kill(&self) {
        self.process.kill();
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let process = PathBuf::from("/proc").join(self.process.id().to_string());
        let read =
            |path: PathBuf| fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()));
        let mut nanos = 0;
        for thread in fs::read_dir(process.join("task")).context(|| "cannot list threads".to_owned())? {
            let thread = thread.context(|| "cannot list threads".to_owned())?;
            // One that has ended meanwhile has done its work.
            let ran = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanos += ran.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or_default();
        }
        let status = read(process.join("status"))?;
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kib: f64 = match resident.map(str::parse) {
            Some(Ok(kib)) => kib,
            _ => fail!("the system does not tell how much memory a node occupies"),
        };
        // Behind the name, which may hold anything: the twelfth and thirteenth word are user and system time.
        let stat = read(process.join("stat"))?;
        let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = words.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
        Ok(Usage { cpu: nanos as f64 / 1e9, coarse: ticks / 100.0, rss: kib * 1024.0 })
    }
}

/// The lines of standard output, read on a thread of their own, so that to wait for one has a limit.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (said, replies) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
        for line in lines {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    replies
}
