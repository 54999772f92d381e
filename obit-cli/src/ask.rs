//! `obit nodes` and `obit monitors`: requests to a running node over its socket.

use std::{path::Path, time::Duration};

use clap::Args;
use monitor_runtime::control::{self, MonitorList, NodeList, PeerLine, Request, Response};

use crate::{
    failure::{ExitCode, Failure, Result},
    limits::block_on,
    output::{note, say, say_json},
    times::span,
    whom::Whom,
};

pub(crate) const NODES: &str = "\
Examples:
  obit nodes
  obit nodes --at a@127.0.0.1:7001
  obit nodes --json --socket /run/obit/a.sock | jq -r '.peers[].name'

docs/CLI.md has the fields of --json.";

pub(crate) const MONITORS: &str = "\
Examples:
  obit monitors
  obit monitors --json | jq -r '.held[].target'

docs/CLI.md has the fields of --json.";

/// The node to ask, and the format of the answer.
#[derive(Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    whom: Whom,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn nodes(asking: &Asking) -> Result {
    match asking.ask(&Request::Nodes)? {
        Response::Nodes(nodes) if asking.json => say_json(&nodes)?,
        Response::Nodes(nodes) => say_nodes(&nodes)?,
        _ => return Err(other_answer()),
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn monitors(asking: &Asking) -> Result {
    match asking.ask(&Request::Monitors)? {
        Response::Monitors(monitors) if asking.json => say_json(&monitors)?,
        Response::Monitors(monitors) => say_monitors(&monitors)?,
        _ => return Err(other_answer()),
    }
    Ok(ExitCode::SUCCESS)
}

impl Asking {
    pub(crate) fn ask(&self, question: &Request) -> Result<Response> {
        ask(&self.whom.socket()?, question)
    }
}

/// Sends a request to a node, and waits for the answer.
pub(crate) fn ask(socket: &Path, question: &Request) -> Result<Response> {
    let answer = block_on(async { Ok(control::ask(socket, question).await?) });
    answer.map_err(|failure| failure.without_path("--socket", socket))
}

pub(crate) fn other_answer() -> Failure {
    Failure::new("the node answered another question than was asked: it has another version of obit")
}

fn say_nodes(nodes: &NodeList) -> Result<()> {
    let mut about = vec!["this node".to_owned(), format!("incarnation {}", nodes.incarnation)];
    about.extend(nodes.address.as_ref().map(|address| format!("listens on {address}")));
    about.extend(nodes.hidden.then(|| "hidden".to_owned()));
    if !nodes.version.is_empty() {
        about.push(format!("version {}", nodes.version));
        about.push(format!("up for {}", span(Duration::from_millis(nodes.uptime_ms))));
    }
    say(&format!("{} ({})", nodes.name, about.join(", ")))?;
    for peer in &nodes.peers {
        say(&format!("{} ({})", peer.name, about_peer(peer, nodes.hidden)))?;
    }
    if nodes.more_peers > 0 {
        say(&format!("and {} more", nodes.more_peers))?;
    }
    if nodes.peers.is_empty() {
        note("no other node is connected to this node");
    }
    Ok(())
}

fn about_peer(peer: &PeerLine, all_hidden: bool) -> String {
    let mut about = vec![
        "up".to_owned(),
        format!("incarnation {}", peer.incarnation),
        format!("session {}", peer.session),
        format!("monitors on it {}, by it {}", peer.monitors, peer.monitored_by),
    ];
    // A session is hidden if either end is. If this end is, the flag says nothing about the peer.
    about.extend((peer.hidden && !all_hidden).then(|| "hidden".to_owned()));
    about.join(", ")
}

fn say_monitors(monitors: &MonitorList) -> Result<()> {
    for held in &monitors.held {
        let watcher = held.watcher.as_deref().unwrap_or("this node");
        let fired = if held.fired { ", which has fired" } else { "" };
        say(&format!("{watcher} watches {} by {}{fired}", held.target, held.monitor))?;
    }
    for on in &monitors.on {
        let name = on.names.first().unwrap_or(&on.process);
        for by in &on.by {
            say(&format!("{name} is watched by {by}"))?;
        }
    }
    if monitors.more {
        say("and there are more")?;
    }
    if monitors.held.is_empty() && monitors.on.is_empty() {
        note("this node holds no monitors, and no other node monitors a process of it");
    }
    Ok(())
}
