//! File modes and descriptor limits.

use std::{fs::File, io, os::unix::fs::PermissionsExt};

/// The file's mode, if it gives others than its owner any permission. Read from the open file, so
/// that it is the mode of the file whose content is read.
pub(crate) fn exposing_mode(file: &File) -> io::Result<Option<u32>> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Whether this process, or the whole system, has no descriptor left: `EMFILE` and `ENFILE`, which
/// have the same numbers on every Unix.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}
