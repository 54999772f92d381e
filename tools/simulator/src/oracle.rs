//! The facts of a run: the processes and how they ended, the monitors, and the messages.

use std::collections::{BTreeMap, BTreeSet};

use monitor_runtime::{MonitorRef, Process};
use peer_service::{NodeId, SessionId};
use refs::Pid;

use crate::{
    conn::{InstanceIx, NodeIx},
    time::Time,
    workload::instance_of,
};

pub type ProcIx = usize;
pub type MonitorIx = usize;

/// The facts about a process.
pub struct Proc {
    pub instance: InstanceIx,
    pub pid: Pid,
    /// `None` once it has exited, or its node is gone.
    pub process: Option<Process>,
    /// When it exited; `None` if it runs, or if its node has ended first.
    pub exited: Option<Time>,
    pub slow: bool,
    pub subscribed: bool,
    /// Its monitors that have a row: neither removed nor received.
    pub open: BTreeSet<MonitorIx>,
    /// The session of each node that is up, according to the notices of its subscription.
    pub up: BTreeMap<NodeIx, SessionId>,
}

/// The target of a monitor.
#[derive(Clone, Copy, Debug)]
pub enum MonitorTarget {
    Pid(ProcIx),
    /// A pid of that instance that never existed.
    Missing(InstanceIx),
    Name(NodeIx, u8),
}

/// The facts at the time at which a monitor was made.
pub struct MonitorInfo {
    pub watcher: ProcIx,
    pub target: MonitorTarget,
    pub node: NodeIx,
    pub made: Time,
    /// The session that was up then.
    pub session: Option<SessionId>,
}

pub struct Monitor {
    pub reference: MonitorRef,
    pub of: MonitorInfo,
    pub state: MonitorState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorState {
    Open,
    /// Removed after it had fired, without flush: its `Down` may still be received.
    RemovedUnflushed,
    Received,
    Removed,
    WatcherGone,
}

/// The time during which a process has a registered name.
pub struct NameHolding {
    pub proc: ProcIx,
    pub from: Time,
    pub to: Option<Time>,
}

/// The messages from one process to another within one session: the session, and their number.
pub type MessageCount = (u64, u64);

/// See the [module](self).
#[derive(Default)]
pub struct Oracle {
    pub procs: Vec<Proc>,
    pub monitors: Vec<Monitor>,
    by_pid: BTreeMap<(u64, u64), ProcIx>,
    by_ref: BTreeMap<(u64, u64), MonitorIx>,
    living: Vec<Vec<ProcIx>>,
    pub names: BTreeMap<(NodeIx, u8), Vec<NameHolding>>,
    sent: BTreeMap<(ProcIx, ProcIx), MessageCount>,
    pub got: BTreeMap<(ProcIx, ProcIx), MessageCount>,
    /// Messages that must be received before the `Down` of an exit.
    pub owed: BTreeMap<(ProcIx, ProcIx), MessageCount>,
}

impl Oracle {
    /// The running processes of that instance.
    pub fn of_instance(&self, instance: InstanceIx) -> &[ProcIx] {
        self.living.get(instance).map_or(&[], Vec::as_slice)
    }

    pub fn all_of_instance(&self, instance: InstanceIx) -> Vec<ProcIx> {
        (0..self.procs.len()).filter(|proc| self.procs[*proc].instance == instance).collect()
    }

    pub fn spawned(&mut self, instance: InstanceIx, process: Process, slow: bool) {
        let (proc, pid) = (self.procs.len(), process.pid().clone());
        self.by_pid.insert((pid.incarnation().get(), pid.serial().to_u64()), proc);
        if self.living.len() <= instance {
            self.living.resize_with(instance + 1, Vec::new);
        }
        self.living[instance].push(proc);
        self.procs.push(Proc {
            instance,
            pid,
            process: Some(process),
            exited: None,
            slow,
            subscribed: false,
            open: BTreeSet::new(),
            up: BTreeMap::new(),
        });
    }

    /// Records an exit while these nodes are up. Returns the guard, which the caller drops.
    pub fn exited(&mut self, proc: ProcIx, now: Time, up: &[(NodeIx, NodeId, SessionId)]) -> Option<Process> {
        let process = self.gone(proc, now)?;
        self.procs[proc].exited = Some(now);
        for (_, peer, session) in up {
            for &to in self.living.get(instance_of(peer)).into_iter().flatten() {
                if let Some(&messages) =
                    self.sent.get(&(proc, to)).filter(|(in_session, _)| *in_session == session.0)
                {
                    self.owed.insert((proc, to), messages);
                }
            }
        }
        Some(process)
    }

    fn gone(&mut self, proc: ProcIx, now: Time) -> Option<Process> {
        let instance = self.procs[proc].instance;
        self.living[instance].retain(|other| *other != proc);
        for monitor in std::mem::take(&mut self.procs[proc].open) {
            self.monitors[monitor].state = MonitorState::WatcherGone;
        }
        for holding in self.names.values_mut().flatten().filter(|holding| holding.proc == proc) {
            holding.to.get_or_insert(now);
        }
        self.procs[proc].process.take()
    }

    /// Records the end of an instance and of all its processes. Call it before the node is dropped.
    pub fn instance_ended(&mut self, instance: InstanceIx, now: Time) -> Vec<Process> {
        let procs = self.of_instance(instance).to_vec();
        procs.into_iter().filter_map(|proc| self.gone(proc, now)).collect()
    }

    pub fn registered(&mut self, node: NodeIx, which: u8, proc: ProcIx, now: Time) {
        self.names.entry((node, which)).or_default().push(NameHolding { proc, from: now, to: None });
    }

    /// The process that has the name on that instance of the node.
    pub fn holder(&self, node: NodeIx, which: u8, instance: InstanceIx) -> Option<ProcIx> {
        let all = self.names.get(&(node, which)).into_iter().flatten();
        let holds =
            |holding: &&NameHolding| holding.to.is_none() && self.procs[holding.proc].instance == instance;
        all.filter(holds).map(|holding| holding.proc).next()
    }

    pub fn monitored(&mut self, reference: MonitorRef, of: MonitorInfo) {
        let monitor = self.monitors.len();
        self.by_ref.insert(key(&reference), monitor);
        self.procs[of.watcher].open.insert(monitor);
        self.monitors.push(Monitor { reference, of, state: MonitorState::Open });
    }

    pub fn demonitored(&mut self, monitor: MonitorIx, was_active: bool, flush: bool) {
        let lingers = !was_active && !flush;
        self.monitors[monitor].state =
            if lingers { MonitorState::RemovedUnflushed } else { MonitorState::Removed };
        if !lingers {
            let watcher = self.monitors[monitor].of.watcher;
            self.procs[watcher].open.remove(&monitor);
        }
    }

    pub fn find(&self, reference: &MonitorRef) -> Option<MonitorIx> {
        self.by_ref.get(&key(reference)).copied()
    }

    pub fn find_process(&self, pid: &Pid) -> Option<ProcIx> {
        self.by_pid.get(&(pid.incarnation().get(), pid.serial().to_u64())).copied()
    }

    /// The number of the next message within that session.
    pub fn next_message(&self, from: ProcIx, to: ProcIx, session: SessionId) -> u64 {
        let messages = self.sent.get(&(from, to)).filter(|(in_session, _)| *in_session == session.0);
        messages.map_or(0, |(_, number)| *number)
    }

    pub fn sent(&mut self, from: ProcIx, to: ProcIx, session: SessionId) {
        let number = self.next_message(from, to, session) + 1;
        self.sent.insert((from, to), (session.0, number));
    }

    /// Number of rows for the monitors of that instance's processes.
    pub fn rows(&self, instance: InstanceIx) -> usize {
        self.of_instance(instance).iter().map(|proc| self.procs[*proc].open.len()).sum()
    }
}

fn key(reference: &MonitorRef) -> (u64, u64) {
    (reference.node().incarnation.get(), reference.serial().to_u64())
}
