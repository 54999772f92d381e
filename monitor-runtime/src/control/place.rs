//! Where sockets lie, and how one comes to lie there.

use std::{
    env, fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
};

use super::platform::MAX_SOCKET_PATH;
use crate::node::Node;

/// Where the sockets of a user's nodes lie: `obit` in the directory that `XDG_RUNTIME_DIR` names, which only that
/// user can enter. None if the variable is not set, or names no absolute path.
pub fn default_directory() -> Option<PathBuf> {
    let directory = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
    directory.is_absolute().then(|| directory.join("obit"))
}

/// Where the socket of this node lies if nothing else is said: in the [`default_directory`], by the label of the node
/// and the number of this program. Two nodes of one label in one program need places of their own.
pub fn default_socket(node: &Node) -> Option<PathBuf> {
    Some(default_directory()?.join(format!("{}-{}.sock", node.name().label(), process::id())))
}

/// A socket in its place. Dropped, it is taken away, unless another lies there by now.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

/// What the porches of sockets are called, before four digits; it is no longer than most names of sockets.
const PORCH: &str = ".obit-";
/// What a socket is called in its porch.
const BORN: &str = "s";
/// How often another porch is tried if somebody takes one away.
const TRIES: usize = 4;

impl Place {
    /// Listens at that path, with mode 0600 from the first moment on. What lies there is replaced if it is a socket
    /// at which nobody listens.
    pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, Place)> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A path that is too long for a socket is found out before anything is made.
        fits(path, parent)?;
        if Some(parent) == default_directory().as_deref() {
            make_private_directory(parent)?;
        }
        vacant(path)?;
        clear_porches(parent);
        let listener = listen_from_porch(parent, path)?;
        let metadata = fs::metadata(path)?;
        Ok((listener, Place { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let same = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if fs::metadata(&self.path).is_ok_and(same) {
            // A socket that is left behind is found to be dead, and replaced.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn fits(path: &Path, parent: &Path) -> io::Result<()> {
    let porch = parent.join(format!("{PORCH}0000")).join(BORN);
    for path in [path, &porch] {
        let len = path.as_os_str().as_bytes().len();
        if len > MAX_SOCKET_PATH {
            let text = format!(
                "the path of a socket has at most {MAX_SOCKET_PATH} bytes, and {} has {len}: take a directory with a shorter one",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
        }
    }
    Ok(())
}

fn make_private_directory(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn vacant(path: &Path) -> io::Result<()> {
    let taken = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what.to_owned()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if !there.file_type().is_socket() => taken("something that is no socket lies there"),
        Ok(_) if UnixStream::connect(path).is_ok() => taken("another node listens there"),
        Ok(_) => Ok(()),
    }
}

/// A socket is born with the mode that the process' mask leaves it. Until it is 0600 it lies on a porch, where nobody else
/// can enter; then it moves, which also replaces one that is dead in one step.
fn listen_from_porch(parent: &Path, path: &Path) -> io::Result<UnixListener> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let number = getrandom::u32().map_err(io::Error::other)?;
        let porch = parent.join(format!("{PORCH}{:04x}", number & 0xffff));
        let made = fs::DirBuilder::new().mode(0o700).create(&porch);
        let listening = made.and_then(|()| {
            let listening = listen_in(&porch, path);
            // Left behind, it is cleared away by the next one.
            let _ = fs::remove_dir(&porch);
            listening
        });
        match listening {
            // Another porch of that name, or one that was taken for one that had been left behind.
            Err(error)
                if tries > 0
                    && parent.is_dir()
                    && [io::ErrorKind::AlreadyExists, io::ErrorKind::NotFound].contains(&error.kind()) => {}
            listening => return listening,
        }
    }
}

fn listen_in(porch: &Path, path: &Path) -> io::Result<UnixListener> {
    let born = porch.join(BORN);
    let listener = UnixListener::bind(&born)?;
    let moved =
        fs::set_permissions(&born, fs::Permissions::from_mode(0o600)).and_then(|()| fs::rename(&born, path));
    if moved.is_err() {
        // The error is told; that this may fail too says nothing more.
        let _ = fs::remove_file(&born);
    }
    moved.map(|()| listener)
}

/// Takes away the porches that killed programs have left behind. Those of others, and what is in use, stay.
fn clear_porches(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let names = entries.filter_map(Result::ok);
    for porch in names.filter(|entry| entry.file_name().as_bytes().starts_with(PORCH.as_bytes())) {
        let born = porch.path().join(BORN);
        if UnixStream::connect(&born).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            let _ = fs::remove_file(&born);
        }
        let _ = fs::remove_dir(porch.path());
    }
}
