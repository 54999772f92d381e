//! The monitors, processes and subscriptions of one run, replayed from its transcript.

use std::collections::{BTreeMap, BTreeSet};

use super::{Homes, NodeRun, node_of};
use crate::cluster::{
    protocol::{Command, CommandAnswer, Exit, Output, Reason, Subscription},
    transcript::LineContent,
};

/// The actions of one node, according to its transcript.
pub(super) struct Ledger<'a> {
    pub(super) name: &'a str,
    pub(super) incarnation: &'a str,
    pub(super) alive: bool,
    /// Whether it received a stop command: its processes are then shut down.
    pub(super) told_to_stop: bool,
    /// By reference.
    pub(super) monitors: BTreeMap<&'a str, Record<'a>>,
    /// The possible exit reasons by pid; empty while the process runs. Two entries if it was killed
    /// while it exited.
    pub(super) processes: BTreeMap<&'a str, Vec<Exit>>,
    pub(super) subscriptions: BTreeSet<(&'a str, Subscription)>,
    pub(super) violations: Vec<String>,
}

/// One monitor.
pub(super) struct Record<'a> {
    /// The pid of its watcher; `handle` or `set` if it belongs to no process.
    pub(super) watcher: &'a str,
    pub(super) target: String,
    pub(super) tag: u64,
    pub(super) state: State,
}

/// The state of a monitor for its watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A `Down` must arrive.
    Active,
    /// The `Down` has arrived.
    Down(Reason),
    /// The call returned that the monitor has fired: its `Down` is in the mailbox, and must arrive.
    Owed,
    /// It was removed without a flush: a `Down` that was in the mailbox may still arrive.
    Perhaps,
    /// It was removed: no `Down` may arrive.
    Silent,
    /// Its watcher has ended.
    Gone,
}

impl<'a> Ledger<'a> {
    /// Replays a transcript.
    pub(super) fn of(run: &'a NodeRun) -> Self {
        let mut ledger = Ledger {
            name: &run.name,
            incarnation: &run.incarnation,
            alive: run.alive,
            told_to_stop: false,
            monitors: BTreeMap::new(),
            processes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            violations: Vec::new(),
        };
        let mut asked = BTreeMap::new();
        for entry in &run.entries {
            match &entry.content {
                LineContent::Request(request) => {
                    ledger.told_to_stop |= matches!(request.command, Command::Stop);
                    asked.insert(request.id, &request.command);
                }
                LineContent::Output(Output::Reply { id, answer }) => match asked.remove(id) {
                    Some(command) => ledger.answered(command, answer),
                    None => ledger.violation(format!("an answer to {id}, which is not an open request")),
                },
                LineContent::Output(event) => ledger.event(event),
                LineContent::Invalid(line) => ledger.violation(format!("a line that is not valid: {line}")),
            }
        }
        ledger
    }

    /// Returns whether that process of this run is alive.
    pub(super) fn has(&self, pid: &str) -> bool {
        self.alive && self.processes.get(pid).is_some_and(Vec::is_empty)
    }

    /// Number of active monitors.
    pub(super) fn active(&self) -> usize {
        self.monitors.values().filter(|record| record.state == State::Active).count()
    }

    /// Number of active monitors on processes of the node with that name.
    pub(super) fn active_at(&self, node: &str, homes: &Homes<'_>) -> usize {
        let there = |record: &&Record<'_>| {
            record.state == State::Active && node_of(&record.target, homes) == Some(node)
        };
        self.monitors.values().filter(there).count()
    }

    fn answered(&mut self, command: &'a Command, answer: &'a CommandAnswer) {
        match (command, answer) {
            (Command::Spawn { .. }, CommandAnswer::Pids(pids)) => {
                self.processes.extend(pids.iter().map(|pid| (pid.as_str(), Vec::new())));
            }
            (Command::Kill { process }, CommandAnswer::Flags(flags)) if flags == &[true] => {
                self.ended(process, Exit::Killed)
            }
            (Command::Monitor { process, targets, tag, .. }, CommandAnswer::Monitors(monitors)) => {
                self.made(process, targets, *tag, monitors);
            }
            (Command::Watch { targets, tag, set, .. }, CommandAnswer::Monitors(monitors)) => {
                self.made(if *set { "set" } else { "handle" }, targets, *tag, monitors);
            }
            (Command::Demonitor { process, monitors, flush, info }, CommandAnswer::Flags(flags)) => {
                for (monitor, flag) in monitors.iter().zip(flags) {
                    self.demonitored(process, monitor, *flush, *info, *flag);
                }
            }
            (Command::Unwatch { monitors, info }, CommandAnswer::Flags(flags)) => {
                for (monitor, flag) in monitors.iter().zip(flags) {
                    self.unwatched(monitor, *info, *flag);
                }
            }
            (Command::MonitorNodes { process, of }, CommandAnswer::Nodes(_)) => {
                self.subscriptions.insert((process, *of));
            }
            (Command::DemonitorNodes { process, of }, CommandAnswer::Done) => {
                self.subscriptions.remove(&(process.as_str(), *of));
            }
            _ => {}
        }
    }

    fn made(&mut self, watcher: &'a str, targets: &[String], tag: u64, monitors: &'a [String]) {
        for (reference, target) in monitors.iter().zip(targets) {
            let record = Record { watcher, target: target.clone(), tag, state: State::Active };
            if self.monitors.insert(reference, record).is_some() {
                self.violation(format!("the reference {reference} was given out twice"));
            }
        }
    }

    fn event(&mut self, event: &'a Output) {
        match event {
            Output::Exiting { process, reason } => self.ended(process, reason.clone()),
            Output::Down { to, monitor, target, reason, tag } => self.down(to, monitor, target, reason, *tag),
            _ => {}
        }
    }

    fn ended(&mut self, process: &str, reason: Exit) {
        if let Some(ends) = self.processes.get_mut(process) {
            ends.push(reason);
        }
        self.subscriptions.retain(|(subscriber, _)| *subscriber != process);
        for record in self.monitors.values_mut().filter(|record| record.watcher == process) {
            if !matches!(record.state, State::Down(_) | State::Silent) {
                record.state = State::Gone;
            }
        }
    }

    fn down(&mut self, to: &str, monitor: &str, target: &str, reason: &Reason, tag: u64) {
        let Some(record) = self.monitors.get_mut(monitor) else {
            return self.violation(format!("a Down of {monitor}, which was never made"));
        };
        let allowed = match &record.state {
            State::Active | State::Owed | State::Perhaps => true,
            // A process that is killed may run until its next pause; one that exits prints
            // `exiting` last.
            State::Gone => self.processes.get(to).is_some_and(|ends| ends.as_slice() == [Exit::Killed]),
            State::Down(_) | State::Silent => false,
        };
        let before = std::mem::replace(&mut record.state, State::Down(reason.clone()));
        let made = (record.watcher, record.target.as_str(), record.tag);
        let wrong = (made != (to, target, tag))
            .then(|| format!("made as {made:?}, but its Down has {:?}", (to, target, tag)));
        if !allowed {
            self.violation(format!("a Down of {monitor} for {reason:?}, but before it was {before:?}"));
        }
        if let Some(wrong) = wrong {
            self.violation(format!("{monitor} was {wrong}"));
        }
    }

    fn demonitored(&mut self, process: &str, monitor: &str, flush: bool, info: bool, flag: bool) {
        let record = self.monitors.get_mut(monitor).filter(|record| record.watcher == process);
        let Some(record) = record else {
            return self.expect_flag(monitor, "demonitor of another's monitor", flag, !info);
        };
        let was = record.state.clone();
        record.state = match (&was, info, flag, flush) {
            (State::Active | State::Owed | State::Perhaps, _, _, true) => State::Silent,
            // The node reports whether it had fired, and later events must agree with that.
            (State::Active, true, true, false) => State::Silent,
            (State::Active, true, false, false) => State::Owed,
            (State::Active, false, _, false) => State::Perhaps,
            (other, ..) => (*other).clone(),
        };
        if was != State::Active || !info {
            self.expect_flag(monitor, "demonitor", flag, !info);
        }
    }

    fn unwatched(&mut self, monitor: &str, info: bool, flag: bool) {
        let Some(record) = self.monitors.get_mut(monitor) else { return };
        let active = record.state == State::Active;
        if active {
            record.state = State::Silent;
        }
        if info && !active {
            self.expect_flag(monitor, "demonitor of a handle that is over", flag, false);
        }
    }

    fn expect_flag(&mut self, monitor: &str, what: &str, flag: bool, wanted: bool) {
        if flag != wanted {
            self.violation(format!("{what} ({monitor}) gave {flag}, expected {wanted}"));
        }
    }

    fn violation(&mut self, what: String) {
        self.violations.push(format!("{}: {what}", self.name));
    }
}
