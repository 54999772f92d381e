//! Raises the limit of open descriptors of this program and of the nodes: each session of a node
//! takes one.

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors besides sessions: those that every process has open, and handshakes in progress.
const OTHERS: u64 = 256;

/// Raises the limit for a cluster of that many nodes; the nodes inherit it.
pub(super) fn allow(nodes: usize) -> Result<()> {
    // This program has two pipes for each node; a node has a connection to each other, and briefly
    // a second one if both nodes have dialed.
    let needed = 2 * nodes as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < needed) {
        bail!(
            "{needed} open files are needed, and not allowed: raise the hard limit (`ulimit -Hn {needed}`)"
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .with_context(|| format!("cannot allow {needed} open files"))
}
