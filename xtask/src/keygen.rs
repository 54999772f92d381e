//! `cargo xtask keygen`: a fresh secret, as `obit keygen` makes it.

use std::{path::Path, process::ExitCode};

use crate::{
    failure::{Context, Result},
    fresh_secret,
};

/// Writes a fresh secret to a new file with mode 0600.
pub(crate) fn run(file: &Path) -> Result<ExitCode> {
    fresh_secret::write_to_new(file).context(|| format!("cannot write {}", file.display()))?;
    println!("wrote a fresh secret to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// A secret for a cluster that lives as long as this program.
pub(crate) fn fresh_secret() -> Result<String> {
    fresh_secret::digits().context(|| "cannot make a secret".to_owned())
}
