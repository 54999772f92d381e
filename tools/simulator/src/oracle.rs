//! The truth: which processes live, of what they died, who monitors whom, and who has said what to
//! whom.

use std::collections::{BTreeMap, BTreeSet};

use monitor_runtime::{MonitorRef, Process};
use peer_service::{NodeId, SessionId};
use refs::Pid;

use crate::{
    conn::{LifeIx, NodeIx},
    time::Time,
    workload::life_of,
};

pub type ProcIx = usize;
pub type MonitorIx = usize;

/// A process, as it truly is.
pub struct Proc {
    pub life: LifeIx,
    pub pid: Pid,
    /// None once it has exited, or its node is gone.
    pub process: Option<Process>,
    /// When it has exited; none if its node has gone with it.
    pub exited: Option<Time>,
    pub slow: bool,
    pub subscribed: bool,
    /// Its monitors that have a row: neither ended nor received.
    pub open: BTreeSet<MonitorIx>,
    /// What it has been told of each node, by the session: of its subscription.
    pub up: BTreeMap<NodeIx, SessionId>,
}

/// What a monitor is aimed at.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    Pid(ProcIx),
    /// A number of that life that nobody has had.
    Nobody(LifeIx),
    Name(NodeIx, u8),
}

/// A monitor, when it was made.
pub struct Monitored {
    pub watcher: ProcIx,
    pub aim: Aim,
    pub node: NodeIx,
    pub made: Time,
    /// The session that was up then.
    pub session: Option<SessionId>,
}

pub struct Monitor {
    pub reference: MonitorRef,
    pub of: Monitored,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    /// Taken back after it had fired, without flush: its `Down` may still be received.
    Lingers,
    Received,
    TakenBack,
    WatcherGone,
}

/// Who held a name, and when.
pub struct Holding {
    pub proc: ProcIx,
    pub from: Time,
    pub to: Option<Time>,
}

/// The messages from one process to another within one session: which session, and how many.
pub type Told = (u64, u64);

/// See the [module](self).
#[derive(Default)]
pub struct Oracle {
    pub procs: Vec<Proc>,
    pub monitors: Vec<Monitor>,
    by_pid: BTreeMap<(u64, u64), ProcIx>,
    by_ref: BTreeMap<(u64, u64), MonitorIx>,
    living: Vec<Vec<ProcIx>>,
    pub names: BTreeMap<(NodeIx, u8), Vec<Holding>>,
    sent: BTreeMap<(ProcIx, ProcIx), Told>,
    pub got: BTreeMap<(ProcIx, ProcIx), Told>,
    /// What must have been received before the `Down` of an exit.
    pub owed: BTreeMap<(ProcIx, ProcIx), Told>,
}

impl Oracle {
    /// The processes that live on that node.
    pub fn of_life(&self, life: LifeIx) -> &[ProcIx] {
        self.living.get(life).map_or(&[], Vec::as_slice)
    }

    pub fn ever_of_life(&self, life: LifeIx) -> Vec<ProcIx> {
        (0..self.procs.len()).filter(|proc| self.procs[*proc].life == life).collect()
    }

    pub fn spawned(&mut self, life: LifeIx, process: Process, slow: bool) {
        let (proc, pid) = (self.procs.len(), process.pid().clone());
        self.by_pid.insert((pid.incarnation().get(), pid.serial().to_u64()), proc);
        if self.living.len() <= life {
            self.living.resize_with(life + 1, Vec::new);
        }
        self.living[life].push(proc);
        self.procs.push(Proc {
            life,
            pid,
            process: Some(process),
            exited: None,
            slow,
            subscribed: false,
            open: BTreeSet::new(),
            up: BTreeMap::new(),
        });
    }

    /// It is about to exit, while these nodes are up; hands over what makes it live.
    pub fn exited(&mut self, proc: ProcIx, now: Time, up: &[(NodeIx, NodeId, SessionId)]) -> Option<Process> {
        let process = self.gone(proc, now)?;
        self.procs[proc].exited = Some(now);
        for (_, peer, session) in up {
            for &to in self.living.get(life_of(peer)).into_iter().flatten() {
                if let Some(&told) =
                    self.sent.get(&(proc, to)).filter(|(in_session, _)| *in_session == session.0)
                {
                    self.owed.insert((proc, to), told);
                }
            }
        }
        Some(process)
    }

    fn gone(&mut self, proc: ProcIx, now: Time) -> Option<Process> {
        let life = self.procs[proc].life;
        self.living[life].retain(|other| *other != proc);
        for monitor in std::mem::take(&mut self.procs[proc].open) {
            self.monitors[monitor].fate = Fate::WatcherGone;
        }
        for holding in self.names.values_mut().flatten().filter(|holding| holding.proc == proc) {
            holding.to.get_or_insert(now);
        }
        self.procs[proc].process.take()
    }

    /// A node is gone, and all of its processes with it. To be told before the node is dropped.
    pub fn life_over(&mut self, life: LifeIx, now: Time) -> Vec<Process> {
        let procs = self.of_life(life).to_vec();
        procs.into_iter().filter_map(|proc| self.gone(proc, now)).collect()
    }

    pub fn registered(&mut self, node: NodeIx, which: u8, proc: ProcIx, now: Time) {
        self.names.entry((node, which)).or_default().push(Holding { proc, from: now, to: None });
    }

    /// Who holds the name in that life of the node.
    pub fn holder(&self, node: NodeIx, which: u8, life: LifeIx) -> Option<ProcIx> {
        let all = self.names.get(&(node, which)).into_iter().flatten();
        let holds = |holding: &&Holding| holding.to.is_none() && self.procs[holding.proc].life == life;
        all.filter(holds).map(|holding| holding.proc).next()
    }

    pub fn monitored(&mut self, reference: MonitorRef, of: Monitored) {
        let monitor = self.monitors.len();
        self.by_ref.insert(key(&reference), monitor);
        self.procs[of.watcher].open.insert(monitor);
        self.monitors.push(Monitor { reference, of, fate: Fate::Open });
    }

    pub fn demonitored(&mut self, monitor: MonitorIx, was_active: bool, flush: bool) {
        let lingers = !was_active && !flush;
        self.monitors[monitor].fate = if lingers { Fate::Lingers } else { Fate::TakenBack };
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
        let told = self.sent.get(&(from, to)).filter(|(in_session, _)| *in_session == session.0);
        told.map_or(0, |(_, number)| *number)
    }

    pub fn sent(&mut self, from: ProcIx, to: ProcIx, session: SessionId) {
        let number = self.next_message(from, to, session) + 1;
        self.sent.insert((from, to), (session.0, number));
    }

    /// How many rows the monitors of that life's processes take.
    pub fn rows(&self, life: LifeIx) -> usize {
        self.of_life(life).iter().map(|proc| self.procs[*proc].open.len()).sum()
    }
}

fn key(reference: &MonitorRef) -> (u64, u64) {
    (reference.node().incarnation.get(), reference.serial().to_u64())
}
