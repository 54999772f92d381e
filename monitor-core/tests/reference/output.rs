//! The effects of a core, in a form that can be compared and printed.

use std::sync::Arc;

use monitor_core::{
    Effect, LocalPid, MonitorId, NodeEvent, NodeNotice, NodesOptions, Notice, Signal, Ticket,
    refs::{ChannelId, DialId, NodeId, NodeName, SessionEnd, SessionId},
};

use crate::script::show_options;

/// One effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Admit(SessionId),
    Connect(NodeName, DialId),
    Watch(LocalPid),
    Down(LocalPid, MonitorId),
    NodeUp(LocalPid, NodesOptions, Event),
    NodeDown(LocalPid, NodesOptions, Event),
    MonitoredDown(LocalPid, Event),
    Signal { session: SessionId, from: LocalPid, channel: ChannelId, signal: Signal },
    Forward(Ticket, SessionId),
    Discard(Ticket, SessionEnd),
}

/// The content of a notice about a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: NodeName,
    pub(crate) session: Option<(SessionId, NodeId)>,
    pub(crate) hidden: bool,
    pub(crate) end: Option<SessionEnd>,
}

impl Event {
    pub(crate) fn of(event: &Arc<NodeEvent>) -> Self {
        Event {
            name: event.name.clone(),
            session: event.session.clone(),
            hidden: event.hidden,
            end: event.end,
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session.as_ref().expect("a session that is up").0
    }
}

impl Output {
    pub(crate) fn of(effect: &Effect) -> Self {
        match effect.clone() {
            Effect::Admit { session } => Output::Admit(session),
            Effect::Connect { node, dial } => Output::Connect(node, dial),
            Effect::Watch { pid } => Output::Watch(pid),
            Effect::Deliver { to, notice: Notice::Down(id) } => Output::Down(to, id),
            Effect::Deliver { to, notice: Notice::Node(notice) } => match notice {
                NodeNotice::Up(options, event) => Output::NodeUp(to, options, Event::of(&event)),
                NodeNotice::Down(options, event) => Output::NodeDown(to, options, Event::of(&event)),
                NodeNotice::MonitoredDown(event) => Output::MonitoredDown(to, Event::of(&event)),
            },
            Effect::Send { session, from, channel, signal } => {
                Output::Signal { session, from, channel, signal }
            }
            Effect::Forward { ticket, session } => Output::Forward(ticket, session),
            Effect::Discard { ticket, end } => Output::Discard(ticket, end),
        }
    }

    /// The process that a notice is for.
    pub(crate) fn reader(&self) -> Option<LocalPid> {
        match self {
            Output::Down(to, _)
            | Output::NodeUp(to, ..)
            | Output::NodeDown(to, ..)
            | Output::MonitoredDown(to, _) => Some(*to),
            Output::Admit(_)
            | Output::Connect(..)
            | Output::Watch(_)
            | Output::Signal { .. }
            | Output::Forward(..)
            | Output::Discard(..) => None,
        }
    }
}

/// Prints an output with the names of the script: `name` has those of the monitors.
pub(crate) fn show(output: &Output, name: &dyn Fn(MonitorId) -> String) -> String {
    match output {
        Output::Admit(session) => format!("{} may deliver", show_session(*session)),
        Output::Connect(node, dial) => format!("connect to {} ({dial:?})", node.label()),
        Output::Watch(pid) => format!("watch {}", show_pid(*pid)),
        Output::Down(to, id) => format!("{} is told the Down of {}", show_pid(*to), name(*id)),
        Output::NodeUp(to, options, event) => {
            format!("{} is told, for {}, up: {}", show_pid(*to), show_options(options), show_event(event))
        }
        Output::NodeDown(to, options, event) => {
            format!("{} is told, for {}, down: {}", show_pid(*to), show_options(options), show_event(event))
        }
        Output::MonitoredDown(to, event) => {
            format!("{} is told, for monitor_node: {}", show_pid(*to), show_event(event))
        }
        Output::Signal { session, from, channel, signal } => {
            let (session, from) = (show_session(*session), show_pid(*from));
            let signal = match signal {
                Signal::Monitor { id, target } => format!("monitor {target:?} as {}", name(*id)),
                Signal::Demonitor { id } => format!("demonitor {}", name(*id)),
                Signal::Down { id, reason } => format!("#{} is down: {reason:?}", id.0.slot()),
            };
            format!("say to {session} for {from} on channel {}: {signal}", channel.place())
        }
        Output::Forward(ticket, session) => {
            format!("forward message {} to {}", ticket.0, show_session(*session))
        }
        Output::Discard(ticket, end) => format!("discard message {} ({end})", ticket.0),
    }
}

fn show_pid(pid: LocalPid) -> String {
    if pid == LocalPid::NONE {
        return "no process".to_owned();
    }
    match pid.0.generation() {
        0 => format!("p{}", pid.0.slot()),
        generation => format!("p{} of generation {generation}", pid.0.slot()),
    }
}

/// Numbers of sessions are made from their names: see `Names::announce`.
pub(crate) fn show_session(session: SessionId) -> String {
    match session.0 / 10 {
        0 => format!("s{}", session.0 % 10),
        before => format!("s{} (announced {before} times before)", session.0 % 10),
    }
}

fn show_event(event: &Event) -> String {
    let session = event.session.as_ref().map_or("no session".to_owned(), |(session, node)| {
        format!("{} with incarnation {}", show_session(*session), node.incarnation)
    });
    let end = event.end.map_or(String::new(), |end| format!(", {:?}", end.kind));
    format!("{}: {session}{end}{}", event.name.label(), if event.hidden { ", hidden" } else { "" })
}
