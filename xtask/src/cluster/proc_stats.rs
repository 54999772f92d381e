//! Resource usage and limits of the process of a node.

use std::fs;

use anyhow::{Context, Result, bail};
use harness::conditions::{SOON, poll};

use super::node::Node;

impl Node {
    /// The process id, for `/proc`.
    pub(crate) fn process_id(&self) -> u32 {
        self.child().id()
    }

    /// Returns the number of open descriptors.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        let folder = format!("/proc/{}/fd", self.process_id());
        Ok(fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?.count())
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process_id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        match line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()) {
            Some(kib) => Ok(kib << 10),
            None => bail!("{path} has no resident memory for {}", self.name()),
        }
    }

    /// Waits until the number of open descriptors is at most that.
    pub(crate) fn await_descriptors(&self, most: usize) -> Result<()> {
        let mut now = 0;
        let back = poll(SOON, || {
            now = self.descriptors()?;
            Ok((now <= most).then_some(()))
        })?;
        match back {
            Some(()) => Ok(()),
            None => bail!("{} has {now} descriptors open, expected at most {most}", self.name()),
        }
    }

    /// Sets the maximum number of descriptors; returns the previous maximum.
    pub(crate) fn limit_descriptors(&self, most: usize) -> Result<usize> {
        self.child().limit_descriptors(most as u64).map(|before| before as usize)
    }
}
