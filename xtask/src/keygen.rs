//! `cargo xtask keygen`: a fresh secret.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use crate::failure::{Context, Result};

/// Writes a fresh secret to a new file with mode 0600.
pub(crate) fn run(file: &Path) -> Result<ExitCode> {
    let name = || format!("cannot write {}", file.display());
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).context(name)?;
    writeln!(new, "{}", fresh_secret()?).context(name)?;
    println!("wrote a fresh secret to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// 32 bytes from the system's source of randomness, as 64 hexadecimal digits.
pub(crate) fn fresh_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context(|| "the system gives no randomness".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
