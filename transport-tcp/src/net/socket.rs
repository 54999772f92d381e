//! Socket options.

use std::{
    io,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use socket2::SockRef;

use crate::platform;

/// Length of the system's queue of connections that were not accepted yet; Linux limits it to
/// `net.core.somaxconn`.
///
/// The system drops further connections, and their nodes retry after a second. Whole clusters start
/// at the same moment, and the standard library's 128 are soon exceeded on starved machines. The
/// limit on unauthenticated peers is another one.
const BACKLOG: i32 = 4096;

/// Extends the accept queue of a listener to [`BACKLOG`].
pub(crate) fn extend_backlog(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).listen(BACKLOG)
}

/// Sets the options of every connection: no delay of small writes, few unsent bytes in the system.
pub(crate) fn tune(stream: &TcpStream) {
    // A socket that has just died refuses its options; the next use of it reports the error.
    let _ = SockRef::from(stream).set_tcp_nodelay(true);
    platform::limit_unsent(stream);
}

/// For a socket that is about to be closed: the system discards data that is not acknowledged
/// within this time, instead of after a quarter of an hour.
///
/// Not set earlier, because the system also counts time in which a living peer does not read, which
/// a peer is allowed to do.
pub(crate) fn limit_retransmission(stream: &TcpStream, timeout: Duration) {
    platform::set_user_timeout(stream, timeout);
}

/// Makes a close reset the connection at once instead of shutting it down in order.
///
/// For a peer that does not answer: if its packets are lost but the local ones arrive, an orderly
/// shutdown would wait behind unacknowledged bytes, whose retransmissions come at growing
/// intervals.
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
        extend_backlog(&listener).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let call = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let callers: Vec<_> = (0..CALLERS).map_while(|_| call().ok()).collect();
        // The system may limit the queue to fewer connections than a listener requests.
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
        let limit = limit.and_then(|text| text.trim().parse().ok()).unwrap_or(usize::MAX);
        assert!(callers.len() >= CALLERS.min(limit), "only {} could connect", callers.len());
    }
}
