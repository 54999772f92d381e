//! A process of a node and a monitor of it, as scenarios speak of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use harness::conditions::ensure;

use super::{
    node::Node,
    protocol::{
        Command, CommandAnswer, End, Exit, NodeInfo, NodeKind, Output, Reason, Request, Subscription,
    },
    transcript::LineContent,
};

/// One process.
#[derive(Clone)]
pub(crate) struct Process {
    node: Node,
    pid: String,
}

impl Process {
    pub(super) fn new(node: Node, pid: String) -> Self {
        Process { node, pid }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn pid(&self) -> &str {
        &self.pid
    }

    fn me(&self) -> String {
        self.pid.clone()
    }

    /// Monitors a process.
    pub(crate) fn monitor(&self, target: &Process) -> Result<Monitor> {
        self.monitor_target(target.pid())
    }

    /// Monitors the process that holds the name on that node.
    pub(crate) fn monitor_name(&self, name: &str, at: &Node) -> Result<Monitor> {
        self.monitor_target(&format!("{name}@{}", at.name()))
    }

    /// Monitors a pid or a `name@node`.
    pub(crate) fn monitor_target(&self, target: &str) -> Result<Monitor> {
        self.monitor_with(target, 0, false)
    }

    /// Monitors with a tag, and perhaps without connecting.
    pub(crate) fn monitor_with(&self, target: &str, tag: u64, never: bool) -> Result<Monitor> {
        let targets = vec![target.to_owned()];
        let answer =
            self.node.ask(Command::Monitor { process: self.me(), targets: targets.clone(), tag, never })?;
        Ok(self.node.monitors(targets, answer)?.pop().expect("one for each target"))
    }

    /// Monitors many targets at once.
    pub(crate) fn monitor_many(&self, targets: &[impl AsRef<str>]) -> Result<Vec<Monitor>> {
        let targets: Vec<_> = targets.iter().map(|target| target.as_ref().to_owned()).collect();
        let command = Command::Monitor { process: self.me(), targets: targets.clone(), tag: 0, never: false };
        let answer = self.node.ask(command)?;
        self.node.monitors(targets, answer)
    }

    /// Removes a monitor; returns the result of the call.
    pub(crate) fn demonitor(&self, monitor: &Monitor, Demonitor { flush, info }: Demonitor) -> Result<bool> {
        let monitors = vec![monitor.reference.clone()];
        Ok(self.node.flags(Command::Demonitor { process: self.me(), monitors, flush, info })?[0])
    }

    /// Monitors a node: the process receives the next end of the session with it.
    pub(crate) fn monitor_node(&self, node: &str, never: bool) -> Result<()> {
        self.node.done(Command::MonitorNode { process: self.me(), node: node.to_owned(), never })
    }

    pub(crate) fn demonitor_node(&self, node: &str) -> Result<()> {
        self.node.done(Command::DemonitorNode { process: self.me(), node: node.to_owned() })
    }

    /// Subscribes to node events; returns the nodes that are up.
    pub(crate) fn monitor_nodes(&self, of: Subscription) -> Result<Vec<NodeInfo>> {
        match self.node.ask(Command::MonitorNodes { process: self.me(), of })? {
            CommandAnswer::Nodes(nodes) => Ok(nodes),
            other => self.node.unexpected("nodes", &other),
        }
    }

    pub(crate) fn demonitor_nodes(&self, of: Subscription) -> Result<()> {
        self.node.done(Command::DemonitorNodes { process: self.me(), of })
    }

    pub(crate) fn register(&self, name: &str) -> Result<()> {
        self.node.done(Command::Register { process: self.me(), name: name.to_owned() })
    }

    /// Sends messages, numbered; returns the number of the last.
    pub(crate) fn send(&self, to: &str, count: usize) -> Result<u64> {
        match self.node.ask(Command::Send { process: self.me(), to: to.to_owned(), count })? {
            CommandAnswer::Sent(last) => Ok(last),
            other => self.node.unexpected("a number of messages", &other),
        }
    }

    /// Requests its exit, and does not wait for it.
    pub(crate) fn exit(&self, how: Exit) -> Result<()> {
        self.node.done(Command::Exit { processes: vec![self.me()], how })
    }

    /// Kills it; returns whether it was alive.
    pub(crate) fn kill(&self) -> Result<bool> {
        Ok(self.node.flags(Command::Kill { process: self.me() })?[0])
    }

    /// Pauses the process: it receives nothing until it is resumed.
    pub(crate) fn pause(&self) -> Result<()> {
        self.node.done(Command::Pause { process: self.me() })
    }

    /// Blocks its thread for that long.
    pub(crate) fn block(&self, time: Duration) -> Result<()> {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.node.done(Command::Block { process: self.me(), milliseconds })
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.node.done(Command::Resume { process: self.me() })
    }

    /// Waits until it has received everything that is in its mailbox now.
    ///
    /// A message from a process of the same node is put at the end of the mailbox at once; when
    /// that one is received, so is everything before it.
    pub(crate) fn drain(&self) -> Result<()> {
        let marker = self.node.spawn()?;
        let last = marker.send(&self.pid, 1)?;
        self.expect_message(&marker, last)?;
        marker.exit(Exit::Normal)
    }

    /// Waits for the message of that number from that process.
    pub(crate) fn expect_message(&self, sender: &Process, number: u64) -> Result<()> {
        let body = number.to_string();
        self.node.await_event(&format!("message {number} from {}", sender.pid), |entry| {
            match &entry.content {
                LineContent::Output(Output::Message { to, from: Some(from), body: b })
                    if *to == self.pid && *from == sender.pid && *b == body =>
                {
                    Some(())
                }
                _ => None,
            }
        })
    }

    /// Waits until the process has received that the node is up, in that incarnation: by an event,
    /// or because it was up when the process subscribed.
    pub(crate) fn expect_node_up(&self, node: &Node) -> Result<()> {
        let meant = |info: &NodeInfo| info.name == node.name() && info.incarnation == node.incarnation();
        let mut subscriptions = BTreeSet::new();
        self.node.await_event(&format!("node-up of {}", node.name()), |entry| {
            if let LineContent::Request(Request { id, command: Command::MonitorNodes { process, .. } }) =
                &entry.content
                && *process == self.pid
            {
                subscriptions.insert(*id);
            }
            let up = match &entry.content {
                LineContent::Output(Output::NodeUp { to, node, .. }) => *to == self.pid && meant(node),
                LineContent::Output(Output::Reply { id, answer: CommandAnswer::Nodes(nodes) }) => {
                    subscriptions.contains(id) && nodes.iter().any(meant)
                }
                _ => false,
            };
            up.then_some(())
        })
    }

    /// Waits for its first node down of a node; the reason must be one of these kinds.
    pub(crate) fn expect_node_down(&self, node: &Node, kinds: &[&str]) -> Result<()> {
        let what = format!("node-down of {}", node.name());
        let down = self
            .await_node_event(&what, |event| !event.up && event.name == node.name() && event.end.is_some())?;
        self.expect_kind(&down, kinds)
    }

    /// Waits until it has received that many node downs of a node.
    pub(crate) fn await_node_downs(&self, node: &Node, times: usize) -> Result<()> {
        let mut seen = 0;
        let what = format!("{times} node-downs of {}", node.name());
        let all = Subscription { nodes: NodeKind::All, reasons: true };
        self.await_node_event(&what, |event| {
            seen += usize::from(!event.up && event.name == node.name() && event.of == Some(all));
            seen == times
        })
        .map(drop)
    }

    /// Waits until the process has received a node-down from a `monitor_node`; the end must be of
    /// this kind.
    pub(crate) fn expect_monitored_down(&self, node: &str, kind: &str) -> Result<()> {
        let what = format!("the node-down of {node} that monitor_node asks for");
        let down = self.await_node_event(&what, |event| event.of.is_none() && event.name == node)?;
        self.expect_kind(&down, &[kind])
    }

    /// Waits until that subscription has reported that the node is up, or down; the reason must be
    /// present exactly if the subscription requested it.
    pub(crate) fn expect_event(&self, of: Subscription, up: bool, node: &str) -> Result<()> {
        let what = format!("{} of {node} by {of:?}", if up { "node-up" } else { "node-down" });
        let event = self
            .await_node_event(&what, |event| event.of == Some(of) && event.up == up && event.name == node)?;
        let wanted = !up && of.reasons;
        ensure(event.end.is_some() == wanted, || {
            format!("{what}: a reason was asked for: {wanted}; came {event:?}")
        })
    }

    /// Returns all node events that it has received so far.
    pub(crate) fn node_events(&self) -> Vec<NodeEvent> {
        let entries = self.node.transcript().entries();
        entries.iter().filter_map(|entry| self.node_event(&entry.content)).collect()
    }

    fn await_node_event(&self, what: &str, mut such: impl FnMut(&NodeEvent) -> bool) -> Result<NodeEvent> {
        self.node.await_event(what, |entry| self.node_event(&entry.content).filter(|event| such(event)))
    }

    fn node_event(&self, content: &LineContent) -> Option<NodeEvent> {
        match content {
            LineContent::Output(output) => NodeEvent::of(output, &self.pid),
            LineContent::Request(_) | LineContent::Invalid(_) => None,
        }
    }

    fn expect_kind(&self, down: &NodeEvent, kinds: &[&str]) -> Result<()> {
        let as_wanted = down.end.as_ref().is_some_and(|end| kinds.contains(&end.kind.as_str()));
        ensure(as_wanted, || {
            format!("{}: expected a node-down as {kinds:?}, but it was {down:?}", self.node.name())
        })
    }
}

/// A node event that a process has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeEvent {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// The subscription; `None` for a `monitor_node`.
    pub(crate) of: Option<Subscription>,
    pub(crate) end: Option<End>,
}

impl NodeEvent {
    fn of(output: &Output, process: &str) -> Option<Self> {
        match output {
            Output::NodeUp { to, node, of, .. } if to == process => {
                Some(NodeEvent { name: node.name.clone(), up: true, of: Some(*of), end: None })
            }
            Output::NodeDown { to, name, end, of, .. } if to == process => {
                Some(NodeEvent { name: name.clone(), up: false, of: *of, end: end.clone() })
            }
            _ => None,
        }
    }
}

/// How to demonitor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demonitor {
    pub(crate) flush: bool,
    pub(crate) info: bool,
}

/// One monitor.
#[derive(Clone)]
pub(crate) struct Monitor {
    node: Node,
    reference: String,
    target: String,
}

impl Monitor {
    pub(super) fn new(node: Node, reference: String, target: String) -> Self {
        Monitor { node, reference, target }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// Waits for its Down, which must be for that reason.
    pub(crate) fn expect_down(&self, wanted: Wanted) -> Result<Instant> {
        let what = format!("the Down of {} on {}", self.reference, self.target);
        let (reason, at) = self.node.await_event(&what, |entry| match &entry.content {
            LineContent::Output(Output::Down { monitor, reason, .. }) if *monitor == self.reference => {
                Some((reason.clone(), entry.at))
            }
            _ => None,
        })?;
        if wanted.is(&reason) {
            return Ok(at);
        }
        bail!("{}: expected {what} for {wanted:?}, but it came for {reason:?}", self.node.name())
    }

    /// Whether its Down has been printed.
    pub(crate) fn is_down(&self) -> bool {
        self.node.transcript().entries().iter().any(|entry| {
            matches!(&entry.content, LineContent::Output(Output::Down { monitor, .. }) if *monitor == self.reference)
        })
    }

    /// Fails if its Down has been printed.
    pub(crate) fn expect_silence(&self, why: &str) -> Result<()> {
        if self.is_down() {
            bail!("{}: a Down of {} although {why}", self.node.name(), self.reference);
        }
        Ok(())
    }
}

/// Waits for the `Down`s of many monitors of one node in any order, and calls `each` for every one.
pub(crate) fn expect_downs(
    node: &Node,
    monitors: &[(Monitor, Wanted)],
    mut each: impl FnMut(),
) -> Result<()> {
    let mut open: BTreeMap<_, _> =
        monitors.iter().map(|(monitor, wanted)| (monitor.reference(), wanted)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let what = format!("the Downs of {} monitors", open.len());
    let wrong = node.await_event(&what, |entry| {
        let LineContent::Output(Output::Down { monitor, reason, .. }) = &entry.content else { return None };
        let wanted = open.remove(monitor.as_str())?;
        each();
        if !wanted.is(reason) {
            return Some(Err(format!(
                "expected the Down of {monitor} for {wanted:?}, but it came for {reason:?}"
            )));
        }
        open.is_empty().then_some(Ok(()))
    })?;
    wrong.map_err(|wrong| anyhow!("{}: {wrong}", node.name()))
}

/// The expected reason of a Down.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Exit(Exit),
    /// With any text.
    Panicked,
    NoProc,
    /// One of these kinds.
    NoConnection(&'static [&'static str]),
}

/// `Exit(Normal)`
pub(crate) const NORMAL: Wanted = Wanted::Exit(Exit::Normal);

impl Wanted {
    /// Whether that reason is the expected one.
    pub(crate) fn is(&self, reason: &Reason) -> bool {
        match (self, reason) {
            (Wanted::Exit(wanted), Reason::Exit(exit)) => wanted == exit,
            (Wanted::Panicked, Reason::Exit(Exit::Panicked(_))) | (Wanted::NoProc, Reason::NoProc) => true,
            (Wanted::NoConnection(kinds), Reason::NoConnection(end)) => kinds.contains(&end.kind.as_str()),
            _ => false,
        }
    }
}
