//! A network namespace that this program creates and removes.

use std::{
    fmt,
    fs::{self, File},
    os::fd::AsFd,
    path::Path,
    process::id,
    thread,
};

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::tools;

/// The folder in which `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// Prefix of the names of all namespaces of this program; the id of the run follows.
const PREFIX: &str = "obit-";

/// A network namespace. Its drop removes it, with everything in it, once its last process has
/// ended.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates an empty namespace.
    pub fn new(label: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{label}", Run::this()?);
        tools::run("ip", &["netns", "add", &name], "")?;
        Ok(Namespace { name })
    }

    /// The name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a closure in the namespace: its sockets, processes and threads belong to the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMES).join(&self.name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        // A thread of its own enters the namespace and ends afterwards, so that the calling thread
        // stays outside.
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("cannot enter the network namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs commands of `ip` in the namespace, one per line.
    pub(super) fn ip(&self, lines: &str) -> Result<()> {
        tools::run("ip", &["-netns", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Loads rules of `nft` in the namespace.
    pub(super) fn nft(&self, rules: &str) -> Result<()> {
        self.run(|| tools::run("nft", &["-f", "-"], rules))?.map(drop)
    }

    /// Runs a query of `nft` in the namespace. Returns JSON.
    pub(super) fn nft_query(&self, arguments: &[&str]) -> Result<String> {
        self.run(|| tools::run("nft", &[&["-j"], arguments].concat(), ""))?
    }

    /// Runs commands of `tc` in the namespace, one per line.
    pub(super) fn tc(&self, lines: &str) -> Result<()> {
        tools::run("tc", &["-netns", &self.name, "-batch", "-"], lines).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // If this fails, a later run removes the namespace.
        let _ = tools::run("ip", &["netns", "delete", &self.name], "");
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Removes the namespaces of earlier runs that ended without removing them.
pub(super) fn remove_leftovers() {
    let names = fs::read_dir(NAMES).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if Run::of(&name).is_some_and(|run| !run.goes_on()) {
            let _ = tools::run("ip", &["netns", "delete", &name], "");
        }
    }
}

/// One run of this program. Its pid may be reused after it ends, so its start time, in ticks since
/// the boot of the machine, is part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    process: u32,
    began: u64,
}

impl Run {
    fn this() -> Result<Self> {
        let process = id();
        match began(process) {
            Some(began) => Ok(Run { process, began }),
            None => bail!("/proc/{process}/stat does not tell when this process began"),
        }
    }

    /// The run that created the namespace of that name; `None` if it is not one of this program.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
        let run = Run { process: parts.next()?.parse().ok()?, began: parts.next()?.parse().ok()? };
        parts.next().map(|_label| run)
    }

    fn goes_on(self) -> bool {
        began(self.process) == Some(self.began)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.process, self.began)
    }
}

/// The start time of that process; `None` if there is no such process.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in parentheses, which may contain anything. The start time is the
    // 22nd field.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_runs_that_are_over_are_left_over() {
        let this = Run::this().unwrap();
        assert_eq!(Run::of(&format!("{PREFIX}{this}-3-bridge")), Some(this));
        assert!(this.goes_on());
        assert!(!Run { began: this.began + 1, ..this }.goes_on(), "a later process of the same number");
        assert!(!Run { process: 0, ..this }.goes_on(), "no process has that number");
        for foreign in ["obit-", "obit-x-1-a", "obit-7-a", "obit-7-8", "docker-7-8-a", "", "obit--1-a"] {
            assert_eq!(Run::of(foreign), None, "{foreign}");
        }
    }
}
