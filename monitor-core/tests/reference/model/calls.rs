//! The calls of processes.

use monitor_core::{
    Connect, Demonitored, DownReason, LocalPid, MonitorId, MonitorOptions, NodesOptions, RemoteTarget, Route,
    Signal, Ticket,
    refs::{EndKind, NodeName, SessionEnd, Target},
};

use super::{Model, Monitor, State, Waiting};
use crate::output::{Event, Output};

impl Model {
    /// `found` is the local process that has the target's number or name now; `refused` that the
    /// core has answered with a quota at once.
    pub(crate) fn monitor(
        &mut self,
        id: MonitorId,
        watcher: LocalPid,
        target: Target,
        options: MonitorOptions,
        found: Option<LocalPid>,
        refused: bool,
    ) -> Result<(), String> {
        if !self.made.insert(id) {
            return Err(format!("{id:?} is used twice"));
        }
        let here = *target.node() == self.local.name;
        let foreign = matches!(&target, Target::Pid(pid) if *pid.node() != self.local);
        let state = if !here {
            self.ask_elsewhere(id, target.node(), options.connect == Connect::Never, refused)?
        } else if let Some(pid) = found.filter(|_| !foreign) {
            if pid == watcher {
                return Ok(()); // it never fires
            }
            self.watch(pid);
            State::Here(pid)
        } else {
            State::Ended(DownReason::NoProc)
        };
        if let State::Ended(_) = state {
            self.now.push_back(Output::Down(watcher, id));
        }
        let age = self.made.len();
        let (tag, channel) = (options.tag, options.channel);
        self.monitors.insert(id, Monitor { watcher, target, tag, channel, state, age });
        Ok(())
    }

    fn ask_elsewhere(
        &mut self,
        id: MonitorId,
        node: &NodeName,
        never: bool,
        refused: bool,
    ) -> Result<State, String> {
        let no = |kind| Ok(State::Ended(DownReason::NoConnection(SessionEnd::new(kind))));
        if self.open(node).is_none() {
            if never {
                return no(EndKind::NotConnected);
            }
            self.check_quota(node, refused)?;
            if refused {
                return no(EndKind::Quota);
            }
        }
        self.links.entry(node.clone()).or_default().waiting.push_back(Waiting::Monitor(id));
        Ok(State::Waiting)
    }

    /// Whether the core may, or must, refuse to let one more call wait for a session.
    fn check_quota(&self, node: &NodeName, refused: bool) -> Result<(), String> {
        let link = self.links.get(node);
        let waiting = link.map_or(0, |link| link.waiting.len());
        // Calls that waited for the previous session, and were not told of its end, may count or
        // not.
        let fading = link.map_or(0, |link| link.orphans + link.owed.iter().map(Vec::len).sum::<usize>());
        match refused {
            true if waiting + fading < self.max_waiting => Err("refused below the limit".to_owned()),
            false if waiting >= self.max_waiting => Err("not refused at the limit".to_owned()),
            _ => Ok(()),
        }
    }

    pub(crate) fn demonitor(&mut self, watcher: LocalPid, id: MonitorId, flush: bool) -> Demonitored {
        let Some(monitor) = self.monitors.get(&id).filter(|monitor| monitor.watcher == watcher) else {
            return Demonitored::Unknown;
        };
        if let State::Told(..) = monitor.state {
            if flush {
                self.monitors.remove(&id);
            }
            return Demonitored::Fired;
        }
        let monitor = self.end_monitor(id);
        self.now.extend(demonitor_signal(id, &monitor));
        Demonitored::Active
    }

    /// Removes a monitor: its watcher is not told, and it is not sent.
    pub(super) fn end_monitor(&mut self, id: MonitorId) -> Monitor {
        self.strike(|output| matches!(output, Output::Down(_, down) if *down == id));
        for link in self.links.values_mut() {
            link.waiting.retain(|waiting| *waiting != Waiting::Monitor(id));
        }
        self.monitors.remove(&id).expect("a monitor")
    }

    pub(crate) fn take(&mut self, id: MonitorId) -> Option<(Target, DownReason, bool, u64)> {
        let State::Told(reason, cut) = self.monitors.get(&id)?.state.clone() else { return None };
        self.monitors.remove(&id).map(|monitor| (monitor.target, reason, cut, monitor.tag))
    }

    pub(crate) fn monitor_node(&mut self, watcher: LocalPid, node: &NodeName, never: bool) {
        if *node == self.local.name {
            return;
        }
        if never && self.up(node).is_none() {
            let end = Some(SessionEnd::new(EndKind::NotConnected));
            let event = Event { name: node.clone(), session: None, hidden: false, end };
            self.now.push_back(Output::MonitoredDown(watcher, event));
            return;
        }
        self.links.entry(node.clone()).or_default();
        self.node_monitors.insert((watcher, node.clone()));
    }

    pub(crate) fn demonitor_node(&mut self, watcher: LocalPid, node: &NodeName) {
        self.node_monitors.remove(&(watcher, node.clone()));
        self.strike(|output| {
            matches!(output, Output::MonitoredDown(to, event) if *to == watcher && event.name == *node)
        });
    }

    pub(crate) fn monitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) {
        self.subscriptions.insert((watcher, options));
    }

    pub(crate) fn demonitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) {
        self.subscriptions.remove(&(watcher, options));
        self.strike(|output| match output {
            Output::NodeUp(to, of, _) | Output::NodeDown(to, of, _) => (*to, *of) == (watcher, options),
            _ => false,
        });
    }

    /// A message; `answer` is the route that the core has returned.
    pub(crate) fn send(
        &mut self,
        from: LocalPid,
        node: &NodeName,
        ticket: Ticket,
        never: bool,
        answer: Route,
    ) -> Result<(), String> {
        let no = |kind| Route::No(SessionEnd::new(kind));
        let up = self.open(node);
        if *node == self.local.name || (never && up.is_none()) {
            let expected = no(EndKind::NotConnected);
            return if answer == expected { Ok(()) } else { Err(format!("{answer:?}, not {expected:?}")) };
        }
        if up.is_none() {
            self.check_quota(node, answer == no(EndKind::Quota))?;
        }
        match answer {
            Route::No(end) if up.is_some() || end.kind != EndKind::Quota => {
                return Err(format!("{answer:?}"));
            }
            Route::No(_) => return Ok(()),
            Route::Now(session) if up != Some(session) => {
                return Err(format!("{answer:?}, but {up:?} is up"));
            }
            Route::Now(_) | Route::Later => {}
        }
        let link = self.links.entry(node.clone()).or_default();
        link.waiting.push_back(Waiting::Message(from, ticket));
        Ok(())
    }

    /// The session did not take the request of a monitor; `refused` that the core has answered with
    /// a quota at once.
    pub(crate) fn not_sent(
        &mut self,
        watcher: LocalPid,
        id: MonitorId,
        never: bool,
        refused: bool,
    ) -> Result<(), String> {
        let Some(monitor) = self.monitors.get(&id).filter(|monitor| monitor.watcher == watcher) else {
            return Ok(());
        };
        let State::Sent(session) = monitor.state else { return Ok(()) };
        let node = monitor.target.node().clone();
        self.session_closing(session);
        let state = self.ask_elsewhere(id, &node, never, refused)?;
        if let State::Ended(_) = state {
            self.now.push_back(Output::Down(watcher, id));
        }
        self.monitors.get_mut(&id).expect("found above").state = state;
        Ok(())
    }

    /// The message went out at once, so no call may have been waiting.
    pub(crate) fn sent_at_once(
        &mut self,
        from: LocalPid,
        node: &NodeName,
        ticket: Ticket,
    ) -> Result<(), String> {
        let waiting = &mut self.links.get_mut(node).expect("sent on its session").waiting;
        if waiting.len() == 1 && waiting[0] == Waiting::Message(from, ticket) {
            waiting.clear();
            return Ok(());
        }
        Err("a message passes what waits".to_owned())
    }
}

/// The signal to the peer when a monitor is demonitored, if the peer has the monitor.
pub(super) fn demonitor_signal(id: MonitorId, monitor: &Monitor) -> Option<Output> {
    let State::Sent(session) = monitor.state else { return None };
    let signal = Signal::Demonitor { id };
    Some(Output::Signal { session, from: monitor.watcher, channel: monitor.channel, signal })
}

/// The signal that requests a monitor on a session.
pub(super) fn monitor_signal(id: MonitorId, monitor: &Monitor, up: &Event) -> Output {
    let (session, peer) = up.session.as_ref().expect("a session that is up");
    let target = match &monitor.target {
        Target::Pid(pid) if pid.node() == peer => RemoteTarget::Pid(pid.serial()),
        Target::Pid(pid) => RemoteTarget::PidOf(pid.incarnation(), pid.serial()),
        Target::Name(name) => RemoteTarget::Name(name.name.clone()),
    };
    let signal = Signal::Monitor { id, target };
    Output::Signal { session: *session, from: monitor.watcher, channel: monitor.channel, signal }
}
