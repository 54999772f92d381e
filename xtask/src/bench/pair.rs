//! Two nodes of one system, each a process of its own on loopback, driven by lines.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::Result;
use harness::{
    children::Children,
    otp::{Mapper, full_name},
    peer::{Peer, Usage},
    ports::Ports,
};

/// Time that a node gets to become idle before its memory is read.
const REST: Duration = Duration::from_millis(500);

/// The module that nodes of Erlang/OTP run, and its source.
pub(super) const MODULE: &str = "bench";
pub(super) const PROGRAM: &str = include_str!("bench.erl");

/// The system of a pair of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Obit {
        /// Its preset of heartbeats.
        heartbeat: &'static str,
        /// Further options of its nodes.
        flag: Option<Flag>,
        build: Build,
    },
    Otp {
        /// The options of its configuration.
        name: &'static str,
        flags: &'static [&'static str],
    },
}

/// The build of Obit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// Of this checkout.
    Here,
    /// The one that this checkout is compared with.
    Before,
}

/// The options of Obit's nodes, besides their heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The thread reads its sessions for a while before it sleeps.
    LowLatency,
    /// Messages that are not urgent have a channel of their own.
    Bulk,
    /// A runtime of tokio runs the processes.
    Tokio,
}

impl System {
    pub(crate) const OBIT: System = System::obit("default");
    pub(super) const OBIT_LOW_LATENCY: System =
        System::Obit { heartbeat: "default", flag: Some(Flag::LowLatency), build: Build::Here };
    pub(super) const OBIT_BULK: System =
        System::Obit { heartbeat: "default", flag: Some(Flag::Bulk), build: Build::Here };
    pub(super) const OBIT_TOKIO: System =
        System::Obit { heartbeat: "default", flag: Some(Flag::Tokio), build: Build::Here };
    pub(super) const OTP: System = System::Otp { name: "OTP", flags: &[] };
    /// Senders are not suspended before 128 MiB wait, instead of 1.
    pub(super) const OTP_BIG_BUFFER: System =
        System::Otp { name: "OTP +zdbbl 131072", flags: &["+zdbbl", "131072"] };
    /// Its schedulers sleep when there is nothing to do, as ours do.
    pub(super) const OTP_NO_BUSY_WAIT: System = System::Otp {
        name: "OTP +sbwt none",
        flags: &["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"],
    };

    /// It has the shortest timeout for a silent node that can be configured.
    pub(super) const OTP_SHORT_TICK: System =
        System::Otp { name: "OTP net_ticktime 1", flags: &["-kernel", "net_ticktime", "1"] };

    pub(super) const fn obit(heartbeat: &'static str) -> System {
        System::Obit { heartbeat, flag: None, build: Build::Here }
    }

    /// The same nodes of the build that this checkout is compared with.
    pub(super) const fn before(self) -> System {
        match self {
            System::Obit { heartbeat, flag, .. } => System::Obit { heartbeat, flag, build: Build::Before },
            System::Otp { .. } => self,
        }
    }

    pub(super) const fn is_before(self) -> bool {
        matches!(self, System::Obit { build: Build::Before, .. })
    }

    /// Returns whether it is the system of comparison for this checkout's Obit.
    pub(super) const fn is_baseline(self) -> bool {
        matches!(self, System::Otp { .. } | System::Obit { build: Build::Before, .. })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            System::Obit { build: Build::Before, .. } => "Obit before",
            System::Obit { flag: None, .. } => "Obit",
            System::Obit { flag: Some(Flag::LowLatency), .. } => "Obit low_latency",
            System::Obit { flag: Some(Flag::Bulk), .. } => "Obit, a channel for bulk",
            System::Obit { flag: Some(Flag::Tokio), .. } => "Obit on tokio",
            System::Otp { name, .. } => name,
        }
    }
}

/// The parts that every pair needs to start.
pub(crate) struct Lab {
    pub(crate) children: Children,
    /// Our program, and the folder of theirs.
    pub(crate) program: PathBuf,
    /// The build that the program is compared with, if it is one.
    pub(crate) before: Option<PathBuf>,
    pub(crate) folder: PathBuf,
}

/// See the [module](self).
pub(crate) struct Pair {
    pub(crate) watcher: Peer,
    pub(crate) watched: Peer,
    // Kept for as long as the nodes live.
    _ports: Option<Ports>,
    _mapper: Option<Mapper>,
}

impl Pair {
    /// Starts both, connected.
    pub(crate) fn start(lab: &Lab, system: System) -> Result<Self> {
        match system {
            System::Obit { heartbeat, flag, build } => {
                let program = match build {
                    Build::Here => &lab.program,
                    Build::Before => lab.before.as_ref().unwrap_or(&lab.program),
                };
                let ports = Ports::take()?;
                let name = |label: char, node| format!("{label}@127.0.0.1:{}", ports.port(node));
                let obit = |name: &str| {
                    let mut command = Command::new(program);
                    command.args(["--name", name, "--heartbeat", heartbeat]);
                    command.args(flag.map(|flag| match flag {
                        Flag::LowLatency => "--low-latency",
                        Flag::Bulk => "--bulk",
                        Flag::Tokio => "--tokio",
                    }));
                    command.stdin(Stdio::piped()).stdout(Stdio::piped());
                    command
                };
                let watched = Peer::start(&lab.children, &mut obit(&name('b', 1)))?;
                let watcher =
                    Peer::start(&lab.children, obit(&name('a', 0)).args(["--peer", &name('b', 1)]))?;
                Ok(Pair { watcher, watched, _ports: Some(ports), _mapper: None })
            }
            System::Otp { flags, .. } => {
                let mapper = Mapper::start(&lab.children, &lab.folder)?;
                let watched = Peer::start(&lab.children, &mut mapper.node("b", flags, MODULE))?;
                let watcher =
                    Peer::start(&lab.children, mapper.node("a", flags, MODULE).arg(full_name("b")))?;
                Ok(Pair { watcher, watched, _ports: None, _mapper: Some(mapper) })
            }
        }
    }

    /// Returns the usage of each node, the watcher first, after garbage collection.
    pub(crate) fn at_rest(&mut self) -> Result<(Usage, Usage)> {
        self.watcher.ask("collect")?;
        thread::sleep(REST);
        Ok((self.watcher.usage()?, self.watched.usage()?))
    }

    /// Returns the total usage of both nodes.
    pub(super) fn usage(&self) -> Result<Usage> {
        let [a, b] = [self.watcher.usage()?, self.watched.usage()?];
        Ok(Usage { cpu: a.cpu + b.cpu, coarse: a.coarse + b.coarse, rss: a.rss + b.rss })
    }
}
