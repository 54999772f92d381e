//! Differences between operating systems.

use std::io;

/// Has the kernel kill this process when its parent ends.
#[cfg(target_os = "linux")]
pub(super) fn set_death_signal() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Has the kernel kill this process when its parent ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_death_signal() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
