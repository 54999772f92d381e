//! A core with one session, and nothing around it: for benchmarks and for measuring memory.
#![allow(dead_code, unreachable_pub, reason = "each of its users needs a part of it")]
#![allow(clippy::unwrap_used, reason = "all of it is made here, and right")]

use monitor_core::{
    Core, CoreConfig, Effect, LocalPid, LocalTarget, MonitorId, MonitorOptions, Processes, RemoteTarget,
    Signal,
    refs::{
        ChannelId, DialId, EndKind, Incarnation, NodeId, NodeName, Pid, Serial, SessionEnd, SessionId, Target,
    },
};

/// The watcher of all monitors made here.
pub const WATCHER: LocalPid = LocalPid(Serial::new(0, 1));

/// Another watcher.
pub const OTHER_WATCHER: LocalPid = LocalPid(Serial::new(1, 1));

const SESSION: SessionId = SessionId(1);

/// All processes are alive.
pub struct All;

impl Processes for All {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        match target {
            LocalTarget::Pid(pid) => Some(*pid),
            LocalTarget::Name(_) => None,
        }
    }
}

/// See the [module](self). Effects are discarded after every input.
#[derive(Clone)]
pub struct Bare {
    pub core: Core,
    peer: NodeId,
    out: Vec<Effect>,
}

pub fn node(name: &str) -> NodeId {
    NodeId::new(name.parse().unwrap(), Incarnation::new(1).unwrap())
}

/// One of many numbers.
pub const fn number(slot: u32) -> Serial {
    Serial::new(slot, 1)
}

impl Bare {
    /// Makes a core whose session is up.
    pub fn new() -> Self {
        Self::with(CoreConfig::new(node("a@test"), 7))
    }

    /// Makes a core with that configuration whose session is up.
    pub fn with(config: CoreConfig) -> Self {
        let mut bare = Bare { core: Core::new(config), peer: node("b@test"), out: Vec::new() };
        let peer = bare.peer.clone();
        bare.input(|core, out| core.peer_up(SESSION, peer, false, out));
        bare
    }

    /// Monitors that number of processes of the peer, one each.
    pub fn watching(monitors: u32) -> Self {
        let mut bare = Bare::new();
        for slot in 0..monitors {
            bare.monitor(&bare.target(slot));
        }
        bare
    }

    /// Adds that number of monitors of the peer on one local process.
    pub fn watched(monitors: u32) -> Self {
        let mut bare = Bare::new();
        for slot in 0..monitors {
            bare.monitored(slot, WATCHER);
        }
        bare
    }

    /// A process of the peer.
    pub fn target(&self, slot: u32) -> Target {
        Pid::new(self.peer.clone(), number(slot)).into()
    }

    pub fn monitor(&mut self, target: &Target) -> MonitorId {
        self.monitor_of(WATCHER, target)
    }

    pub fn monitor_of(&mut self, watcher: LocalPid, target: &Target) -> MonitorId {
        self.input(|core, out| core.monitor(&All, watcher, target, MonitorOptions::new(), out))
    }

    pub fn demonitor(&mut self, id: MonitorId) {
        self.input(|core, out| core.demonitor(WATCHER, id, true, out));
    }

    /// Adds a monitor of the peer on a local process.
    pub fn monitored(&mut self, slot: u32, target: LocalPid) {
        let id = MonitorId(number(slot));
        self.signal(Signal::Monitor { id, target: RemoteTarget::Pid(target.0) });
    }

    pub fn signal(&mut self, signal: Signal) {
        self.input(|core, out| core.handle_signal(&All, SESSION, ChannelId::DEFAULT, signal, out)).unwrap();
    }

    /// Ends the session, and runs to the last effect.
    pub fn lose_peer(&mut self) {
        self.input(|core, out| core.peer_down(SESSION, SessionEnd::new(EndKind::Closed), out));
        self.work_off();
    }

    /// Fails that dial, and runs to the last effect.
    pub fn unreachable(&mut self, name: &NodeName, dial: u64) {
        let end = SessionEnd::new(EndKind::Refused);
        self.input(|core, out| core.peer_unreachable(name, DialId(dial), end, out));
        self.work_off();
    }

    /// Exits that process, and runs to the last effect.
    pub fn exit(&mut self, pid: LocalPid) {
        self.input(|core, out| core.process_exited(pid, Some(monitor_core::ExitReason::Normal), out));
        self.work_off();
    }

    fn work_off(&mut self) {
        while self.core.has_backlog() {
            self.input(Core::resume);
        }
    }

    fn input<R>(&mut self, input: impl FnOnce(&mut Core, &mut Vec<Effect>) -> R) -> R {
        self.out.clear();
        input(&mut self.core, &mut self.out)
    }
}
