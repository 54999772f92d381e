//! Holds what processes are told against the truth: P1 to P8 of `docs/RACES.md`, at every step.

use monitor_runtime::{Down, DownReason, Event, Message, NodeDown, NodeDownSource, NodeUp};
use peer_service::{EndKind, SessionEnd};

use crate::{
    conn::{LifeIx, NodeIx},
    oracle::{Aim, Fate, MonitorIx, ProcIx},
    time::Time,
    workload::life_of,
    world::World,
};

impl World {
    /// A process has received something.
    pub fn told(&mut self, proc: ProcIx, event: Event) {
        match event {
            Event::Down(down) => self.told_down(proc, &down),
            Event::Message(message) => self.told_message(proc, &message),
            Event::NodeUp(up) => self.told_up(proc, &up),
            Event::NodeDown(down) => self.told_node_down(proc, &down),
            other => self.violated("P11", || format!("a mailbox was full: {other:?}")),
        }
    }

    fn told_down(&mut self, proc: ProcIx, down: &Down) {
        self.trace(|w| {
            format!("{:?} is told {:?}: {:?}", w.oracle.procs[proc].pid, down.monitor, down.reason)
        });
        let Some(monitor) = self.oracle.find(&down.monitor) else {
            return self.violated("P1", || format!("a Down of no monitor: {down:?}"));
        };
        match self.oracle.monitors[monitor].fate {
            Fate::Open | Fate::Lingers => {}
            Fate::Received => return self.violated("P1", || format!("a second Down: {down:?}")),
            Fate::TakenBack => return self.violated("P4", || format!("a Down after demonitor: {down:?}")),
            Fate::WatcherGone => {
                return self.violated("P10", || format!("a Down for a dead watcher: {down:?}"));
            }
        }
        if self.oracle.monitors[monitor].of.watcher != proc {
            return self.violated("P8", || format!("a Down for somebody else: {down:?}"));
        }
        self.oracle.monitors[monitor].fate = Fate::Received;
        self.oracle.procs[proc].open.remove(&monitor);
        let life = self.oracle.procs[proc].life;
        let true_ = match &down.reason {
            DownReason::Exit(reason) => {
                self.counts.down_exit += 1;
                let died: Option<ProcIx> = reason.to_string().parse().ok();
                died.is_some_and(|died| self.is_true_exit(monitor, died) && self.all_was_heard(died, proc))
            }
            DownReason::NoProc => {
                self.counts.down_noproc += 1;
                self.is_true_noproc(monitor)
            }
            DownReason::NoConnection(end) => {
                self.counts.down_noconnection += 1;
                self.is_true_noconnection(life, monitor, *end)
            }
            _ => false,
        };
        if !true_ {
            self.violated("P3", || format!("not true: {down:?}"));
        }
    }

    /// Whether the process that has died of that was the target, and has died.
    fn is_true_exit(&self, monitor: MonitorIx, died: ProcIx) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let Some(at) = self.oracle.procs.get(died).and_then(|proc| proc.exited) else { return false };
        let meant = match of.aim {
            Aim::Pid(target) => target == died,
            Aim::Nobody(_) => false,
            Aim::Name(node, which) => {
                let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
                held.into_iter().any(|held| held.proc == died && held.to.is_none_or(|to| to >= of.made))
            }
        };
        meant && at >= of.made
    }

    /// Whether the node that bears the name could say, since the monitor was made, that there is no
    /// such process.
    fn is_true_noproc(&self, monitor: MonitorIx) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let life = match of.aim {
            Aim::Pid(target) if self.oracle.procs[target].exited.is_some() => return true,
            Aim::Pid(target) => self.oracle.procs[target].life,
            Aim::Nobody(life) if self.lives[life].alive => return true,
            Aim::Nobody(life) => life,
            Aim::Name(node, which) => return self.was_free(node, which, of.made),
        };
        self.lives_since(of.node, of.made).any(|other| other != life) || matches!(of.aim, Aim::Nobody(_))
    }

    fn lives_since(&self, node: NodeIx, made: Time) -> impl Iterator<Item = LifeIx> {
        (0..self.lives.len()).filter(move |life| {
            let life = &self.lives[*life];
            life.node_ix == node && life.died.is_none_or(|died| died >= made)
        })
    }

    /// Whether in some life of the node, at some time since, nobody held the name.
    fn was_free(&self, node: NodeIx, which: u8, since: Time) -> bool {
        self.lives_since(node, since).any(|life| {
            let (born, died) = (self.lives[life].born, self.lives[life].died);
            let (from, to) = (born.max(since), died.unwrap_or(self.now));
            let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
            let mut covers = held.filter(|held| self.oracle.procs[held.proc].life == life);
            !covers.any(|held| held.from < from && held.to.is_none_or(|end| end > to))
        })
    }

    /// Whether the link has ended that way, or could not be made, since the monitor was made.
    fn is_true_noconnection(&self, life: LifeIx, monitor: MonitorIx, end: SessionEnd) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let breaks = self.lives[life].breaks.get(&of.node);
        // A session whose task was lost ends at once, whatever had become of its connection.
        let struck = self.lives[life].struck.iter().any(|at| *at >= of.made || of.session.is_some());
        if struck && end.kind == EndKind::Internal {
            return true;
        }
        // What ended just before may not have been seen yet by the caller.
        let seen =
            |(at, kind): &(Time, EndKind)| *kind == end.kind && (*at >= of.made || of.session.is_some());
        breaks.is_some_and(|breaks| breaks.iter().rev().any(seen))
            || self.lives[life].node_ix != of.node && self.is_late(life, of.node, of.made, end.kind)
    }

    /// Whether the last end before that time was such an end: the core may not have been told of it
    /// yet.
    fn is_late(&self, life: LifeIx, node: NodeIx, made: Time, kind: EndKind) -> bool {
        let breaks = self.lives[life].breaks.get(&node).into_iter().flatten();
        breaks.rev().find(|(at, _)| *at <= made).is_some_and(|(_, last)| *last == kind)
    }

    pub fn note_break(&mut self, life: LifeIx, to: NodeIx, kind: EndKind) {
        let now = self.now;
        self.lives[life].breaks.entry(to).or_default().push((now, kind));
        if kind == EndKind::Protocol {
            self.violated("P8", || {
                format!("a peer that keeps the rules was called a breaker of them, by {life}")
            });
        }
    }

    /// What the one that died had sent on the session of its `Down` must have come before.
    fn all_was_heard(&self, died: ProcIx, by: ProcIx) -> bool {
        let Some((session, owed)) = self.oracle.owed.get(&(died, by)) else { return true };
        self.oracle.got.get(&(died, by)).is_some_and(|(in_session, got)| in_session == session && got >= owed)
    }

    /// Messages of one sender within one session come whole and in order, up to some point.
    fn told_message(&mut self, proc: ProcIx, message: &Message) {
        self.counts.messages += 1;
        let number =
            |at: usize| message.body[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let (session, number) = (number(0), number(8));
        let Some(from) = message.from.as_ref().and_then(|from| self.oracle.find_process(from)) else {
            return self.violated("P8", || format!("a message of nobody: {message:?}"));
        };
        let node = self.lives[self.oracle.procs[from].life].node_ix;
        let before = self.oracle.got.insert((from, proc), (session, number + 1));
        let in_order = match before {
            Some((last, next)) if last == session => number == next,
            Some((last, _)) => session > last && number == 0,
            None => number == 0,
        };
        if !in_order {
            self.violated("P5", || {
                format!("message {number} of session {session}, {from} to {proc}, came after {before:?}")
            });
        }
        let to = &self.oracle.procs[proc];
        let local = to.life == self.oracle.procs[from].life;
        if to.subscribed && !local && !to.up.contains_key(&node) {
            self.violated("P7", || format!("a message of {from} outside of any session"));
        }
    }

    fn told_up(&mut self, proc: ProcIx, up: &NodeUp) {
        self.counts.node_ups += 1;
        let node = self.node_of(&up.node.name);
        self.trace(|w| format!("{:?} is told of {} up, {}", w.oracle.procs[proc].pid, up.node, up.session));
        let before = self.oracle.procs[proc].up.insert(node, up.session);
        if before.is_some() {
            self.violated("P7", || format!("{} is up twice", up.node));
        }
        if life_of(&up.node) >= self.lives.len() || self.lives[life_of(&up.node)].node_ix != node {
            self.violated("P8", || format!("no such life: {}", up.node));
        }
    }

    fn told_node_down(&mut self, proc: ProcIx, down: &NodeDown) {
        self.counts.node_downs += 1;
        self.trace(|w| {
            format!("{:?} is told of {} down, {:?}", w.oracle.procs[proc].pid, down.name, down.end)
        });
        let node = self.node_of(&down.name);
        if let NodeDownSource::MonitorNodes(_) = down.source {
            let before = self.oracle.procs[proc].up.remove(&node);
            if before.is_none() || (before != down.session && !down.missed) {
                self.violated("P7", || format!("{down:?} after {before:?}"));
            }
        }
        let unfired = self.oracle.procs[proc].open.iter().find(|monitor| {
            let monitor = &self.oracle.monitors[**monitor];
            let ended = down.session.is_some() && monitor.of.session == down.session;
            monitor.fate == Fate::Open && monitor.of.node == node && ended
        });
        if let Some(unfired) = unfired.map(|monitor| self.oracle.monitors[*monitor].reference.clone()) {
            self.violated("P7", || format!("{down:?} came before the Down of {unfired:?}"));
        }
    }
}
