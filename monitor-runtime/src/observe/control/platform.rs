//! What differs between operating systems that have Unix sockets.

/// The longest path of a socket, in bytes: its place in an address, less the byte that ends it.
/// Linux has 108, the BSDs and macOS have 104.
pub(super) const MAX_SOCKET_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };
