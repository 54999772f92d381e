//! `obit nodes`, `obit monitors` and `obit why`: questions to a node that runs, over its socket.

use std::{
    fs,
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use monitor_runtime::control::{
    self, Answer, MonitorList, NodeList, PastDownLine, Question, default_directory,
};

use crate::{
    failure::{Context, Failure, Result},
    output::{say, say_json},
};

pub(crate) const NODES: &str = "\
Examples:
  obit nodes
  obit nodes --json --socket /run/obit/a.sock";

pub(crate) const MONITORS: &str = "\
Examples:
  obit monitors
  obit monitors --json | jq '.held[].target'";

pub(crate) const WHY: &str = "\
Examples:
  obit why                                 the last 20 that were told
  obit why job1@a@10.0.0.7:7001            what was told of this process
  obit why partisan:ref:b@host:8c21:0.1    what this monitor told: the reference of `obit watch --json`

Exit code: 0; 1 if nothing was told of it, or if no node answers.";

/// Whom to ask.
#[derive(Args)]
pub(crate) struct Whom {
    /// The socket of the node; by default that of the only node in $XDG_RUNTIME_DIR/obit.
    #[arg(long, value_name = "FILE", env = "OBIT_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
}

/// Whom to ask, and how to answer.
#[derive(Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    whom: Whom,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What `why` is given.
#[derive(Args)]
pub(crate) struct Why {
    /// A monitor, or what was monitored; by default whatever was told last.
    #[arg(value_name = "REF|TARGET")]
    of: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

/// How many are shown if none is named.
const LAST: usize = 20;

pub(crate) fn nodes(asking: &Asking) -> Result {
    match asking.ask(&Question::Nodes)? {
        Answer::Nodes(nodes) if asking.json => say_json(&nodes)?,
        Answer::Nodes(nodes) => say_nodes(&nodes)?,
        _ => return Err(other_answer()),
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn monitors(asking: &Asking) -> Result {
    match asking.ask(&Question::Monitors)? {
        Answer::Monitors(monitors) if asking.json => say_json(&monitors)?,
        Answer::Monitors(monitors) => say_monitors(&monitors)?,
        _ => return Err(other_answer()),
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn why(why: &Why) -> Result {
    let Answer::Downs(mut downs) = why.asking.ask(&Question::Downs(why.of.clone()))? else {
        return Err(other_answer());
    };
    match &why.of {
        Some(of) if downs.is_empty() => {
            return Err(Failure::new(format!(
                "this node has told nothing of {of}, or more than 4,096 others since; `obit why` without it shows the last ones"
            )));
        }
        Some(_) => {}
        None => downs.truncate(LAST),
    }
    for down in &downs {
        if why.asking.json { say_json(down)? } else { say_why(down)? }
    }
    Ok(ExitCode::SUCCESS)
}

impl Asking {
    fn ask(&self, question: &Question) -> Result<Answer> {
        ask(&self.whom.socket()?, question)
    }
}

impl Whom {
    /// The socket that was named, or the only one.
    pub(crate) fn socket(&self) -> Result<PathBuf> {
        self.socket.clone().map_or_else(only_socket, Ok)
    }
}

/// Asks a node, and waits for the answer.
pub(crate) fn ask(socket: &Path, question: &Question) -> Result<Answer> {
    Ok(smol::block_on(control::ask(socket, question))?)
}

/// The socket of the only node of this user that runs here.
fn only_socket() -> Result<PathBuf> {
    let directory = default_directory()
        .ok_or_else(|| Failure::new("XDG_RUNTIME_DIR is not set: name the socket of the node by --socket"))?;
    let mut sockets = live_sockets(&directory)?;
    match (sockets.pop(), &sockets[..]) {
        (Some(socket), []) => Ok(socket),
        (None, _) => Err(Failure::new(format!(
            "no node of `obit` runs here: there is no live socket in {}; start one, or name a socket by --socket",
            directory.display()
        ))),
        (Some(last), others) => {
            let all = others.iter().chain([&last]).map(|socket| format!("\n  --socket {}", socket.display()));
            Err(Failure::new(format!("several nodes run here; choose one:{}", all.collect::<String>())))
        }
    }
}

fn live_sockets(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(|| format!("cannot read {}", directory.display()))?,
    };
    let sockets = entries.filter_map(std::result::Result::ok).filter(|entry| {
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        // What a killed node has left behind answers nobody.
        is_socket && UnixStream::connect(entry.path()).is_ok()
    });
    let mut sockets: Vec<_> = sockets.map(|entry| entry.path()).collect();
    sockets.sort();
    Ok(sockets)
}

pub(crate) fn other_answer() -> Failure {
    Failure::new("the node answered something else than was asked: it is of another version")
}

fn say_nodes(nodes: &NodeList) -> std::io::Result<()> {
    let address = nodes.address.as_ref().map(|address| format!(", listens on {address}"));
    say(&format!("{} (this node, life {}{})", nodes.name, nodes.incarnation, address.unwrap_or_default()))?;
    for peer in &nodes.peers {
        let hidden = if peer.hidden { ", hidden" } else { "" };
        say(&format!("{} (up, life {}, session {}{hidden})", peer.name, peer.incarnation, peer.session))?;
    }
    Ok(())
}

fn say_monitors(monitors: &MonitorList) -> std::io::Result<()> {
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
    Ok(())
}

/// What was told, who decided it, and on what evidence.
fn say_why(down: &PastDownLine) -> std::io::Result<()> {
    let life = match &down.incarnation {
        Some(life) => format!("{} in its life {life}", down.node),
        None => down.node.clone(),
    };
    let silent = down.silent_ms.map(Duration::from_millis);
    let (decided, heard) = match down.source.as_str() {
        "target-node" => (
            format!("{life}, which bears the name and alone can know"),
            "by this very notice: it is true".to_owned(),
        ),
        "session-end" => (
            format!("this node, when its session with {life} ended"),
            match silent {
                Some(silent) => format!("{silent:?} before: the process may live on"),
                None => "until the session ended: the process may live on".to_owned(),
            },
        ),
        _ => (
            format!("this node or {life}: there was no session that could be used"),
            "not at all: nothing is known of the process".to_owned(),
        ),
    };
    say(&down.target)?;
    say(&format!("  what     {}", down.text))?;
    say(&format!("  decided  by {decided}"))?;
    say(&format!("  heard    {heard}"))?;
    say(&format!("  when     {:?} ago", Duration::from_millis(down.ago_ms)))?;
    say(&format!("  monitor  {}", down.monitor))
}
