//! The metadata of an entry of a directory.

use std::{ffi::OsStr, os::fd::OwnedFd};

use rustix::{
    fs::{AtFlags, FileType, Stat, statat},
    io::Errno,
};

/// The metadata of the entry itself; it does not follow a symbolic link.
pub(super) fn lstat(directory: &OwnedFd, name: impl AsRef<OsStr>) -> Result<Stat, Errno> {
    statat(directory, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn is_socket(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
}
