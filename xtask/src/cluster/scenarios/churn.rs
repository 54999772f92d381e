//! `churn`

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use fastrand::Rng;

use crate::cluster::{
    Cluster,
    node::Node,
    process::{Demonitor, Monitor, Process},
    protocol::{Command, Exit, Tables},
};

/// Monitors, demonitors, exits, kills, messages, disconnects and restarts, at random from one seed.
/// At the end every process exits; then every monitor must have ended once, and all tables must be
/// empty.
pub(super) fn churn(cluster: &Cluster<'_>) -> Result<()> {
    let lasts = Duration::from_secs(cluster.scaled(10, 3) as u64);
    let mut churn = Churn {
        cluster,
        rng: Rng::with_seed(cluster.seed()),
        sites: cluster.all()?.into_iter().map(Site::new).collect::<Result<_>>()?,
        monitors: Vec::new(),
        pids: Vec::new(),
        counts: BTreeMap::new(),
    };
    cluster.progress().plan(lasts.as_secs() as usize, "seconds");
    let start = Instant::now();
    let mut reported = 0;
    while start.elapsed() < lasts {
        churn.act()?;
        while reported < start.elapsed().as_secs() {
            cluster.progress().step();
            reported += 1;
        }
    }
    for (what, count) in std::mem::take(&mut churn.counts) {
        cluster.figure(what, count);
    }
    churn.wind_up()
}

struct Churn<'a> {
    cluster: &'a Cluster<'a>,
    rng: Rng,
    sites: Vec<Site>,
    /// Monitors that may still be removed: by a process, or by a handle.
    monitors: Vec<(Monitor, Option<Process>)>,
    /// The newest pids of processes, running or not.
    pids: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

/// One node and its processes.
struct Site {
    node: Node,
    workers: Vec<Process>,
    watchers: Vec<Process>,
}

impl Site {
    const WATCHERS: usize = 3;
    const MAX_WORKERS: usize = 30;

    fn new(node: Node) -> Result<Self> {
        let watchers = (0..Self::WATCHERS).map(|_| node.watcher()).collect::<Result<_>>()?;
        Ok(Site { node, workers: Vec::new(), watchers })
    }
}

const NAMES: usize = 4;
const MAX_PIDS: usize = 300;
const MAX_MONITORS: usize = 2_000;

impl Churn<'_> {
    fn act(&mut self) -> Result<()> {
        let site = self.rng.usize(..self.sites.len());
        // In thousandths.
        let (what, act): (_, fn(&mut Self, usize) -> Result<()>) = match self.rng.u32(..1000) {
            0..200 => ("spawns", Self::spawn),
            200..480 => ("monitors_by_process", Self::monitor),
            480..600 => ("monitors_by_handle", Self::watch),
            600..740 => ("demonitors", Self::demonitor),
            740..860 => ("exits", Self::exit),
            860..900 => ("kills", Self::kill),
            900..920 => ("watchers_replaced", Self::replace_watcher),
            920..980 => ("sends", Self::send),
            980..993 => ("disconnects", Self::disconnect),
            993..998 => ("restarts_after_sigkill", Self::restart),
            _ => ("restarts_after_leaving", Self::leave),
        };
        *self.counts.entry(what).or_default() += 1;
        act(self, site)
    }

    fn spawn(&mut self, site: usize) -> Result<()> {
        if self.sites[site].workers.len() == Site::MAX_WORKERS {
            return self.exit(site);
        }
        let worker = self.sites[site].node.spawn()?;
        if self.pids.len() == MAX_PIDS {
            self.pids.swap_remove(0);
        }
        self.pids.push(worker.pid().to_owned());
        if self.rng.bool() {
            // If the name is already taken, the process gets none.
            let name = self.name();
            worker.node().try_ask(Command::Register { process: worker.pid().to_owned(), name })?;
        }
        self.sites[site].workers.push(worker);
        Ok(())
    }

    fn monitor(&mut self, site: usize) -> Result<()> {
        let watcher = self.any_watcher(site);
        let target = self.target();
        let monitor = watcher.monitor_with(&target, self.rng.u64(..), self.rng.u8(..8) == 0)?;
        self.remember(monitor, Some(watcher));
        Ok(())
    }

    fn watch(&mut self, site: usize) -> Result<()> {
        let target = self.target();
        let monitor = self.sites[site].node.watch_many(&[target], self.rng.bool())?.pop();
        self.remember(monitor.expect("one for each target"), None);
        Ok(())
    }

    fn demonitor(&mut self, _: usize) -> Result<()> {
        if self.monitors.is_empty() {
            return Ok(());
        }
        let at = self.rng.usize(..self.monitors.len());
        // Some are kept, to be removed a second time.
        let (monitor, watcher) = match self.rng.u8(..4) {
            0 => self.monitors[at].clone(),
            _ => self.monitors.swap_remove(at),
        };
        let how = Demonitor { flush: self.rng.bool(), info: self.rng.bool() };
        match watcher {
            Some(watcher) => watcher.demonitor(&monitor, how).map(drop),
            None if how.info => monitor.node().demonitor_handle(&monitor).map(drop),
            None => monitor.node().drop_handle(&monitor),
        }
    }

    fn exit(&mut self, site: usize) -> Result<()> {
        let reasons =
            [Exit::Normal, Exit::Shutdown, Exit::Other("spent".to_owned()), Exit::Panicked("oh".to_owned())];
        let reason = self.rng.choice(reasons).expect("there are reasons");
        match self.take_worker(site) {
            Some(worker) => worker.exit(reason),
            None => Ok(()),
        }
    }

    fn kill(&mut self, site: usize) -> Result<()> {
        match self.take_worker(site) {
            Some(worker) => worker.kill().map(drop),
            None => Ok(()),
        }
    }

    fn replace_watcher(&mut self, site: usize) -> Result<()> {
        let at = self.rng.usize(..Site::WATCHERS);
        let new = self.sites[site].node.watcher()?;
        let old = std::mem::replace(&mut self.sites[site].watchers[at], new);
        self.monitors
            .retain(|(_, watcher)| watcher.as_ref().is_none_or(|watcher| watcher.pid() != old.pid()));
        old.exit(Exit::Normal)
    }

    fn send(&mut self, site: usize) -> Result<()> {
        let to = self.rng.usize(..self.sites.len());
        let receiver = self.any_watcher(to);
        let Some(sender) = self.rng.choice(&self.sites[site].workers) else { return Ok(()) };
        let (process, to) = (sender.pid().to_owned(), receiver.pid().to_owned());
        // The send may fail: the session may be full, or just ending.
        sender.node().try_ask(Command::Send { process, to, count: self.rng.usize(1..20) }).map(drop)
    }

    fn disconnect(&mut self, site: usize) -> Result<()> {
        let other = self.rng.usize(..self.sites.len());
        if other == site {
            return Ok(());
        }
        self.cluster.disconnect(&self.sites[site].node, &self.sites[other].node)
    }

    fn restart(&mut self, site: usize) -> Result<()> {
        let node = self.sites[site].node.clone();
        let name = node.name().to_owned();
        self.monitors.retain(|(monitor, _)| monitor.node().name() != name);
        self.sites[site] = Site::new(self.cluster.restart(&node)?)?;
        Ok(())
    }

    fn leave(&mut self, site: usize) -> Result<()> {
        self.cluster.stop(&self.sites[site].node)?;
        self.restart(site)
    }

    /// Waits until the cluster is idle with the active monitors; then every process that may be a
    /// target exits.
    fn wind_up(mut self) -> Result<()> {
        self.cluster.at_rest()?;
        for site in &mut self.sites {
            let processes = site.workers.drain(..).map(|worker| worker.pid().to_owned()).collect();
            site.node.done(Command::Exit { processes, how: Exit::Normal })?;
        }
        for site in &self.sites {
            let empty = |tables: &Tables| {
                (tables.active, tables.fired, tables.incoming, tables.waiting, tables.backlog)
                    == (0, 0, 0, 0, 0)
            };
            site.node.await_tables("no monitor left, since every process is gone", empty)?;
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        format!("name-{}", self.rng.usize(..NAMES))
    }

    /// The pid of a process, running or not, or a name that may be registered or not.
    fn target(&mut self) -> String {
        match self.rng.choice(&self.pids) {
            Some(pid) if self.rng.u8(..4) > 0 => pid.clone(),
            _ => {
                let site = self.rng.usize(..self.sites.len());
                format!("{}@{}", self.name(), self.sites[site].node.name())
            }
        }
    }

    fn any_watcher(&mut self, site: usize) -> Process {
        self.sites[site].watchers[self.rng.usize(..Site::WATCHERS)].clone()
    }

    fn take_worker(&mut self, site: usize) -> Option<Process> {
        let workers = &mut self.sites[site].workers;
        (!workers.is_empty()).then(|| workers.swap_remove(self.rng.usize(..workers.len())))
    }

    fn remember(&mut self, monitor: Monitor, watcher: Option<Process>) {
        if self.monitors.len() == MAX_MONITORS {
            self.monitors.swap_remove(self.rng.usize(..MAX_MONITORS));
        }
        self.monitors.push((monitor, watcher));
    }
}
