//! Counts of everything that is refused, dropped and retried, for operators.

use std::sync::atomic::{AtomicU64, Ordering};

use peer_service::EndKind;

/// Counts one kind of occurrence.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    pub(crate) fn add_many(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts the end of a session, once for all of its connections. `closed_here`: the local node
    /// sent the goodbye.
    pub(crate) fn session_over(&self, kind: EndKind, closed_here: bool) {
        match kind {
            EndKind::Closed => self.sessions_closed.add(),
            EndKind::Left if !closed_here => self.sessions_left.add(),
            EndKind::Protocol => self.sessions_protocol.add(),
            EndKind::Timeout => self.sessions_timeout.add(),
            EndKind::Overloaded => self.sessions_overloaded.add(),
            // Ended at the request of either node, or counted where it was decided.
            _ => {}
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One counter for each kind of refusal, end or start.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// Names and values, in the order of declaration.
            pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
            }
        }
    };
}

counters! {
    /// Connections accepted by the listener.
    accepted,
    /// Errors of the listener, such as too many open files.
    accept_errors,
    /// Handshakes closed because too many were in progress, and their address had most of them.
    refused_busy,
    /// Connections closed at once because too many handshakes were in progress from their address.
    refused_busy_address,
    /// Handshakes that did not follow the protocol, or broke its layouts or limits.
    refused_malformed,
    /// Handshakes that were not finished in time.
    refused_slow,
    /// Handshakes during which the peer closed the connection.
    handshakes_cut,
    /// Handshakes without a protocol version in common.
    refused_version,
    /// Inbound connections from another cluster.
    refused_cluster,
    /// Inbound connections that were addressed to another node, or came from a node with the local
    /// name.
    refused_name,
    /// Inbound connections that could not prove the secret.
    refused_proof,
    /// Inbound connections whose TLS failed, or whose certificate does not contain the name of
    /// their node.
    refused_tls,
    /// Inbound connections refused because the local node's own dial wins.
    refused_simultaneous,
    /// Inbound connections from a node whose name another live node has.
    refused_duplicate,
    /// Inbound connections replaced by a newer dial of the same node.
    refused_superseded,
    /// Inbound connections from a node that already has a session here.
    refused_standing,
    /// Inbound connections that this node closed: it was stopping, or had a session with their node
    /// by then.
    refused_late,
    /// Reads of the file of peers that failed, or found it malformed.
    peers_file_errors,
    /// Lookups of peers that the resolver did not answer.
    peers_dns_errors,
    /// Dials begun, each address counted. A dial that is canceled because another address has
    /// answered does not count as failed.
    dials,
    /// Dials that failed, each address counted.
    dials_failed,
    /// Dialed peers that could not prove the secret.
    dials_unproved,
    /// Dialed peers whose TLS failed.
    dials_tls,
    /// Dials that were not answered in time.
    dials_slow,
    /// Dials that the peer refused or rejected.
    dials_refused,
    /// Dials that could not begin: no address was found, or none that may be dialed without a
    /// secret.
    dials_nowhere,
    /// Sessions begun.
    sessions,
    /// Sessions ended because the connection broke or was closed without a goodbye.
    sessions_closed,
    /// Sessions ended because the peer said goodbye.
    sessions_left,
    /// Sessions ended because the peer had lost them and started a new one.
    sessions_replaced,
    /// Sessions ended because the peer broke the protocol.
    sessions_protocol,
    /// Sessions ended because the peer was silent.
    sessions_timeout,
    /// Sessions ended because the peer did not keep up.
    sessions_overloaded,
    /// Messages refused because the queue was full.
    messages_full,
    /// Frames refused because they were longer than the peer's maximum.
    frames_too_large,
    /// Bytes that were still queued when their session ended.
    unsent_bytes,
    /// Background tasks that panicked, or were dropped by their executor: a bug.
    tasks_failed,
}
