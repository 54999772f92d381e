//! Options of the sockets.

use std::{net::TcpStream, time::Duration};

use socket2::SockRef;

/// What may wait in the system unsent: little, so that pings are not stuck behind megabytes.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Sets what every session wants: no waiting for more bytes, little unsent in the system.
pub(crate) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // A socket that has just died refuses its options; whoever uses it next will notice.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
}

/// A socket that is about to be closed: the system forgets what it cannot deliver after that time, not after
/// a quarter of an hour.
///
/// Not set earlier: the system counts the time in which a living peer does not read, too, and that is the
/// peer's right.
pub(crate) fn hasten(stream: &TcpStream, timeout: Duration) {
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, timeout);
}

/// Closed, it is reset at once instead of ending in turn.
///
/// For a peer that does not answer: if what it says is lost and what it is told is not, the end would wait behind
/// bytes whose receipts are lost, for the system's next try, which comes ever later.
pub(crate) fn reset_when_closed(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
