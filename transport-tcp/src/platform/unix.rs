//! Modes of files.

use std::{fs::File, io, os::unix::fs::PermissionsExt};

/// The file's mode, if it lets others than its owner do anything with it. Asked of the open file, so that it
/// is the mode of what is read.
pub(crate) fn exposing_mode(file: &File) -> io::Result<Option<u32>> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}
