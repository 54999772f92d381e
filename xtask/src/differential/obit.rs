//! Obit's nodes, as the cluster test starts them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use harness::{children::Children, ports::Ports, secret::fresh_secret};

use super::system::System;
use crate::cluster::{
    heartbeat::Heartbeat,
    node::{Launch, Node},
    process::{Demonitor, Monitor, Process},
    protocol::{Command, Exit, NodeKind, Output, Reason, Subscription},
    transcript::LineContent,
};

const ALL: Subscription = Subscription { nodes: NodeKind::All, reasons: false };

/// See the [module](self).
pub(super) struct Obit<'a> {
    children: &'a Children,
    program: &'a Path,
    logs: PathBuf,
    ports: Ports,
    secret: String,
    nodes: BTreeMap<String, Node>,
    processes: BTreeMap<String, Process>,
    monitors: BTreeMap<String, Monitor>,
    starts: usize,
}

impl<'a> Obit<'a> {
    pub(super) fn new(children: &'a Children, program: &'a Path, logs: PathBuf) -> Result<Self> {
        Ok(Obit {
            children,
            program,
            logs,
            ports: Ports::take()?,
            secret: fresh_secret()?,
            nodes: BTreeMap::new(),
            processes: BTreeMap::new(),
            monitors: BTreeMap::new(),
            starts: 0,
        })
    }

    /// The address at which the node listens or, if it is down, would listen.
    fn full_name(&self, node: &str) -> String {
        format!("{node}@127.0.0.1:{}", self.ports.port(usize::from(node != "a")))
    }

    fn node(&self, node: &str) -> Result<&Node> {
        self.nodes.get(node).context_none(node)
    }

    fn process(&self, process: &str) -> Result<&Process> {
        self.processes.get(process).context_none(process)
    }

    /// The name that the script uses for it.
    fn label<'b>(&'b self, pid: &str) -> &'b str {
        let found = self.processes.iter().find(|(_, process)| process.pid() == pid);
        found.map_or("somebody", |(label, _)| label)
    }

    /// Formats a notice in the common words of both systems.
    fn words(&self, pid: &str, output: &Output) -> Option<String> {
        let node = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
        match output {
            Output::Down { to, monitor, reason, .. } if to == pid => {
                let found = self.monitors.iter().find(|(_, made)| made.reference() == monitor);
                Some(format!("down {} {}", found.map_or("unknown", |(label, _)| label), reason_word(reason)))
            }
            Output::Message { to, from, body } if to == pid => {
                Some(format!("message {} {body}", self.label(from.as_deref().unwrap_or_default())))
            }
            Output::NodeUp { to, node: info, .. } if to == pid => {
                Some(format!("nodeup {}", node(&info.name)))
            }
            Output::NodeDown { to, name, .. } if to == pid => Some(format!("nodedown {}", node(name))),
            Output::Missed { to, count } if to == pid => Some(format!("missed {count}")),
            _ => None,
        }
    }
}

/// OTP has one reason for all ends of connections.
fn reason_word(reason: &Reason) -> String {
    match reason {
        Reason::Exit(Exit::Normal) => "normal".to_owned(),
        Reason::Exit(Exit::Shutdown) => "shutdown".to_owned(),
        Reason::Exit(Exit::Killed) => "killed".to_owned(),
        Reason::Exit(Exit::Panicked(_)) => "panicked".to_owned(),
        Reason::Exit(Exit::Other(text)) => format!("other:{text}"),
        Reason::NoProc => "noproc".to_owned(),
        Reason::NoConnection(_) => "noconnection".to_owned(),
    }
}

impl System for Obit<'_> {
    fn start(&mut self, node: &str) -> Result<()> {
        self.starts += 1;
        let launch = Launch {
            program: self.program.to_owned(),
            name: self.full_name(node),
            secret: self.secret.clone(),
            heartbeat: Heartbeat::BRISK,
            hidden: false,
            home: None,
            peers: Vec::new(),
            listen: None,
            by: Vec::new(),
            log_reader: None,
            log: self.logs.join(format!("obit-{node}-{}", self.starts)),
        };
        self.nodes.insert(node.to_owned(), Node::start(self.children, launch)?);
        Ok(())
    }

    fn crash(&mut self, node: &str) -> Result<()> {
        self.node(node)?.kill();
        Ok(())
    }

    fn connect(&mut self, node: &str, to: &str) -> Result<()> {
        self.node(node)?.meet(self.node(to)?)
    }

    fn unregister(&mut self, node: &str, name: &str) -> Result<()> {
        self.node(node)?.flags(Command::Unregister { name: name.to_owned() }).map(drop)
    }

    fn spawn(&mut self, process: &str, node: &str) -> Result<()> {
        let spawned = self.node(node)?.spawn()?;
        self.processes.insert(process.to_owned(), spawned);
        Ok(())
    }

    fn kill(&mut self, process: &str) -> Result<()> {
        self.process(process)?.kill().map(drop)
    }

    fn exit(&mut self, process: &str, how: &str) -> Result<()> {
        self.process(process)?.exit(match how {
            "normal" => Exit::Normal,
            "shutdown" => Exit::Shutdown,
            "panicked" => Exit::Panicked(how.to_owned()),
            other => Exit::Other(other.to_owned()),
        })
    }

    fn pause(&mut self, process: &str, pause: bool) -> Result<()> {
        let process = self.process(process)?;
        if pause { process.pause() } else { process.resume() }
    }

    fn register(&mut self, process: &str, name: &str) -> Result<()> {
        self.process(process)?.register(name)
    }

    fn monitor(&mut self, process: &str, monitor: &str, target: &str) -> Result<()> {
        let target = match target.split_once('@') {
            Some((name, node)) => format!("{name}@{}", self.full_name(node)),
            None => self.process(target)?.pid().to_owned(),
        };
        let made = self.process(process)?.monitor_target(&target)?;
        self.monitors.insert(monitor.to_owned(), made);
        Ok(())
    }

    fn demonitor(&mut self, process: &str, monitor: &str, options: &[&str]) -> Result<bool> {
        let how = Demonitor { flush: options.contains(&"flush"), info: options.contains(&"info") };
        self.process(process)?.demonitor(self.monitors.get(monitor).context_none(monitor)?, how)
    }

    fn monitor_node(&mut self, process: &str, node: &str, flag: bool) -> Result<()> {
        let (process, node) = (self.process(process)?, self.full_name(node));
        if flag { process.monitor_node(&node, false) } else { process.demonitor_node(&node) }
    }

    fn monitor_nodes(&mut self, process: &str, flag: bool) -> Result<()> {
        let process = self.process(process)?;
        if flag { process.monitor_nodes(ALL).map(drop) } else { process.demonitor_nodes(ALL) }
    }

    fn send(&mut self, process: &str, to: &str) -> Result<()> {
        self.process(process)?.send(self.process(to)?.pid(), 1).map(drop)
    }

    fn waiting(&mut self, process: &str) -> Result<usize> {
        // No other process of this node has monitor notices.
        Ok(self.process(process)?.node().tables()?.fired as usize)
    }

    fn told(&self, process: &str) -> Result<Vec<String>> {
        let process = self.process(process)?;
        let entries = process.node().transcript().entries();
        let events = entries.iter().filter_map(|entry| match &entry.content {
            LineContent::Output(output) => self.words(process.pid(), output),
            LineContent::Request(_) | LineContent::Invalid(_) => None,
        });
        Ok(events.collect())
    }
}

/// A script must make a thing before it names it.
pub(super) trait Named<T> {
    fn context_none(self, name: &str) -> Result<T>;
}

impl<T> Named<T> for Option<T> {
    fn context_none(self, name: &str) -> Result<T> {
        match self {
            Some(found) => Ok(found),
            None => bail!("the script uses {name} before it makes it"),
        }
    }
}
