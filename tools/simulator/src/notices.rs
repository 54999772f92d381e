//! Checks the notices that processes receive against the facts of the oracle: P1 to P8 of
//! `docs/RACES.md`, at every step.

use monitor_runtime::{Down, DownReason, Event, Message, NodeDown, NodeDownSource, NodeUp};
use peer_service::{EndKind, SessionEnd};

use crate::{
    conn::{InstanceIx, NodeIx},
    oracle::{MonitorIx, MonitorState, MonitorTarget, ProcIx},
    time::Time,
    workload::instance_of,
    world::World,
};

impl World {
    /// Checks an event that a process has received.
    pub fn check_event(&mut self, proc: ProcIx, event: Event) {
        match event {
            Event::Down(down) => self.check_down(proc, &down),
            Event::Message(message) => self.check_message(proc, &message),
            Event::NodeUp(up) => self.check_node_up(proc, &up),
            Event::NodeDown(down) => self.check_node_down(proc, &down),
            other => self.violated("P11", || format!("a mailbox was full: {other:?}")),
        }
    }

    fn check_down(&mut self, proc: ProcIx, down: &Down) {
        self.trace(|w| {
            format!("{:?} receives {:?}: {:?}", w.oracle.procs[proc].pid, down.monitor, down.reason)
        });
        let Some(monitor) = self.oracle.find(&down.monitor) else {
            return self.violated("P1", || format!("a Down without a monitor: {down:?}"));
        };
        match self.oracle.monitors[monitor].state {
            MonitorState::Open | MonitorState::RemovedUnflushed => {}
            MonitorState::Received => return self.violated("P1", || format!("a second Down: {down:?}")),
            MonitorState::Removed => {
                return self.violated("P4", || format!("a Down after demonitor: {down:?}"));
            }
            MonitorState::WatcherGone => {
                return self.violated("P10", || format!("a Down for a dead watcher: {down:?}"));
            }
        }
        if self.oracle.monitors[monitor].of.watcher != proc {
            return self.violated("P8", || format!("a Down for another watcher: {down:?}"));
        }
        self.oracle.monitors[monitor].state = MonitorState::Received;
        self.oracle.procs[proc].open.remove(&monitor);
        let instance = self.oracle.procs[proc].instance;
        let is_true = match &down.reason {
            DownReason::Exit(reason) => {
                self.counts.down_exit += 1;
                let died: Option<ProcIx> = reason.to_string().parse().ok();
                died.is_some_and(|died| self.is_true_exit(monitor, died) && self.has_received_all(died, proc))
            }
            DownReason::NoProc => {
                self.counts.down_noproc += 1;
                self.is_true_noproc(monitor)
            }
            DownReason::NoConnection(end) => {
                self.counts.down_noconnection += 1;
                self.is_true_noconnection(instance, monitor, *end)
            }
            _ => false,
        };
        if !is_true {
            self.violated("P3", || format!("wrong reason: {down:?}"));
        }
    }

    /// Whether the process with this exit reason was the target, and has exited.
    fn is_true_exit(&self, monitor: MonitorIx, died: ProcIx) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let Some(at) = self.oracle.procs.get(died).and_then(|proc| proc.exited) else { return false };
        let meant = match of.target {
            MonitorTarget::Pid(target) => target == died,
            MonitorTarget::Missing(_) => false,
            MonitorTarget::Name(node, which) => {
                let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
                held.into_iter().any(|held| held.proc == died && held.to.is_none_or(|to| to >= of.made))
            }
        };
        meant && at >= of.made
    }

    /// Whether the node of the target could report, at some time since the monitor was made, that
    /// there is no such process.
    fn is_true_noproc(&self, monitor: MonitorIx) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let instance = match of.target {
            MonitorTarget::Pid(target) if self.oracle.procs[target].exited.is_some() => return true,
            MonitorTarget::Pid(target) => self.oracle.procs[target].instance,
            MonitorTarget::Missing(instance) if self.instances[instance].alive => return true,
            MonitorTarget::Missing(instance) => instance,
            MonitorTarget::Name(node, which) => return self.was_free(node, which, of.made),
        };
        self.instances_since(of.node, of.made).any(|other| other != instance)
            || matches!(of.target, MonitorTarget::Missing(_))
    }

    fn instances_since(&self, node: NodeIx, made: Time) -> impl Iterator<Item = InstanceIx> {
        (0..self.instances.len()).filter(move |instance| {
            let instance = &self.instances[*instance];
            instance.node_ix == node && instance.died.is_none_or(|died| died >= made)
        })
    }

    /// Whether at some time since then, in some instance of the node, no process had the name.
    fn was_free(&self, node: NodeIx, which: u8, since: Time) -> bool {
        self.instances_since(node, since).any(|instance| {
            let (born, died) = (self.instances[instance].born, self.instances[instance].died);
            let (from, to) = (born.max(since), died.unwrap_or(self.now));
            let held = self.oracle.names.get(&(node, which)).into_iter().flatten();
            let mut covers = held.filter(|held| self.oracle.procs[held.proc].instance == instance);
            !covers.any(|held| held.from < from && held.to.is_none_or(|end| end > to))
        })
    }

    /// Whether the session has ended with that cause, or could not be made, since the monitor was
    /// made.
    fn is_true_noconnection(&self, instance: InstanceIx, monitor: MonitorIx, end: SessionEnd) -> bool {
        let of = &self.oracle.monitors[monitor].of;
        let breaks = self.instances[instance].breaks.get(&of.node);
        // A session whose task was lost ends at once, independently of its connection.
        let panicked =
            self.instances[instance].panicked.iter().any(|at| *at >= of.made || of.session.is_some());
        if panicked && end.kind == EndKind::Internal {
            return true;
        }
        // The caller may not have seen an end just before yet.
        let seen =
            |(at, kind): &(Time, EndKind)| *kind == end.kind && (*at >= of.made || of.session.is_some());
        breaks.is_some_and(|breaks| breaks.iter().rev().any(seen))
            || self.instances[instance].node_ix != of.node
                && self.is_late(instance, of.node, of.made, end.kind)
    }

    /// Whether the last end before that time has this kind: the core may not have processed it yet.
    fn is_late(&self, instance: InstanceIx, node: NodeIx, made: Time, kind: EndKind) -> bool {
        let breaks = self.instances[instance].breaks.get(&node).into_iter().flatten();
        breaks.rev().find(|(at, _)| *at <= made).is_some_and(|(_, last)| *last == kind)
    }

    pub fn record_break(&mut self, instance: InstanceIx, to: NodeIx, kind: EndKind) {
        let now = self.now;
        self.instances[instance].breaks.entry(to).or_default().push((now, kind));
        if kind == EndKind::Protocol {
            self.violated("P8", || {
                format!("instance {instance} reported a broken protocol of a correct peer")
            });
        }
    }

    /// Whether the watcher has received all messages that the exited process sent on the session of
    /// its `Down`.
    fn has_received_all(&self, died: ProcIx, by: ProcIx) -> bool {
        let Some((session, owed)) = self.oracle.owed.get(&(died, by)) else { return true };
        self.oracle.got.get(&(died, by)).is_some_and(|(in_session, got)| in_session == session && got >= owed)
    }

    /// Checks that messages of one sender within one session arrive complete and in order, up to
    /// some point.
    fn check_message(&mut self, proc: ProcIx, message: &Message) {
        self.counts.messages += 1;
        let number =
            |at: usize| message.body[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let (session, number) = (number(0), number(8));
        let Some(from) = message.from.as_ref().and_then(|from| self.oracle.find_process(from)) else {
            return self.violated("P8", || format!("a message of an unknown process: {message:?}"));
        };
        let node = self.instances[self.oracle.procs[from].instance].node_ix;
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
        let local = to.instance == self.oracle.procs[from].instance;
        if to.subscribed && !local && !to.up.contains_key(&node) {
            self.violated("P7", || format!("a message of {from} outside of any session"));
        }
    }

    fn check_node_up(&mut self, proc: ProcIx, up: &NodeUp) {
        self.counts.node_ups += 1;
        let node = self.node_of(&up.node.name);
        self.trace(|w| {
            format!("{:?} receives node-up of {}, {}", w.oracle.procs[proc].pid, up.node, up.session)
        });
        let before = self.oracle.procs[proc].up.insert(node, up.session);
        if before.is_some() {
            self.violated("P7", || format!("{} is up twice", up.node));
        }
        if instance_of(&up.node) >= self.instances.len()
            || self.instances[instance_of(&up.node)].node_ix != node
        {
            self.violated("P8", || format!("no such instance: {}", up.node));
        }
    }

    fn check_node_down(&mut self, proc: ProcIx, down: &NodeDown) {
        self.counts.node_downs += 1;
        self.trace(|w| {
            format!("{:?} receives node-down of {}, {:?}", w.oracle.procs[proc].pid, down.name, down.end)
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
            monitor.state == MonitorState::Open && monitor.of.node == node && ended
        });
        if let Some(unfired) = unfired.map(|monitor| self.oracle.monitors[*monitor].reference.clone()) {
            self.violated("P7", || format!("{down:?} came before the Down of {unfired:?}"));
        }
    }
}
