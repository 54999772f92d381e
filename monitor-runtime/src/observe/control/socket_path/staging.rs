//! The staging directory, in which a socket is made before other users can open it.
//!
//! The mode of a new socket depends on the umask of the process. So the socket is made in a staging
//! directory, which only its owner can enter, gets the mode 0600 there, and is then linked to its
//! path. All steps use open directories and follow no symbolic link, so that nothing outside of
//! them is changed, even if other users can write there.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, chmodat, fstat, linkat, mkdirat, openat, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::lstat::{is_socket, lstat};

/// Names of staging directories begin with this prefix and end with four hexadecimal digits. They
/// are no longer than most names of sockets.
const PREFIX: &str = ".obit-";
/// The name of a socket in its staging directory.
const SOCKET: &str = "s";
/// Number of attempts with new staging directories. An attempt fails if another node removes the
/// directory because it mistakes it for an abandoned one.
const TRIES: usize = 4;

/// Makes a socket in a staging directory of that parent, and calls `publish` to link it to its
/// path.
pub(super) fn listen(
    parent: &OwnedFd,
    parent_path: &Path,
    publish: impl Fn(&Staging<'_>) -> io::Result<()>,
) -> io::Result<UnixListener> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match listen_once(parent, parent_path, &publish) {
            // The name is in use, or another node has removed the directory.
            Err(error)
                if tries > 0
                    && parent_path.is_dir()
                    && [io::ErrorKind::AlreadyExists, io::ErrorKind::NotFound].contains(&error.kind()) => {}
            listening => return listening,
        }
    }
}

fn listen_once(
    parent: &OwnedFd,
    parent_path: &Path,
    publish: impl Fn(&Staging<'_>) -> io::Result<()>,
) -> io::Result<UnixListener> {
    let staging = Staging::make(parent)?;
    let listener = staging.bind(parent_path).and_then(|listener| publish(&staging).map(|()| listener));
    staging.remove();
    listener
}

/// Removes the staging directories that killed programs of this user have left behind. Directories
/// in use stay, and so does anything else with such a name.
pub(super) fn clear(parent: &OwnedFd, parent_path: &Path) {
    let Ok(entries) = Dir::read_from(parent) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if let Ok(staging) = Staging::open(parent, name)
            && !staging.is_in_use(parent_path)
        {
            staging.remove();
        }
    }
}

/// A staging directory of this user, which no other user can enter.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    parent: &'a OwnedFd,
    name: String,
    directory: OwnedFd,
}

impl<'a> Staging<'a> {
    /// The path of a socket in a staging directory of that parent.
    pub(super) fn socket_path(parent: &Path) -> PathBuf {
        parent.join(name(0)).join(SOCKET)
    }

    /// Links the socket to its path, which must not exist.
    pub(super) fn link_to(&self, directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match linkat(&self.directory, SOCKET, directory, name, AtFlags::empty()) {
            Err(Errno::EXIST) => {
                Err(io::Error::new(io::ErrorKind::AddrInUse, "another program has created it meanwhile"))
            }
            linked => Ok(linked?),
        }
    }

    fn make(parent: &'a OwnedFd) -> io::Result<Self> {
        let name = name(getrandom::u32().map_err(io::Error::other)?);
        mkdirat(parent, &name, Mode::RWXU)?;
        Staging::open(parent, OsStr::new(&name))
    }

    /// Opens a staging directory. `NotFound` if that name is none of this user's; otherwise the
    /// error of the system.
    fn open(parent: &'a OwnedFd, name: &OsStr) -> io::Result<Self> {
        let name = name.to_str().filter(|name| is_name(name)).ok_or(io::ErrorKind::NotFound)?.to_owned();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(parent, &name, flags, Mode::empty())?;
        let stat = fstat(&directory)?;
        let others = Mode::RWXG | Mode::RWXO;
        let is_own =
            stat.st_uid == geteuid().as_raw() && !Mode::from_raw_mode(stat.st_mode).intersects(others);
        if is_own { Ok(Staging { parent, name, directory }) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn bind(&self, parent_path: &Path) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(parent_path.join(&self.name).join(SOCKET))?;
        // The socket is missing if the path leads elsewhere by now.
        if !self.has_socket() {
            return Err(io::ErrorKind::NotFound.into());
        }
        chmodat(&self.directory, SOCKET, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
        Ok(listener)
    }

    fn has_socket(&self) -> bool {
        lstat(&self.directory, SOCKET).is_ok_and(|stat| is_socket(&stat))
    }

    fn is_in_use(&self, parent_path: &Path) -> bool {
        let socket = parent_path.join(&self.name).join(SOCKET);
        let is_dead = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        self.has_socket() && !UnixStream::connect(socket).is_err_and(is_dead)
    }

    /// Removes the directory, if it holds nothing but the socket. A later node finds a directory
    /// that stays.
    fn remove(self) {
        if self.has_socket() {
            let _ = unlinkat(&self.directory, SOCKET, AtFlags::empty());
        }
        let _ = unlinkat(self.parent, &self.name, AtFlags::REMOVEDIR);
    }
}

fn name(number: u32) -> String {
    format!("{PREFIX}{:04x}", number & 0xffff)
}

fn is_name(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
