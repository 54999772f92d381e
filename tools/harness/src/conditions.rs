//! Waits for conditions, and checks them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Maximum time for a condition that holds within milliseconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Calls `attempt` until it returns a value. Returns `None` after `within`, and an error of
/// `attempt` at once.
pub fn poll<T>(within: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = attempt()? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Returns an error with this text unless the condition holds.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { bail!(what()) }
}
