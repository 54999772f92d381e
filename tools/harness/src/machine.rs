//! The machine and the commit of a measurement.

use std::{fs, process::Command, thread};

use serde::Serialize;

use crate::workspace;

/// The machine of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Number of processors that this process may use.
    pub processors: usize,
    /// The kernel and its version, as in `Linux 6.8.0`.
    pub kernel: String,
}

impl Machine {
    /// The machine on which this program runs.
    pub fn this() -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        // The suffix of a version names only the build.
        let version = kernel.trim().split('-').next().unwrap_or_default();
        Machine { processors, kernel: format!("Linux {version}") }
    }
}

/// The checked-out commit, with `, changed` after it if files differ; `unknown` without git.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(workspace::root()).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{commit}, changed") } else { commit }
}
