//! One network namespace that this program has made, and removes.

use std::{
    fmt,
    fs::{self, File},
    os::fd::AsFd,
    path::Path,
    process::id,
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::tools;
use crate::failure::{Context, Result};

/// Where `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// What the names of all namespaces of this program begin with; then comes the number of the process.
const PREFIX: &str = "obit-";

/// A network namespace. Dropping it removes it, with everything in it, once the last process in it has ended.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one, with nothing in it.
    pub(crate) fn new(label: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{label}", id());
        tools::run("ip", &["netns", "add", &name], "")?;
        Ok(Namespace { name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs something in the namespace: sockets that it opens, and processes and threads that it starts, belong there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMES).join(&self.name);
        let file = File::open(&path).context(|| format!("cannot open {}", path.display()))?;
        // A namespace is a thread's: this one goes when it is done, and never goes back.
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .context(|| format!("cannot enter the network namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs lines of commands of `ip` here.
    pub(super) fn ip(&self, lines: &str) -> Result {
        tools::run("ip", &["-netns", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Loads rules of `nft` here.
    pub(super) fn nft(&self, rules: &str) -> Result {
        self.run(|| tools::run("nft", &["-f", "-"], rules))?.map(drop)
    }

    /// Asks `nft` something here; it answers in JSON.
    pub(super) fn nft_query(&self, arguments: &[&str]) -> Result<String> {
        self.run(|| tools::run("nft", &[&["-j"], arguments].concat(), ""))?
    }

    /// Runs lines of commands of `tc` here.
    pub(super) fn tc(&self, lines: &str) -> Result {
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
        if owner(&name).is_some_and(|owner| !is_running(owner)) {
            let _ = tools::run("ip", &["netns", "delete", &name], "");
        }
    }
}

/// The process that has made the namespace of that name, if it is one of this program's.
fn owner(name: &str) -> Option<u32> {
    let (owner, _label) = name.strip_prefix(PREFIX)?.split_once('-')?;
    owner.parse().ok()
}

/// Whether that process is a run of this program. Its number may have become another's.
fn is_running(process: u32) -> bool {
    let program = |process: &str| fs::read_to_string(format!("/proc/{process}/comm")).ok();
    program(&process.to_string()).is_some_and(|found| Some(found) == program("self"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_runs_that_are_over_are_left_over() {
        let mine = format!("{PREFIX}{}-3-bridge", id());
        assert!(owner(&mine).is_some_and(is_running));
        // No process has number 0, and none of this program is the first.
        assert!(owner("obit-0-3-bridge").is_some_and(|owner| !is_running(owner)));
        assert!(owner("obit-1-3-bridge").is_some_and(|owner| !is_running(owner)));
        for foreign in ["obit-", "obit-x-1", "obit-7", "docker-7-a", "", "obit--1"] {
            assert_eq!(owner(foreign), None, "{foreign}");
        }
    }
}
