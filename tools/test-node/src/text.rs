//! Conversions between the texts of the protocol and the types of the runtime.

use std::{collections::BTreeMap, error::Error};

use monitor_runtime::{
    Connect, DownReason, ExitReason, MonitorOptions, MonitorRef, Name, NodeId, NodeInfo, NodeSpec, NodeType,
    NodesOptions, Pid, Reference, SessionEnd, SessionId, Stats, Target,
};
use node_protocol as protocol;

type Parsed<T> = Result<T, Box<dyn Error>>;

pub(crate) fn pid(text: &str) -> Parsed<Pid> {
    match Reference::parse(text)? {
        Reference::Pid(pid) => Ok(pid),
        other => Err(format!("{other:?} is no process"))?,
    }
}

pub(crate) fn monitor(text: &str) -> Parsed<MonitorRef> {
    match Reference::parse(text)? {
        Reference::Monitor(monitor) => Ok(monitor),
        other => Err(format!("{other:?} is no monitor"))?,
    }
}

/// A pid as a URI, or `name@node`.
pub(crate) fn target(text: &str) -> Parsed<Target> {
    match text.starts_with("partisan:") {
        true => Ok(pid(text)?.into()),
        false => Ok(text.parse::<Name>()?.into()),
    }
}

/// The inverse of [`target`].
pub(crate) fn target_text(target: &Target) -> String {
    match target {
        Target::Pid(pid) => pid.to_string(),
        Target::Name(name) => name.to_string(),
    }
}

pub(crate) fn spec(text: &str) -> Parsed<NodeSpec> {
    Ok(text.parse()?)
}

pub(crate) const fn connect(never: bool) -> Connect {
    if never { Connect::Never } else { Connect::OnDemand }
}

pub(crate) const fn options(tag: u64, never: bool) -> MonitorOptions {
    MonitorOptions::new().tag(tag).connect(connect(never))
}

pub(crate) const fn node_type(kind: protocol::NodeKind) -> NodeType {
    match kind {
        protocol::NodeKind::All => NodeType::All,
        protocol::NodeKind::Visible => NodeType::Visible,
        protocol::NodeKind::Hidden => NodeType::Hidden,
    }
}

pub(crate) const fn nodes_options(of: protocol::Subscription) -> NodesOptions {
    NodesOptions::new().node_type(node_type(of.nodes)).nodedown_reason(of.reasons)
}

pub(crate) fn subscription(options: NodesOptions) -> protocol::Subscription {
    let nodes = match options.node_type {
        NodeType::All => protocol::NodeKind::All,
        NodeType::Visible => protocol::NodeKind::Visible,
        NodeType::Hidden => protocol::NodeKind::Hidden,
        _ => unreachable!("it was asked for above"),
    };
    protocol::Subscription { nodes, reasons: options.nodedown_reason }
}

pub(crate) fn node_info(info: &NodeInfo) -> protocol::NodeInfo {
    node_info_of(&info.node, info.session, info.hidden)
}

pub(crate) fn node_info_of(node: &NodeId, session: SessionId, hidden: bool) -> protocol::NodeInfo {
    protocol::NodeInfo {
        name: node.name.to_string(),
        incarnation: node.incarnation.to_string(),
        session: session.0,
        hidden,
    }
}

/// The reason of an exit command.
pub(crate) fn exit_reason(exit: &protocol::Exit) -> ExitReason {
    match exit {
        protocol::Exit::Normal => ExitReason::Normal,
        protocol::Exit::Shutdown => ExitReason::Shutdown,
        protocol::Exit::Killed => ExitReason::Killed,
        protocol::Exit::Panicked(text) => ExitReason::panicked(text.as_str()),
        protocol::Exit::Other(text) => ExitReason::other(text.as_bytes()),
    }
}

pub(crate) fn down_reason(reason: &DownReason) -> protocol::Reason {
    match reason {
        DownReason::Exit(reason) => protocol::Reason::Exit(exit(reason)),
        DownReason::NoProc => protocol::Reason::NoProc,
        DownReason::NoConnection(reason) => protocol::Reason::NoConnection(end(*reason)),
        other => unreachable!("a reason that this program does not know: {other:?}"),
    }
}

fn exit(reason: &ExitReason) -> protocol::Exit {
    match reason {
        ExitReason::Normal => protocol::Exit::Normal,
        ExitReason::Shutdown => protocol::Exit::Shutdown,
        ExitReason::Killed => protocol::Exit::Killed,
        ExitReason::Panicked(text) => protocol::Exit::Panicked(text.to_string()),
        ExitReason::Other(bytes) => protocol::Exit::Other(String::from_utf8_lossy(bytes).into_owned()),
        other => unreachable!("a reason that this program does not know: {other:?}"),
    }
}

pub(crate) fn end(end: SessionEnd) -> protocol::End {
    let silent_ms = end.silent_for().map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX));
    protocol::End { kind: format!("{:?}", end.kind), silent_ms }
}

pub(crate) fn tables(stats: &Stats) -> protocol::Tables {
    let counters = stats.drops.iter().chain(&stats.service).map(|count| (count.name.to_owned(), count.count));
    protocol::Tables {
        active: stats.monitors as u64,
        fired: stats.fired as u64,
        incoming: stats.incoming_monitors as u64,
        node_monitors: stats.node_monitors as u64,
        subscriptions: stats.nodes_subscriptions as u64,
        sessions: stats.sessions as u64,
        waiting: stats.waiting as u64,
        backlog: stats.backlog as u64,
        counters: counters.collect::<BTreeMap<_, _>>(),
    }
}
