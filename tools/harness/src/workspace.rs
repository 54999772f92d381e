//! The root of the workspace, and calls of cargo there.

use std::{path::PathBuf, process::Command};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package lies two folders below the root").to_path_buf()
}

/// The cargo that runs this program, in the root folder.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The cargo of rustup, which accepts the name of a toolchain, in the root folder.
pub fn cargo_of_rustup() -> Command {
    let mut cargo = Command::new("cargo");
    // Without this, cargo would use the toolchain that runs this program.
    cargo.current_dir(root()).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    cargo
}
