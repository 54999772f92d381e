//! Where the workspace is, and how cargo is called in it.

use std::{path::PathBuf, process::Command};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this package lies in a folder of the workspace").to_path_buf()
}

/// The cargo that runs this program, called at the root.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}
