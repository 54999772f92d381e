//! One network namespace that this program has made, and removes.

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

/// Where `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// What the names of all namespaces of this program begin with; then comes which run has made them.
const PREFIX: &str = "obit-";

/// A network namespace. Dropping it removes it, with everything in it, once the last process in it
/// has ended.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one, with nothing in it.
    pub fn new(label: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{label}", Run::this()?);
        tools::run("ip", &["netns", "add", &name], "")?;
        Ok(Namespace { name })
    }

    /// The name by which `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs something in the namespace: sockets that it opens, and processes and threads that it
    /// starts, belong there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMES).join(&self.name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        // A namespace is a thread's: this one goes when it is done, and never goes back.
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("cannot enter the network namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs lines of commands of `ip` here.
    pub(super) fn ip(&self, lines: &str) -> Result<()> {
        tools::run("ip", &["-netns", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Loads rules of `nft` here.
    pub(super) fn nft(&self, rules: &str) -> Result<()> {
        self.run(|| tools::run("nft", &["-f", "-"], rules))?.map(drop)
    }

    /// Asks `nft` something here; it answers in JSON.
    pub(super) fn nft_query(&self, arguments: &[&str]) -> Result<String> {
        self.run(|| tools::run("nft", &[&["-j"], arguments].concat(), ""))?
    }

    /// Runs lines of commands of `tc` here.
    pub(super) fn tc(&self, lines: &str) -> Result<()> {
        tools::run("tc", &["-netns", &self.name, "-batch", "-"], lines).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What cannot be removed now is left over, and the next run sees to it.
        let _ = tools::run("ip", &["netns", "delete", &self.name], "");
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Removes what runs have left over that were ended before they could.
pub(super) fn remove_leftovers() {
    let names = fs::read_dir(NAMES).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if Run::of(&name).is_some_and(|run| !run.goes_on()) {
            let _ = tools::run("ip", &["netns", "delete", &name], "");
        }
    }
}

/// One run of this program. The number of its process may become another's when it is over, so when
/// that began counts, too: in ticks since the machine has started.
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

    /// The one that has made the namespace of that name, if it is one of this program's.
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

/// When that process began; none if there is none.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second of the fields is a name in parentheses, and may hold anything; this is the 22nd.
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
