//! Options of the sockets.

use std::{
    io,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use socket2::SockRef;

use crate::platform;

/// How many connections may wait in the system until they are accepted; Linux takes no more than
/// `net.core.somaxconn`.
///
/// The system drops further ones, and their nodes try again after a second: whole clusters start at
/// the same moment, and the 128 of the standard library are soon full where nodes are starved. How
/// many unauthenticated peers get in is not decided here.
const WAITING: i32 = 4096;

/// Lets as many connections wait as clusters need.
pub(crate) fn widen(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).listen(WAITING)
}

/// Sets what every session wants: no waiting for more bytes, little unsent in the system.
pub(crate) fn tune(stream: &TcpStream) {
    // A socket that has just died refuses its options; its next user notices.
    let _ = SockRef::from(stream).set_tcp_nodelay(true);
    platform::keep_little_unsent(stream);
}

/// A socket that is about to be closed: the system forgets what it cannot deliver after that time,
/// not after a quarter of an hour.
///
/// Not set earlier: the system counts the time in which a living peer does not read, too, and that
/// is the peer's right.
pub(crate) fn hasten(stream: &TcpStream, timeout: Duration) {
    platform::forget_undelivered_after(stream, timeout);
}

/// Closed, it is reset at once instead of ending in turn.
///
/// For a peer that does not answer: if what it says is lost and what it is told is not, the end
/// would wait behind bytes whose receipts are lost, for the system's next try, which comes ever
/// later.
pub(crate) fn reset_when_closed(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_cluster_may_connect_before_any_node_is_accepted() {
        const CALLERS: usize = 200;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        widen(&listener).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let call = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let callers: Vec<_> = (0..CALLERS).map_while(|_| call().ok()).collect();
        // A system may be told to let no more than these wait, whatever a listener asks for.
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
        let most = most.and_then(|text| text.trim().parse().ok()).unwrap_or(usize::MAX);
        assert!(callers.len() >= CALLERS.min(most), "only {} could connect", callers.len());
    }
}
