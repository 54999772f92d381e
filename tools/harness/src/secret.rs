//! Secrets for the clusters of one run. `obit keygen` writes secrets that are kept.

use anyhow::{Context, Result};

/// 32 bytes from the system's source of randomness, as 64 hexadecimal digits.
pub fn fresh_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system returns no random bytes for a secret")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
