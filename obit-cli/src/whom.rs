//! Selects the node to ask among those that run on this machine.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use futures::future::join_all;
use monitor_runtime::control::{self, AskError, NodeList, Request, Response, default_directory};
use smol::Timer;

use crate::{
    failure::{Context, Failure, Result},
    limits::block_on,
};

/// Selects the node to ask.
#[derive(Args)]
pub(crate) struct Whom {
    /// The socket of the node; by default that of the only node in $XDG_RUNTIME_DIR/obit, or of the
    /// only node there that is not hidden. `obit watch` runs a hidden node.
    #[arg(long, value_name = "FILE", env = "OBIT_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
    /// The name of the node, or its label, if several nodes run here. It wins over --socket.
    #[arg(long, value_name = "NODE")]
    at: Option<String>,
}

/// A node whose socket was found.
struct Found {
    socket: PathBuf,
    /// Its answer; `None` if it does not answer in time, or has another version.
    node: Option<NodeList>,
}

/// Maximum time for a node to report its name.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

impl Whom {
    /// The named socket, the socket of the named node, or that of the only node.
    pub(crate) fn socket(&self) -> Result<PathBuf> {
        match (&self.at, &self.socket) {
            (None, Some(socket)) => Ok(socket.clone()),
            (Some(at), _) => named(at, all()?).map_err(|failure| failure.without_value("--at", at)),
            (None, None) => only(all()?),
        }
    }

    /// The current socket of the node of that name: a node that was restarted has another socket.
    /// `None` if the user named the socket itself, or if the node is not found.
    pub(crate) fn socket_of(&self, name: &str) -> Option<PathBuf> {
        match (&self.at, &self.socket) {
            (None, Some(_)) => None,
            _ => named(name, all().ok()?).ok(),
        }
    }
}

impl Found {
    fn name(&self) -> Option<&str> {
        self.node.as_ref().map(|node| node.name.as_str())
    }

    /// The label of the node, from the name of its socket if the node does not answer.
    fn label(&self) -> &str {
        let stem = self.socket.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        self.name().map_or_else(|| stem.rsplit_once('-').map_or(stem, |(label, _)| label), label_of)
    }

    fn is_hidden(&self) -> bool {
        self.node.as_ref().map_or_else(|| self.label().starts_with("visitor-"), |node| node.hidden)
    }

    fn is_called(&self, name: &str) -> bool {
        match self.name() {
            Some(own) => own == name || self.label() == name,
            None => self.label() == label_of(name),
        }
    }
}

fn label_of(name: &str) -> &str {
    name.split_once('@').map_or(name, |(label, _)| label)
}

fn only(found: Vec<Found>) -> Result<PathBuf> {
    if let [only] = &found[..] {
        return Ok(only.socket.clone());
    }
    let mut shown = found.iter().filter(|found| !found.is_hidden());
    match (shown.next(), shown.next()) {
        (Some(only), None) => Ok(only.socket.clone()),
        _ => Err(Failure::new(format!("several nodes run here; choose one:{}", choices(&found)))),
    }
}

fn named(name: &str, found: Vec<Found>) -> Result<PathBuf> {
    let (called, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.is_called(name));
    match &called[..] {
        [only] => Ok(only.socket.clone()),
        [] => Err(Failure::new(format!("no node {name} runs here; there are:{}", choices(&others)))),
        several => Err(Failure::new(format!(
            "several nodes here are called {name}; choose one:{}",
            choices(several)
        ))),
    }
}

/// The flag that selects each node, one per line.
fn choices(found: &[Found]) -> String {
    let choice = |one: &Found| {
        let alone = found.iter().filter(|other| other.name() == one.name()).count() == 1;
        let hidden = if one.is_hidden() { " (hidden)" } else { "" };
        match one.name().filter(|_| alone) {
            Some(name) => format!("\n  --at {name}{hidden}"),
            None => format!("\n  --socket {}{hidden}", one.socket.display()),
        }
    };
    found.iter().map(choice).collect()
}

/// All nodes of this user with a socket in the default directory, sorted by name. Returns at least
/// one.
fn all() -> Result<Vec<Found>> {
    let directory = default_directory().ok_or_else(|| {
        Failure::new(
            "XDG_RUNTIME_DIR is not set, or is not an absolute path: name the socket of the node by --socket",
        )
    })?;
    control::check_default_directory().context(|| "cannot look for nodes".to_owned())?;
    let probes = sockets(&directory)?.into_iter().map(probe);
    let mut found: Vec<_> = block_on(async { Ok(join_all(probes).await) })?.into_iter().flatten().collect();
    if found.is_empty() {
        return Err(Failure::new(format!(
            "no node of `obit` runs here: there is no live socket in {}; start one, or name a socket by --socket",
            directory.display()
        )));
    }
    found.sort_by(|a, b| (a.name(), &a.socket).cmp(&(b.name(), &b.socket)));
    Ok(found)
}

fn sockets(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(|| format!("cannot read {}", directory.display()))?,
    };
    let is_socket = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_socket());
    Ok(entries.filter_map(std::result::Result::ok).filter(is_socket).map(|entry| entry.path()).collect())
}

/// Returns the node that listens at the socket, if one does. Removes the socket of a killed node.
async fn probe(socket: PathBuf) -> Option<Found> {
    let answer = async { Some(control::ask(&socket, &Request::Nodes).await) };
    let late = async {
        Timer::after(ANSWER_TIMEOUT).await;
        None
    };
    let node = match smol::future::or(answer, late).await {
        Some(Ok(Response::Nodes(node))) => Some(node),
        Some(Err(AskError::NoNode { cause, .. })) => {
            match cause.kind() {
                io::ErrorKind::ConnectionRefused => {
                    // Otherwise every later command would try it again. Another file may have
                    // replaced the socket by now.
                    if fs::symlink_metadata(&socket).is_ok_and(|there| there.file_type().is_socket()) {
                        let _ = fs::remove_file(&socket);
                    }
                    return None;
                }
                // The queue of connections is full: a node listens, and is busy.
                io::ErrorKind::WouldBlock => None,
                _ => return None,
            }
        }
        _ => None,
    };
    Some(Found { socket, node })
}
