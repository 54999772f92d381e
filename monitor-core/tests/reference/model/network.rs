//! Sessions, attempts to connect, and the signals of peers.

use monitor_core::{
    DownReason, LocalPid, MonitorId, NodeType, Signal, Violation,
    refs::{ChannelId, DialId, EndKind, NodeId, NodeName, SessionEnd, SessionId},
};

use super::{Held, Link, Model, State, Waiting};
use crate::output::{Event, Output};

fn matches(wanted: NodeType, hidden: bool) -> bool {
    match wanted {
        NodeType::All => true,
        NodeType::Visible => !hidden,
        NodeType::Hidden => hidden,
        _ => unreachable!("the model knows every type of node"),
    }
}

impl Model {
    pub(crate) fn session_up(&mut self, session: SessionId, node: NodeId, hidden: bool) {
        if node.name == self.local.name {
            return;
        }
        let name = node.name.clone();
        let event = Event { name: name.clone(), session: Some((session, node)), hidden, end: None };
        let link = self.links.entry(name.clone()).or_default();
        link.next = Some(event);
        if link.up.is_none() && !link.ending {
            self.begin(&name);
        }
    }

    /// The announced session is up from here on. Subscribers are told first; then it may deliver.
    pub(super) fn begin(&mut self, node: &NodeName) {
        let link = self.links.get_mut(node).expect("a link");
        let event = link.next.take().expect("an announced session");
        let told = self.subscriptions.iter().filter(|(_, options)| matches(options.node_type, event.hidden));
        link.owed.push_back(told.map(|&(to, options)| Output::NodeUp(to, options, event.clone())).collect());
        link.owed.push_back(vec![Output::Admit(event.session())]);
        (link.up, link.dial, link.ending) = (Some(event), None, false);
    }

    /// The session takes no more frames: signals to the peer are lost from now on. Signals from the
    /// peer still count.
    pub(crate) fn session_closing(&mut self, session: SessionId) {
        if self.link_of(session).is_some() {
            self.closing.insert(session);
        }
    }

    pub(crate) fn session_down(&mut self, session: SessionId, end: SessionEnd) {
        for link in self.links.values_mut() {
            if link.next.as_ref().is_some_and(|next| next.session() == session) {
                link.next = None;
            }
        }
        let Some((node, link)) = self.link_of(session) else { return };
        let (node, up) = (node.clone(), link.up.take().expect("found by its session"));
        self.strike(|output| match output {
            Output::Admit(of) | Output::Signal { session: of, .. } => *of == session,
            _ => false,
        });
        self.held.retain(|(of, _), _| *of != session);
        self.end(&node, Event { end: Some(end), ..up });
    }

    pub(crate) fn dial_failed(&mut self, node: &NodeName, dial: DialId, end: SessionEnd) {
        let Some(link) = self.links.get_mut(node).filter(|link| link.dial == Some(dial)) else { return };
        link.dial = None;
        self.end(node, Event { name: node.clone(), session: None, hidden: false, end: Some(end) });
    }

    /// A session or an attempt has ended: first all calls and monitors that depend on it, then the
    /// node monitors.
    fn end(&mut self, node: &NodeName, event: Event) {
        let (end, session) =
            (event.end.expect("an end"), event.session.as_ref().map(|(session, _)| *session));
        let link = self.links.get_mut(node).expect("a link");
        let mut hung_on_it = Vec::new();
        // Calls that wait while a session closes belong to the next session.
        let closing = session.is_some_and(|session| self.closing.remove(&session));
        let waited: Vec<Waiting> = if closing { Vec::new() } else { link.waiting.drain(..).collect() };
        for waiting in &waited {
            if let Waiting::Message(_, ticket) = waiting {
                hung_on_it.push(Output::Discard(*ticket, end));
            }
        }
        for (&id, monitor) in &mut self.monitors {
            let sent = session.is_some_and(|session| monitor.state == State::Sent(session));
            if sent || waited.contains(&Waiting::Monitor(id)) {
                monitor.state = State::Ended(DownReason::NoConnection(end));
                hung_on_it.push(Output::Down(monitor.watcher, id));
            }
        }
        let mut watch_the_node = Vec::new();
        for (to, _) in self.node_monitors.iter().filter(|(_, monitored)| monitored == node) {
            watch_the_node.push(Output::MonitoredDown(*to, event.clone()));
        }
        self.node_monitors.retain(|(_, monitored)| monitored != node);
        for &(to, options) in &self.subscriptions {
            if session.is_some() && matches(options.node_type, event.hidden) {
                watch_the_node.push(Output::NodeDown(to, options, event.clone()));
            }
        }
        link.owed.extend([hung_on_it, watch_the_node]);
        link.ending = true;
    }

    /// A signal that arrived on a session; `found` is the local process that has the number or name
    /// in it now.
    pub(crate) fn signal(
        &mut self,
        session: SessionId,
        channel: ChannelId,
        signal: &Signal,
        found: Option<LocalPid>,
        numbered: Option<LocalPid>,
    ) -> Result<(), Violation> {
        if self.link_of(session).is_none() {
            return Ok(());
        }
        match signal {
            Signal::Monitor { id, .. } => return self.held_by((session, *id), channel, found, numbered),
            Signal::Demonitor { id } => {
                self.held.remove(&(session, *id));
                self.strike(|output| is_about(output, session, *id, true));
            }
            Signal::Down { id, reason } => {
                // The peer has ended this monitor, so it need not be told to forget it.
                self.strike(|output| is_about(output, session, *id, false));
                let monitor = self.monitors.get_mut(id);
                if let Some(monitor) = monitor.filter(|monitor| monitor.state == State::Sent(session)) {
                    monitor.state = State::Ended(reason.clone());
                    self.now.push_back(Output::Down(monitor.watcher, *id));
                }
            }
        }
        Ok(())
    }

    fn held_by(
        &mut self,
        (session, id): (SessionId, MonitorId),
        channel: ChannelId,
        found: Option<LocalPid>,
        numbered: Option<LocalPid>,
    ) -> Result<(), Violation> {
        if self.held.contains_key(&(session, id)) {
            return Err(Violation::SerialInUse);
        }
        let full = self.held.keys().filter(|(of, _)| *of == session).count() >= self.max_incoming;
        let refusal = match found {
            _ if full => DownReason::NoConnection(SessionEnd::new(EndKind::Quota)),
            Some(target) => {
                self.held.insert((session, id), Held { target, channel });
                self.watch(target);
                return Ok(());
            }
            None => DownReason::NoProc,
        };
        // The messages of a process that has exited go first, so the answer may come later.
        let waits = |link: &Link| !link.waiting.is_empty() || link.orphans > 0;
        let behind = numbered.is_some() && self.link_of(session).is_some_and(|(_, link)| waits(link));
        let from = numbered.or(found).unwrap_or(LocalPid::NONE);
        let later = behind && refusal == DownReason::NoProc;
        let answer = Output::Signal { session, from, channel, signal: Signal::Down { id, reason: refusal } };
        if later {
            self.held.insert((session, id), Held { target: LocalPid::NONE, channel });
            self.of_exits.push(answer);
        } else {
            self.now.push_back(answer);
        }
        Ok(())
    }
}

/// Whether the output tells the peer of this session that a monitor has ended: one of the peer's,
/// or a local one.
fn is_about(output: &Output, session: SessionId, id: MonitorId, of_peer: bool) -> bool {
    match output {
        Output::Signal { session: of, signal: Signal::Down { id: down, .. }, .. } => {
            of_peer && (*of, *down) == (session, id)
        }
        Output::Signal { session: of, signal: Signal::Demonitor { id: ours }, .. } => {
            !of_peer && (*of, *ours) == (session, id)
        }
        _ => false,
    }
}
