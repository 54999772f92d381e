//! Socket options of Linux.

use std::{net::TcpStream, time::Duration};

use socket2::SockRef;

/// Maximum number of unsent bytes in the system's send buffer: small, so that pings do not wait
/// behind megabytes.
const UNSENT: u32 = 128 * 1024;

/// Limits the unsent bytes in the system to [`UNSENT`].
pub(crate) fn limit_unsent(stream: &TcpStream) {
    // A socket that has just died refuses its options; the next use of it reports the error.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
}

/// Makes the system discard data that is not acknowledged within this time, instead of after a
/// quarter of an hour.
pub(crate) fn set_user_timeout(stream: &TcpStream, timeout: Duration) {
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
}
