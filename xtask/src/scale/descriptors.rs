//! How many descriptors this program and the nodes may have open: each session of a node is one.

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside sessions: what a process has open anyway, and handshakes under way.
const OTHERS: u64 = 256;

/// Makes room for a cluster of so many nodes; the nodes inherit it.
pub(super) fn allow(nodes: usize) -> Result<()> {
    // This program has two pipes for each node; a node has a connection to each other, and for a moment a second one where
    // both have dialled.
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
