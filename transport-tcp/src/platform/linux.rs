//! Options that sockets of Linux have.

use std::{net::TcpStream, time::Duration};

use socket2::SockRef;

/// Number of bytes that may wait in the system unsent: little, so that pings are not stuck behind
/// megabytes.
const UNSENT: u32 = 128 * 1024;

/// Lets no more than [`UNSENT`] bytes wait in the system.
pub(crate) fn keep_little_unsent(stream: &TcpStream) {
    // A socket that has just died refuses its options; its next user notices.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
}

/// The system gives up what it cannot deliver after that time, not after a quarter of an hour.
pub(crate) fn forget_undelivered_after(stream: &TcpStream, timeout: Duration) {
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
}
