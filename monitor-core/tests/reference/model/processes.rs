//! The starts and exits of local processes.

use monitor_core::{DownReason, ExitReason, LocalPid, MonitorId, Signal};

use super::{Model, State, Waiting, calls::demonitor_signal};
use crate::output::Output;

impl Model {
    /// The process takes part in a monitor: its exit is reported from now on.
    pub(super) fn watch(&mut self, pid: LocalPid) {
        if self.watched.insert(pid) {
            self.now.push_back(Output::Watch(pid));
        }
    }

    pub(crate) fn exited(&mut self, pid: LocalPid, reason: Option<ExitReason>) {
        let reason = reason.map_or(DownReason::NoProc, DownReason::Exit);
        self.watched.remove(&pid);
        self.tell_watchers(pid, &reason);
        self.end_what_it_asked_for(pid);
    }

    fn tell_watchers(&mut self, pid: LocalPid, reason: &DownReason) {
        for (&(session, id), held) in self.held.iter().filter(|(_, held)| held.target == pid) {
            let signal = Signal::Down { id, reason: reason.clone() };
            self.of_exits.push(Output::Signal { session, from: pid, channel: held.channel, signal });
        }
        for (&id, monitor) in
            self.monitors.iter_mut().filter(|(_, monitor)| monitor.state == State::Here(pid))
        {
            monitor.state = State::Ended(reason.clone());
            self.of_exits.push(Output::Down(monitor.watcher, id));
        }
    }

    fn end_what_it_asked_for(&mut self, pid: LocalPid) {
        let owned = self.monitors.iter().filter(|(_, monitor)| monitor.watcher == pid);
        let owned: Vec<MonitorId> = owned.map(|(&id, _)| id).collect();
        for id in owned {
            for link in self.links.values_mut() {
                link.orphans += usize::from(link.waiting.contains(&Waiting::Monitor(id)));
            }
            let monitor = self.end_monitor(id);
            self.of_exits.extend(demonitor_signal(id, &monitor));
        }
        for (_, node) in self.node_monitors.iter().filter(|(who, _)| *who == pid) {
            self.links.entry(node.clone()).or_default().orphans += 1;
        }
        self.node_monitors.retain(|(who, _)| *who != pid);
        self.subscriptions.retain(|(who, _)| *who != pid);
        self.strike(|output| output.reader() == Some(pid));
    }
}
