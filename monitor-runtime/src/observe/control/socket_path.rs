//! The default paths of sockets, and the creation of a socket at its path.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::DirBuilderExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, Stat, fstat, open, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::platform::MAX_SOCKET_PATH;
use crate::node::Node;

mod lstat;
mod staging;

use lstat::{is_socket, lstat};
use staging::Staging;

/// The directory of the sockets of a user's nodes: `obit` in the directory that `XDG_RUNTIME_DIR`
/// names, which only that user can enter. `None` if the variable is not set, or is not an absolute
/// path.
pub fn default_directory() -> Option<PathBuf> {
    let directory = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
    directory.is_absolute().then(|| directory.join("obit"))
}

/// The default path of this node's socket: a file in the [`default_directory`], named by the label
/// of the node and the process id of this program. Two nodes with the same label in one program
/// need other paths.
pub fn default_socket(node: &Node) -> Option<PathBuf> {
    Some(default_directory()?.join(format!("{}-{}.sock", node.name().label(), process::id())))
}

/// A socket at its path. Dropping this removes it, unless the path leads to something else by now.
#[derive(Debug)]
pub(super) struct BoundSocket {
    /// The open directory, which stays the same if its path changes.
    directory: OwnedFd,
    name: OsString,
    identity: (u64, u64),
}

impl BoundSocket {
    /// Listens at that path, with mode 0600 from the first moment on. A socket there at which no
    /// program listens is removed first; anything else there stays and is an error.
    pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, BoundSocket)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The lengths of the paths are checked before anything is made.
        fits(path)?;
        fits(&Staging::socket_path(parent))?;
        let directory = open_directory(parent)?;
        staging::clear(&directory, parent);
        let listener = staging::listen(&directory, parent, |staged| {
            make_vacant(&directory, name, path)?;
            staged.link_to(&directory, name)
        })?;
        let identity = identity(&lstat(&directory, name)?);
        Ok((listener, BoundSocket { directory, name: name.to_owned(), identity }))
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if lstat(&self.directory, &self.name).is_ok_and(|there| identity(&there) == self.identity) {
            // A later node finds that a remaining socket is dead, and replaces it.
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
const fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

fn fits(path: &Path) -> io::Result<()> {
    let len = path.as_os_str().as_bytes().len();
    if len <= MAX_SOCKET_PATH {
        return Ok(());
    }
    let text = format!(
        "the path of a socket has at most {MAX_SOCKET_PATH} bytes, and {} has {len}: take a directory with a shorter one",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidFilename, text))
}

/// Checks that no other user can create a socket in the [`default_directory`], where a client would
/// mistake it for that of a node of this user. A directory that does not exist passes.
/// [`serve`](super::serve) makes the same check for that directory only: the directory of any other
/// socket is the caller's choice.
///
/// # Errors
/// `PermissionDenied` if the directory is a symbolic link, belongs to another user, or can be
/// written by others; its text says what to do. Otherwise the error of the system.
pub fn check_default_directory() -> io::Result<()> {
    let Some(path) = default_directory() else { return Ok(()) };
    match open_own(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop),
    }
}

/// Opens the directory of a socket. The [`default_directory`] is made if it does not exist, and
/// must belong to the user.
fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    if Some(path) != default_directory().as_deref() {
        return Ok(open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?);
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    open_own(path)
}

/// Opens a directory that no other user can write to.
fn open_own(path: &Path) -> io::Result<OwnedFd> {
    let refused = |problem: &str| {
        let text = format!(
            "{} {problem}, so another user could put sockets there: remove it and let it be made anew, or choose a socket by its path",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(path, flags, Mode::empty()) {
        // For a symbolic link Linux returns NOTDIR, other systems return LOOP.
        Err(Errno::NOTDIR | Errno::LOOP) if fs::symlink_metadata(path)?.is_symlink() => {
            return refused("is a symbolic link");
        }
        directory => directory?,
    };
    let stat = fstat(&directory)?;
    if stat.st_uid != geteuid().as_raw() {
        return refused("belongs to another user");
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refused("can be written by others (`chmod 700` it if it was you who let them)");
    }
    Ok(directory)
}

/// Removes a socket of that name at which no program listens. Anything else there is an error.
fn make_vacant(directory: &OwnedFd, name: &OsStr, path: &Path) -> io::Result<()> {
    let taken = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what.to_owned()));
    let there = match lstat(directory, name) {
        Err(Errno::NOENT) => return Ok(()),
        there => there?,
    };
    if !is_socket(&there) {
        return taken("the path exists and is not a socket");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // It accepts, or its queue is full, or it is of another type, or this user may not open it.
        Ok(_) | Err(_) => return taken("another node listens there"),
    }
    if lstat(directory, name).is_ok_and(|still| is_socket(&still) && identity(&still) == identity(&there)) {
        unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(())
}
