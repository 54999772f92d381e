//! Differences between operating systems that have Unix sockets.

/// Maximum length of the path of a socket, in bytes: the length of its field in an address, less
/// the terminating byte. The field has 108 bytes on Linux, 104 on the BSDs and macOS.
pub(super) const MAX_SOCKET_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };
